#!/bin/sh
# Vets and tests changed packages in less than a minute: the packages with changed files, and
# the packages that import them directly. It prints what it runs and what it leaves out.
#
#   scripts/check.sh                  compares with the main branch, including uncommitted
#                                     changes; on the main branch it takes uncommitted changes,
#                                     or the last commit if there are none
#   scripts/check.sh --base COMMIT    compares with another commit
#   scripts/check.sh --limit 5m       takes more time
#
# Tests run with -short. When the time is over, it names the packages that are not done.
# Exit codes: 0 nothing failed; 1 something failed; 2 wrong usage.
set -eu
cd "$(dirname "$0")/.."
command -v "${GO:-go}" >/dev/null || { echo "check: needs Go" >&2; exit 1; }
command -v git >/dev/null || {
    echo "check: needs git to find what has changed; without git, make test runs everything" >&2
    exit 1
}
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
# Build first, then run, because go run turns every exit code into 1.
"${GO:-go}" build -o "$program/check" ./scripts/check || exit 1
"$program/check" "$@"
