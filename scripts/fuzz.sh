#!/bin/sh
# Runs the fuzz targets of the given packages, or of all, one after the other, each for
# FUZZTIME (10m). go test keeps failing inputs in testdata/fuzz of the package, and tries
# them again in every test run. The script minimises inputs only a little: by default each
# new input may take a minute, and some targets did nothing else.
set -eu
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10m}
[ $# -gt 0 ] || set -- ./...
failed=
for package in $(go list "$@"); do
	dir=$(go list -f '{{.Dir}}' "$package")
	grep -qs '^func Fuzz' "$dir"/*_test.go || continue
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go); do
		echo "== $package $target, $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" ||
			failed="$failed $package:$target"
	done
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
