// Package kafka forwards records from a journal to Kafka, each stored once.
//
// Brokers recognise a repeated batch by the producer's id, its epoch and the batch's
// base sequence (KIP-98). A reservation fixes these before a batch is first sent, so
// that sending it again, by a later process too, stores it once. Brokers forget:
// they compare the last five batches of a producer only, and drop a producer
// that was silent for producer.id.expiration.ms. A reservation that a broker can no
// longer vouch for is looked up in the partition instead, and a batch that it says
// was there before is read back: it answers by the sequence alone.
//
// A batch, big endian, all of it but the first 21 bytes under the checksum
// (record batch of message format v2):
//
//	base offset 8 | length 4 | leader epoch 4 | magic 1 | CRC-32C 4 |
//	attributes 2 | last offset delta 4 | first time 8 | last time 8 |
//	producer id 8 | epoch 2 | base sequence 4 | records 4 | record…
//
// and a record, of which the body comes encoded by sinks.AppendBody; the records
// of a batch are compressed together:
//
//	length varint | attributes 1 | time delta varint | offset delta varint | body
//
// A reservation, big endian; the lower bound is the offset before which its batch
// cannot be, and the cluster is a hash of its id:
//
//	version 1 | cluster 8 | producer id 8 | epoch 2 | base sequence 4 |
//	records 4 | lower bound 8 | milliseconds since 1970 8
package kafka
