#!/bin/sh
# fuzz.sh TIME: runs every fuzz function of the tree for TIME each. A find is
# written to testdata/fuzz beside the test: commit it with the fix.
set -u
cd "$(dirname "$0")/.."
time=${1:?usage: fuzz.sh TIME, as go test -fuzztime takes it}
log=$(mktemp)
execs() { grep -o 'execs: [0-9]*' "$log" | tail -n 1 | grep . || echo "known inputs only"; }
trap 'rm -f "$log"' EXIT
failed=0

for found in $(grep -roHE --include='*_test.go' --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func /:/' | sort); do
	dir=$(dirname "${found%%:*}")
	name=${found##*:}
	if go test -run='^$' -fuzz="^$name\$" -fuzztime="$time" -fuzzminimizetime=5s "$dir" >"$log" 2>&1; then
		echo "    $dir $name: $(execs)"
	elif ! grep -q 'Failing input\|panic:' "$log" && grep -q '^ *context deadline exceeded' "$log"; then
		# The end of the time races with the workers' own (go.dev/issue/75804);
		# a real find leaves its input.
		echo "    $dir $name: $(execs), nothing found"
	else
		cat "$log"
		failed=1
	fi
done
exit $failed
