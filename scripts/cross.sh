#!/bin/sh
# cross.sh: compiles the program for every system it is for, and keeps nothing.
set -eu
cd "$(dirname "$0")/.."
export CGO_ENABLED=0
for os in linux darwin windows; do
	for arch in amd64 arm64; do
		GOOS=$os GOARCH=$arch go build -o /dev/null ./cmd/assent || {
			echo "does not build for $os/$arch" >&2
			exit 1
		}
	done
done
