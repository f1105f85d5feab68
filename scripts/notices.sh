#!/bin/sh
# Prints THIRD-PARTY.md: every module in the program, on any platform of a release, with the licence
# and notices in the module. With --list, prints the modules only.
set -e
export LC_ALL=C # the order must not depend on the language
cd "$(dirname "$0")/.."
GO=${GO:-go}
modules() {
	for p in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
		GOOS=${p%/*} GOARCH=${p#*/} CGO_ENABLED=0 "$GO" list -deps \
			-f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/fasternet-train
	done | sort -u
}
if [ "$1" = --list ]; then
	modules | while read -r path version dir; do echo "$path $version"; done
	exit
fi
cat <<'T'
# Third-party notices

The program contains these modules. `make notices` writes this file from the modules themselves; the Go
standard library, which is also in the program, has the licence of the modules `golang.org/x`.
T
modules | while read -r path version dir; do
	printf '\n## %s %s\n' "$path" "$version"
	found=
	files=$(
		cd "$dir"
		find . -maxdepth 1 -type f ! -name '*.go' \
			\( -iname 'licen[cs]e*' -o -iname 'notice*' -o -iname 'copying*' -o -iname 'patents*' \) | sort
	)
	for f in $files; do
		found=yes
		printf '\n### %s\n\n```text\n' "${f#./}"
		tr -d '\r' <"$dir/$f" | sed 's/[[:space:]]*$//; s/```/'"'''"'/g'
		printf '\n```\n'
	done
	if [ -z "$found" ]; then
		echo "scripts/notices.sh: found no licence file in $path; find it in $dir, and add its name here" >&2
		exit 1
	fi
done
printf '\n## data/classes/imagenet1k.tsv, words of WordNet\n\n```text\n'
cat data/classes/imagenet1k.license
printf '```\n'
