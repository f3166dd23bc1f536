// Package kafkatest starts a real Apache Kafka for tests and reads it back with
// kcat, a consumer that shares no code with the producer under test.
//
// scripts/kafka.sh installs what it needs. A test that misses something fails
// and names that command; it never skips.
package kafkatest
