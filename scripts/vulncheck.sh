#!/bin/sh
# Looks for known vulnerabilities in the code that the program calls, with the given version of
# govulncheck. If it cannot reach the database, it says so and exits with 0.
set -u
cd "$(dirname "$0")/.."
limit=
if command -v timeout >/dev/null; then limit="timeout ${VULNTIME:-300}"; fi
out=$($limit ${GO:-go} run "$1" ./... 2>&1)
code=$?
[ $code -ne 0 ] || exit 0
case $out in
*"Vulnerability #"*) ;;
*)
	if [ $code -eq 124 ] || echo "$out" | grep -qE 'vuln\.go\.dev|fetching vulnerabilities|dial tcp|no such host'; then
		echo "NOT CHECKED for vulnerabilities: cannot reach the database" >&2
		exit 0
	fi
	;;
esac
echo "$out"
exit 1
