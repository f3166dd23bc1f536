#!/bin/sh
# cross.sh OS/ARCH...: compiles the program for each of them, and keeps nothing.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
for target; do
	GOOS=${target%/*} GOARCH=${target#*/} go build -o /dev/null ./cmd/assent || {
		echo "does not build for $target" >&2
		exit 1
	}
done
