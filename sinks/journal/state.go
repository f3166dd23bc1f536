package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"assent/disk"
	"assent/sinks"
	"assent/wal"
)

// A Journal commits batches to disk and forwards them. Safe for concurrent use.
type Journal struct {
	opt Options
	log *wal.Log
	fwd sinks.Forwarder
	m   *instruments

	room         int64 // bytes of log past which nothing is committed
	highWater    int64
	used         atomic.Int64 // bytes of log, about
	free         atomic.Int64 // bytes of file system, about
	bad          atomic.Int64 // bytes of bad rows that are not settled
	records      atomic.Int64 // that are not settled
	sent         atomic.Int64 // records stored downstream since Open
	sources      sources
	tickets      tickets
	pace         *pacer
	reservations atomic.Uint64 // the last reservation's id
	recovered    atomic.Bool   // what earlier processes left is known

	mu        sync.Mutex // guards what follows, and what queues and topics hold; see the package comment
	segments  segments
	topics    map[string]*topic
	queues    []*queue
	main      position          // of the entry the main scan dealt with last
	open      map[uint64]uint64 // reservations neither settled nor void; where the main scan saw each
	lastEvent uint64            // the segment in which that scan saw an event last
	caughtUp  bool              // the main scan waits at the log's end
	draining  bool              // what waits goes as fast as it can: see Hurry
	window    window            // memory of records on their way
	succeeded time.Time         // when any queue settled something last

	mainRoom, backRoom chan struct{} // wake the scans: the window has changed
	back               chan struct{} // wakes the back scan: a queue may return
	released           chan struct{} // wakes retain: a segment may be released

	stop    chan struct{} // closed: no new commits, scans or sends
	halted  chan struct{} // closed: no queue is at work any more
	drained chan struct{} // closed: everything is let go
	failed  error         // of letting go
	once    sync.Once
	reading context.Context // of the scans
	sending context.Context // of the sends
	cut     context.CancelFunc
	running sync.WaitGroup
}

// A worker sends what a queue holds: one reservation at a time, in order. Its
// fields are its goroutine's own.
type worker struct {
	j           *Journal
	queue       *queue
	inFlight    []item      // in the queue's order, not settled
	reservation reservation // of the first records in flight; id 0: none
	reserved    int         // how many
	tried       bool        // the reservation may have reached the log

	bisector bisector
	voids    int // reservations in a row that could not be used

	backoff    time.Duration
	deferred   [][]byte // entries that could not be noted yet
	outgoing   []sinks.Outgoing
	fates      []sinks.Verdict // of outgoing
	gone       []item          // left out
	scratch    []byte          // bodies encoded anew
	entry      []byte
	batch      [][]byte
	load       load
	record     sinks.Record // being judged
	headers    []sinks.Header
	provenance sinks.Provenance
}

// badShare is the part of the journal that waiting bad rows may take.
const badShare = 16

// progress is the outcome of an attempt after which the next one need not wait.
const progress = sinks.Reason(255)

func (j *Journal) closing() bool {
	select {
	case <-j.stop:
		return true
	default:
		return false
	}
}

// now is the clock in milliseconds.
func (j *Journal) now() int64 { return j.opt.Now().UnixMilli() }

// sleep returns false when the journal closes meanwhile.
func (j *Journal) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-j.stop:
		return false
	}
}

// reason classifies what the log answers.
func reason(err error) sinks.Reason {
	switch {
	case disk.IsFull(err):
		return sinks.ReasonDiskFull
	case errors.Is(err, wal.ErrFull), errors.Is(err, wal.ErrOverloaded):
		return sinks.ReasonOverloaded
	case errors.Is(err, wal.ErrClosed):
		return sinks.ReasonClosed
	default:
		return sinks.ReasonIO
	}
}

// openReservation returns the id of a new reservation.
func (j *Journal) openReservation() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	id := j.reservations.Add(1)
	j.open[id] = 0
	return id
}

// endReservation ends a reservation that has no force any more.
func (j *Journal) endReservation(id uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.open, id)
}

// sawReservationLocked notes in which segment an open reservation stands.
func (j *Journal) sawReservationLocked(e *wal.Entry) {
	if len(e.Payload) < 9 || kind(e.Payload[0]) != kindReservation {
		return
	}
	id := binary.LittleEndian.Uint64(e.Payload[1:])
	if _, open := j.open[id]; open {
		j.open[id] = e.Segment
	}
}
