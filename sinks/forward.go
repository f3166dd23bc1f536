package sinks

import "context"

// A Partition is one ordered log downstream.
type Partition struct {
	Topic  string
	Number int32
}

// An Outgoing is one record on its way: encoded by AppendBody, with the instant
// of its event in milliseconds since 1970.
type Outgoing struct {
	Body []byte
	Time int64
}

// A Provider returns the records of a reservation, judged at this instant. Its
// error, an *Error, says that they cannot be judged at present.
type Provider func() ([]Outgoing, error)

// Forwarder carries records from a journal to where data teams consume them. With
// the journal's help each is stored exactly once: a reservation fixes the identity
// of a batch; the journal makes the reservation durable before the batch is first
// sent and sends the batch under it again, after a crash too, until it knows what
// became of the batch. A partition has one open reservation at a time. Partitions
// are independent, and order holds within each. Safe for concurrent use.
type Forwarder interface {
	// Partition picks the partition of a record by its key; records with a nil key
	// are spread. It does not block. The error, an *Error, says why the topic has
	// no partition to offer at present. While partitions are being given up there
	// is none either, until Reserve had the time to say so of each: their records
	// must not be overtaken.
	Partition(topic string, key []byte) (Partition, error)

	// Reserve decides under which identity the next n records of the partition
	// travel. A reservation that was not sent is forgotten by the next Reserve of
	// the partition. The bytes are the forwarder's own and mean the same to a later
	// process. Errors are *Error; ReasonUnplaced says that the partition no longer
	// exists: its records are to be given partitions anew.
	Reserve(ctx context.Context, p Partition, n int) ([]byte, error)

	// Send sends the records of a reservation, as many as were reserved, and returns
	// nil when every in-sync replica has them, stored once. It asks provide for them
	// as late as possible, when the connection is open: a choice that is acknowledged
	// while Send waits for a broker still takes hold. again says that an earlier Send
	// of this reservation may have reached the log. Errors are *Error:
	//   ReasonTooLarge,
	//   ReasonRefused     the records are not stored and never will be as they
	//                     are; their reservation is void
	//   ReasonUnplaced    the reservation cannot be used any more, and the records
	//                     are not stored: they were looked for or never sent.
	//                     Reserve again
	//   ReasonDoubtful    the reservation cannot be used any more, and whether the
	//                     records are stored cannot be found out: reserve again, and
	//                     count them as possibly doubled
	//   any other         nothing is known: send again, later
	// The records belong to the forwarder until it calls provide again or Send returns.
	Send(ctx context.Context, p Partition, reservation []byte, provide Provider, again bool) (Sent, error)

	// Ready returns nil while the log downstream can be reached.
	Ready() error

	// Close lets go of all connections. No Send is under way.
	Close() error
}

// Sent is what is known of records that were stored.
type Sent struct {
	Offset   int64 // of the first; -1: not known
	Repeated bool  // they were stored already: a repeat was avoided
}

// Judge looks again at what waits, because its subject may have chosen anew.
type Judge interface {
	// Unchanged reports whether nothing has changed for a subject since the snapshot
	// was taken in this process. Cheap; true is exact.
	Unchanged(snapshot uint64) bool

	// Rejudge narrows a record to what its subject allows now. The record's
	// parts are replaced, never written into. An error says that the record cannot
	// be judged at present: it waits.
	Rejudge(j *Provenance, r *Record) (Verdict, error)
}

// Verdict is what became of a record that was judged again.
type Verdict uint8

// The verdicts. The zero value sends nothing.
const (
	Withheld Verdict = iota // nothing of it may go out
	Reduced                 // less of it may go out; the record holds what is left
	Kept                    // as it is
)
