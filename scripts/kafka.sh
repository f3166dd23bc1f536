#!/bin/sh
# Installs what the Kafka tests need: the jars of one Apache Kafka node into
# .cache/kafka/VERSION/libs (through Maven) and kcat, an independent consumer
# (through apt when root). Does nothing when both are there.
set -eu

version=4.1.0
root=$(cd "$(dirname "$0")/.." && pwd)
cache=$root/.cache/kafka/$version

say() { echo "kafka.sh: $*" >&2; }

# try COMMAND...: runs it up to three times.
try() {
	for pause in 2 5 0; do
		"$@" && return 0
		[ "$pause" = 0 ] || sleep "$pause"
	done
	say "failed: $*"
	return 1
}

# install PACKAGE COMMAND: makes COMMAND available.
install() {
	command -v "$2" >/dev/null && return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "$2 is missing; install it, on Debian: apt-get install --no-install-recommends $1"
		exit 1
	fi
	say "installing $1"
	try apt-get install -qq -y --no-install-recommends "$1" >&2 ||
		{ try apt-get update -qq >&2 && try apt-get install -qq -y --no-install-recommends "$1" >&2; }
}

install kcat kcat
install default-jre-headless java

[ -e "$cache/complete" ] && exit 0
install maven mvn

# Copied aside and renamed, so that an interrupted run leaves nothing half done.
work=$root/.cache/kafka/.new.$$
trap 'rm -rf "$work"' EXIT
rm -rf "$work"
mkdir -p "$work"
echo '*' >"$root/.cache/.gitignore"
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>assent.test</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
POM
say "copying the jars of Apache Kafka $version"
try mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/libs" >&2
rm "$work/pom.xml"
touch "$work/complete"
rm -rf "$cache"
mkdir -p "$(dirname "$cache")"
mv "$work" "$cache"
