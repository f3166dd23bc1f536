#!/bin/sh
# bench.sh: the numbers of docs/measure.md but the long outage. Takes about half
# an hour on a quiet machine; on a busy one trust the ratios, and look at their
# spread. ROUNDS and SECONDS_A_RUN shorten it; ENV=GOMAXPROCS=3 is for the
# assent process alone.
set -eu
cd "$(dirname "$0")/.."
scripts/kafka.sh
command -v wrk >/dev/null || { echo "bench: wrk is missing: apt-get install wrk" >&2; exit 1; }
rounds=${ROUNDS:-5} seconds=${SECONDS_A_RUN:-5} env=${ENV-}

echo "## Machine"
echo "$(date -u +%F), $(nproc) cores, $(awk -F ': ' '/model name/ {print $2; exit}' /proc/cpuinfo), $(go version | cut -d' ' -f3), load $(cut -d' ' -f1 /proc/loadavg)"
echo
echo "## redact: one 1 kB event"
go test ./redact -run '^$' -bench 'Append$|Find$|OracleMap' -count 5
echo
echo "## The edge without network and disk: one request of one 1 kB event"
go test ./collector -run '^$' -bench Handle -count 5
echo
echo "## Look-ups"
go test ./geo/mmdb ./policy ./consent -run '^$' -bench 'Locate|Decide|Identify|Resolve' -benchtime 0.3s -count 3
echo
echo "## Signals"
go test ./consent/tcf ./consent/gpp ./consent/cmp ./consent/signals -run '^$' -bench 'ParseAndJudge|Parse/|OneTrust|Cookiebot|Read/|Decode' -benchtime 0.3s -count 3
go test ./collector -run '^$' -bench Signals -count 5
echo
echo "## Whole requests"
go run ./test/load -rounds "$rounds" -seconds "$seconds" -env "$env" -svg docs/img/bench.svg
echo
echo "## Latency in an open loop"
go run ./test/load/latency -rounds "$rounds" -run "$((2 * seconds))s" -env "$env"
echo
echo "## Batches"
go run ./test/load/batches -rounds "$rounds" -run "$((2 * seconds))s" -env "$env"
echo
echo "## CPU of producing"
(cd test/compare && go run . -rounds "$rounds")
