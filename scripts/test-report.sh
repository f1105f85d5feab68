#!/bin/sh
# Tests the report in headless Chromium: no console error, no request, correct at two
# widths in light and dark mode, and growing during a run.
#
# Needs Go and Chromium. With CI=true, as root on Debian, the script installs it.
# Otherwise it prints a message and skips the test. Arguments go to the test:
#
#   scripts/test-report.sh -keep shots -pages runs/quickstart/report.html
#   scripts/test-report.sh -pages runs/quickstart/report.html -image docs/images/report.png
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

found() {
    command -v chromium ||
        command -v chromium-browser ||
        command -v google-chrome ||
        command -v google-chrome-stable
}

if [ "${CI:-}" = true ] && ! found >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        (apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core) >&2 || true
    fi
    found >/dev/null || {
        echo "test-report: cannot install Chromium; install Debian's chromium" >&2
        exit 1
    }
fi
found >/dev/null || {
    echo "test-report: skipped, the report is untested: install Chromium (Debian: chromium)"
    exit 0
}

keep= pages= image=
while [ $# -gt 0 ]; do
    # Make paths absolute, because the test runs in its own folder.
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
# This module has its own workspace, which takes the versions from the program's go.mod.
CGO_ENABLED=0 GOWORK="$PWD/go.work" GOFLAGS="${GOFLAGS:-} -mod=readonly" \
    go test -count=1 -timeout 20m ${image:+-run TestImage} ./... -args -keep="$keep" -pages="$pages" -image="$image"
