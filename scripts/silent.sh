#!/bin/sh
# silent.sh COMPLAINT COMMAND...: fails with the complaint if the command fails
# or prints anything on its standard output.
set -u
complaint=$1
shift
out=$("$@") && [ -z "$out" ] && exit 0
printf '%s\n%s\n' "$out" "$complaint" >&2
exit 1
