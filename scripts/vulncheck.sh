#!/bin/sh
# Looks for known vulnerabilities in what the program calls, with the govulncheck of
# the version given. Without a way to the database it says so, and is no failure.
set -u
cd "$(dirname "$0")/.."
out=$(${GO:-go} run "$1" ./... 2>&1)
code=$?
case $out in
*"vuln.go.dev"*)
	if [ $code -ne 0 ] && [ $code -ne 3 ]; then
		echo "NOT CHECKED for vulnerabilities: the database cannot be reached" >&2
		exit 0
	fi
	;;
esac
[ $code -eq 0 ] || echo "$out"
exit $code
