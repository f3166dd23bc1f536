#!/bin/sh
# step.sh NAME COMMAND...: runs a step of a make target under its name and says
# how long it took.
set -u
name=$1
shift
echo "==> $name"
start=$(date +%s)
"$@"
status=$?
took=$(($(date +%s) - start))
[ $status = 0 ] && echo "    $name: ${took} s" || echo "    $name: FAILED after ${took} s"
exit $status
