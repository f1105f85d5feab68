#!/bin/sh
# Vets and tests what has changed, in less than a minute: the packages with changed files, and
# the packages that import them directly. It prints what it runs and what it leaves out.
#
#   scripts/check.sh                  against the main branch, with what is not committed;
#                                     on the main branch itself, what is not committed, or
#                                     else the last commit
#   scripts/check.sh --base COMMIT    against another commit
#   scripts/check.sh --limit 5m       with more time
#
# Tests run with -short. When the time is over, the packages that are not done are named.
# Exit codes: 0 nothing failed; 1 something failed; 2 wrong usage.
set -eu
cd "$(dirname "$0")/.."
command -v "${GO:-go}" >/dev/null || { echo "check: needs Go" >&2; exit 1; }
command -v git >/dev/null || { echo "check: needs git, which knows what has changed; make test runs everything" >&2; exit 1; }
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
# Built first and run then: go run turns every exit code into 1.
"${GO:-go}" build -o "$program/check" ./scripts/check || exit 1
"$program/check" "$@"
