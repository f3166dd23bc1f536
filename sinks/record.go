package sinks

import (
	"encoding/binary"

	"assent/names"
)

// A Header is one record header. Both parts are ASCII; keys are unique within a
// record.
type Header struct {
	Key   string
	Value []byte
}

// A Record is what one recipient gets of one event.
type Record struct {
	Topic   string   // see ValidTopic
	Key     []byte   // UTF-8; nil is the null key, which spreads over partitions
	Value   []byte   // one JSON object, or nil for a null value
	Headers []Header // in the order they are sent
}

// A Batch is what one request leaves: its events, in order, and the records made
// of them. They are committed together.
type Batch struct {
	Events  []Event // each owns the next Event.Records of Records
	Records []Record
	Promise Promise
}

// An Event is what a journal keeps of one event beside its records. It is never
// sent.
type Event struct {
	Records    int // how many of the batch's records, after those of the event before
	ID         ID  // for deduplication; zero: none
	Provenance Provenance
}

// ID identifies an event: a keyed hash of source, subject, the sender's message id
// and content, so that it names none of them. Its first four bytes are a keyed
// hash of the sender alone, see Source.
type ID [16]byte

// Source identifies the sender of an event, so that each sender may have its share of
// what remembers IDs. Two senders whose hashes happen to agree have one share.
func (id *ID) Source() uint32 { return binary.LittleEndian.Uint32(id[:4]) }

// Provenance says by what an event was judged: all that judging it again needs. An
// event without a Subject is nobody's, such as a bad row, and is not judged again.
type Provenance struct {
	Subject  []byte // whose event it is: a sealed reference that only the registry opens; nil: nobody's
	Snapshot uint64 // of the registry, for Judge.Unchanged; means nothing to another process
	Source   string // id of the source
	Place    string // jurisdiction, as geo.Jurisdiction writes it
	At       int64  // instant of the judgement, milliseconds since 1970
	Policy   string // hash of the policy
	Purposes uint64 // what the event is for, as bits of that policy
	Allowed  uint64 // what was allowed, as bits of that policy
	Shared   uint64 // the same for third parties, who may have less
}

// Promise is what a 2xx stands for.
type Promise uint8

// The promises a source can be given.
const (
	Durable   Promise = iota // the records survive kill -9 and power loss here
	Delivered                // all in-sync replicas of the log downstream have them
)

// ValidTopic reports whether name may be used as a topic; see names.Topic.
func ValidTopic(name string) error { return names.Topic(name) }
