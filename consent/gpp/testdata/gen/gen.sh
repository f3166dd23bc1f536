#!/bin/sh
# Makes ../vectors.ndjson, ../layouts.json and differences.txt: see README.md.
# Needs node 20, JDK 17 and Maven. Works in a folder of its own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/pom.xml" "$here/gen.mjs" "$here/Second.java" "$work"
cd "$work"

npm install --silent --no-audit --no-fund --no-package-lock >&2
mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs >&2
second() { java -Djava.util.logging.config.file=/dev/null -cp 'libs/*' Second.java "$@"; }

second canada >canada.txt
node gen.mjs canada.txt "$here/.." questions.txt answers.txt
second answer <questions.txt >second.txt

# Strings whose answers differ, by section and field, and one of them each.
diff answers.txt second.txt | awk '/^</ {
	key = $3 " " $4; n[key]++; if (!(key in first)) first[key] = $2
} END { for (key in n) print key, n[key], first[key] }' | sort >"$here/differences.txt"
cat "$here/differences.txt" >&2
wc -l answers.txt "$here/../vectors.ndjson" >&2
