package consent

import "context"

// Store keeps the newest state of every subject. Safe for concurrent use.
//
// A failure is an error, never an absence: who cannot be read is answered as
// unreadable, which nothing may rest on.
type Store interface {
	// Get returns a subject's record; nil, nil when nothing is recorded. The
	// caller does not change it.
	Get(s Subject) (*Record, error)
	// Linked returns who holds a tracker's own id; false when nobody does.
	Linked(alias Subject) (Link, bool, error)
	// Receipt returns a receipt's bytes; nil, nil when there is none of this id.
	Receipt(id string) ([]byte, error)
	// Put applies a write as one: all of it is visible or none, and when it
	// returns nil, all of it survives a power cut.
	Put(ctx context.Context, w *Write) error
	// Ready reports why the store cannot answer; nil when it can.
	Ready() error
	Close() error
}

// Link says that a tracker's own id is held by a visitor since a version.
type Link struct {
	Holder  Subject
	Version Version
}

// Write is what one choice changes. Records replace what is stored.
type Write struct {
	Records  []*Record
	Links    map[Subject]Link // by alias; a zero Holder ends a link
	Receipts map[string][]byte
	About    Subject // of the receipts; zero: nobody
	Narrows  bool    // nothing is granted
}
