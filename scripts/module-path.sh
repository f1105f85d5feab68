#!/bin/sh
# Changes the module path of the whole repository: go.mod and the modules below it, all
# imports, linker flags, linter settings, documentation, and the compiler's profile.
#
#   scripts/module-path.sh PATH           e.g. example.org/you/fasternet-train
#   scripts/module-path.sh --force PATH   even if files have uncommitted changes
#
# Exit codes: 0 done, or PATH is already the module path; 1 nothing was changed, for the
# printed reason; 2 wrong usage.
set -eu
cd "$(dirname "$0")/.."
command -v "${GO:-go}" >/dev/null || { echo "module-path: needs Go" >&2; exit 1; }
command -v git >/dev/null || { echo "module-path: needs git to list the files of the project" >&2; exit 1; }
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
# Build first, then run, because go run turns every exit code into 1.
CGO_ENABLED=0 "${GO:-go}" build -o "$program/modulepath" ./scripts/modulepath || exit 1
"$program/modulepath" "$@"
