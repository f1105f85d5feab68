#!/bin/sh
# The report in headless Chromium: no console error, no request, right at two
# widths in light and dark mode, and growing while a run goes on.
#
# Needs Go and Chromium. It is installed where CI=true, as root on Debian;
# elsewhere the test is skipped with a message. Arguments go to the test:
#
#   scripts/test-report.sh -keep shots -pages runs/quickstart/report.html
#   scripts/test-report.sh -pages runs/quickstart/report.html -image docs/images/report.png
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

found() { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; }

if [ "${CI:-}" = true ] && ! found >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core) >&2 || true
    fi
    found >/dev/null || {
        echo "test-report: Chromium cannot be had" >&2
        exit 1
    }
fi
found >/dev/null || {
    echo "test-report: skipped: there is no Chromium (Debian: chromium), so nobody has looked at the report"
    exit 0
}

keep= pages= image=
while [ $# -gt 0 ]; do
    # The test runs in a folder of its own: paths are made absolute here.
    case "$1" in
    -keep) keep=$(mkdir -p "$2" && cd "$2" && pwd) ;;
    -image) image=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") ;;
    -pages) pages="${pages:+$pages,}$(cd "$(dirname "$2")" && pwd)/$(basename "$2")" ;;
    *)
        echo "usage: scripts/test-report.sh [-keep FOLDER] [-pages FILE]... [-image FILE]" >&2
        exit 2
        ;;
    esac
    shift 2
done
cd "$root/test/browser"
# A workspace of its own, with the versions of the product's go.mod.
CGO_ENABLED=0 GOWORK="$PWD/go.work" GOFLAGS="${GOFLAGS:-} -mod=readonly" \
    go test -count=1 -timeout 20m ${image:+-run TestImage} ./... -args -keep="$keep" -pages="$pages" -image="$image"
