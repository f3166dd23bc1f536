#!/bin/sh
# packages.sh unit|e2e|race|golden: prints the packages of one kind of test run,
# found in the tree, so that a new package cannot be forgotten.
#   unit    all but those of e2e
#   e2e     below test/ (save the import rules), and whatever imports a harness
#           of test/ or drives a browser
#   race    what starts goroutines or guards memory, outside test/
#   golden  what rewrites its golden files with -update
set -eu
cd "$(dirname "$0")/.."

# tests: 1 for a package that needs a real Kafka, browser or binary, else 0.
tests() {
	go list -f '{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}} ' ./... |
		awk '{
			heavy = $1 ~ /^assent\/test\// && $1 != "assent/test/arch"
			if ($1 != "assent/test/arch" && / assent\/test\/| github.com\/chromedp\//) heavy = 1
			print heavy, $1
		}'
}

# holding PATTERN FILES: directories of Go files that hold the pattern.
holding() {
	grep -rlE --include="$2" "$1" --exclude-dir=.cache --exclude-dir=.git . | xargs -r -n1 dirname | sort -u
}

case ${1-} in
unit) tests | sed -n 's/^0 //p' ;;
e2e) tests | sed -n 's/^1 //p' ;;
race) holding '"sync(/atomic)?"|^[[:space:]]*go (func|[a-z])' '*.go' | grep -v '^\./test/' ;;
golden) holding 'flag\.Bool\("update"' '*_test.go' ;;
*)
	echo "usage: packages.sh unit|e2e|race|golden" >&2
	exit 2
	;;
esac
