#!/bin/sh
# Makes ../vectors.ndjson and says where the second oracle reads something else: see
# README.md. Needs node 20, JDK 17 and Maven. Works in a folder of its own.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/pom.xml" "$here/gen.mjs" "$here/Second.java" "$work"
cd "$work"

npm install --silent --no-audit --no-fund --no-package-lock >&2
mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs >&2
node gen.mjs >"$here/../vectors.ndjson"
sed 's/.*"string":"\([^"]*\)".*/\1/' "$here/../vectors.ndjson" |
	java -cp 'libs/*' Second.java >second.txt
sed 's/.*"tcf"://; s/}$//' "$here/../vectors.ndjson" >first.txt
diff first.txt second.txt >differences.txt || true
echo "$(wc -l <first.txt) strings, $(grep -c '^<' differences.txt || true) of which the second oracle reads otherwise" >&2
head -4 differences.txt >&2
