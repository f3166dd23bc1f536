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

// A Provider returns the records of a plan, judged at this instant. Its error, an
// *Error, says that they cannot be judged at present.
type Provider func() ([]Outgoing, error)

// Forwarder carries records from a journal to where data teams consume them,
// exactly once with the journal's help: the journal makes a plan durable before
// the records are sent for the first time and repeats it, after a crash too,
// until it is told what became of them. Per partition one plan at a time is open;
// partitions are independent and order holds within each. Safe for concurrent use.
type Forwarder interface {
	// Partition picks the partition of a record by its key; records with a nil key
	// are spread. It does not block. The error, an *Error, says why the topic has
	// no partition to offer at present. While partitions are being given up there
	// is none either, until Plan had the time to say so of each: their records
	// must not be overtaken.
	Partition(topic string, key []byte) (Partition, error)

	// Plan decides under which identity the next n records of the partition travel.
	// Plans that were not sent are forgotten by the next Plan of the partition. The
	// bytes are the forwarder's own and mean the same to a later process. Errors
	// are *Error; ReasonUnplaced says that the partition no longer exists: its
	// records are to be given partitions anew.
	Plan(ctx context.Context, p Partition, n int) ([]byte, error)

	// Send sends the records of a plan, as many as it was made for, and returns
	// nil when every in-sync replica has them, stored once. They are asked
	// for as late as can be, when the way to the log is open: a choice that is
	// acknowledged while Send waits for a broker still takes hold. again says
	// that an earlier Send of this plan may have reached the log. Errors are
	// *Error:
	//   ReasonTooLarge,
	//   ReasonRefused     the records are not stored and never will be as they
	//                     are; their plan is void
	//   ReasonUnplaced    the plan has lost its force, and the records are not
	//                     stored: they were looked for or never sent. Plan again
	//   ReasonDoubtful    the plan has lost its force, and whether the records
	//                     are stored cannot be found out: plan again, and count
	//                     them as possibly doubled
	//   any other         nothing is known: send again, later
	// The records belong to the forwarder until it asks again or Send returns.
	Send(ctx context.Context, p Partition, plan []byte, provide Provider, again bool) (Sent, error)

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
	// Stands reports whether nothing has changed for a subject since the mark
	// was taken in this process. Cheap; true is exact.
	Stands(mark uint64) bool

	// Rejudge narrows a record to what its subject allows now. The record's
	// parts are replaced, never written into. An error means that it cannot be
	// told at present: the record waits.
	Rejudge(j *Judged, r *Record) (Verdict, error)
}

// Verdict is what became of a record that was judged again.
type Verdict uint8

// The verdicts. The zero value sends nothing.
const (
	Withheld Verdict = iota // nothing of it may go out
	Reduced                 // less of it may go out; the record holds what is left
	Kept                    // as it is
)
