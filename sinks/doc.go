// Package sinks is where clean records go: the vocabulary (Record, Event, Batch),
// the contracts (Committer, Forwarder, Judge) and the errors a caller may act on.
// Each child folder is one technology.
//
// A 2xx is a promise, and Commit is where it is made: the collector hands over
// all records of one request together and answers only after Commit returned.
package sinks

import "context"

// Committer makes batches durable. Implementations are safe for concurrent use
// and share the cost of durability (one sync, one produce request) among the
// calls that are waiting at the same time.
type Committer interface {
	// Commit returns nil only when every record of the batch would survive
	// kill -9 and power loss, and, where the batch's Promise asks for it, was
	// acknowledged by all in-sync replicas downstream. On error the caller counts no
	// record as accepted. Some may have been written nevertheless, so a retry may
	// double them. Where Delivered was promised, ReasonTimeout says that all records
	// are durable here and that only the acknowledgement from downstream is late.
	//
	// The batch and all memory it points to belong to the committer until
	// Commit returns, and not after. Errors are *Error.
	Commit(ctx context.Context, b *Batch) error

	// Admit returns nil when a batch of the source may be sent now, without
	// looking at one: it costs next to nothing and is asked before a body is
	// read. An empty source asks for any. Errors are *Error and Retriable.
	Admit(source string) error

	// Ready returns nil when a Commit may be expected to succeed. It does not
	// block and is meant for a readiness probe.
	Ready() error

	// Close refuses new batches, finishes those it has, and releases
	// everything. It returns early with ctx's error when ctx ends first.
	// Calling it again is harmless.
	Close(ctx context.Context) error
}

// Discard is the Committer that keeps nothing: the null sink of benchmarks.
type Discard struct{}

var _ Committer = Discard{}

// Commit forgets the batch.
func (Discard) Commit(context.Context, *Batch) error { return nil }

// Admit returns nil.
func (Discard) Admit(string) error { return nil }

// Ready returns nil.
func (Discard) Ready() error { return nil }

// Close returns nil.
func (Discard) Close(context.Context) error { return nil }
