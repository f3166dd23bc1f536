#!/bin/sh
# Installs what the tests need and does nothing where it is there: Kafka's jars,
# Java and kcat (scripts/kafka.sh), a C compiler for -race, and Chromium where a
# test drives it. Uses apt when root; else says what to install.
set -eu
cd "$(dirname "$0")/.."

say() { echo "install.sh: $*" >&2; }

command -v go >/dev/null || { say "go is missing: install the version that go.mod names"; exit 1; }

# try COMMAND...: runs it up to three times.
try() {
	for pause in 2 5 0; do
		"$@" >&2 && return 0
		[ "$pause" = 0 ] || sleep "$pause"
	done
	say "failed: $*"
	return 1
}

missing=
need() { command -v "$1" >/dev/null || missing="$missing $2"; }
need gcc "gcc libc6-dev"
if grep -rq --include='*_test.go' --exclude-dir=.cache 'github.com/chromedp/chromedp"' .; then
	need chromium chromium
fi

if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "missing; on Debian: apt-get install --no-install-recommends$missing"
		exit 1
	fi
	say "installing$missing"
	export DEBIAN_FRONTEND=noninteractive
	try apt-get update -qq
	# shellcheck disable=SC2086 # a list
	try apt-get install -qq -y --no-install-recommends $missing
fi

scripts/kafka.sh
