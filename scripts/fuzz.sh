#!/bin/sh
# Runs every fuzz target of the module, one after the other, each for FUZZTIME (10m);
# of the packages given, or of all. What a target finds is kept in testdata/fuzz of
# its package, where every test run tries it again. Inputs are minimised only a little:
# by default each one that is new may take a minute, and some targets did nothing else.
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
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" || failed="$failed $package:$target"
	done
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
