// Package journal keeps what was accepted until it is downstream: a Committer
// over a log on disk (package wal), a Forwarder's client on the other side.
//
// An entry of the log is one of five; integers are little endian, `text` is a
// uvarint length and bytes, `varint` is zigzag.
//
//	event        1, flags, instant ms (8), [id (16)], [ticket (8)], source text, [provenance], records (1), (record)…
//	  flags        1 id, 2 ticket, 4 provenance, 8 it has a subject, 16 more records of the entry before
//	  provenance   snapshot (8), purposes (8), allowed (8), shared (8), place text, policy text, subject text
//	  record       topic length (1), topic, body length (4), body as sinks.AppendBody writes it
//	reservation  2, id (8), instant ms (8), topic text, partition varint, forwarder's bytes text, load
//	settled      3, cause (1), reservation id (8) or 0, topic text, load
//	  cause        0 stored downstream, 1 left out as withheld, 2 refused for good,
//	               3 one of these: all that is settled of a segment, and no shares
//	void         4, reservation id (8)
//	horizon      5, id (8), count uvarint, (id (8))…: every reservation with a lower id has ended, but for these
//	  load         shares uvarint, (segment uvarint, source text, records uvarint, bytes uvarint)…, refs uvarint, (ref)…
//	  ref          uvarint: bit 0 absolute, bits 1-6 record in its entry, above entry; if absolute, segment varint
//
// A record is open until a settled entry names it. Its life: the main scan reads
// it from the log into the queue of its partition; the queue's worker gathers a
// batch, leaves out what may no longer go, makes a reservation durable, sends, and
// notes it settled. A reservation that is neither settled nor void when a process
// starts is uncertain: it is repeated as it was, before anything else of its queue.
// A segment whose records are all settled is released, oldest first.
//
// A record that cannot be delivered keeps its segment, but not those after it:
// once several of these are settled, what they say of the segments that stay is
// written down anew, as one settled entry for each and a horizon, and they go.
//
// A queue that fails while others succeed must not fill the window that all
// share. It is left: it is emptied, the main scan passes over its records, and its
// worker goes on trying what is in flight. Once that succeeds it returns: the back
// scan reads again from the first record left, until it meets the main scan.
//
//	              it fails while the window is full, its partition
//	              is gone, or a record came that may not join it
//	following ───────────────────────────────────────────► left ◄───────┐
//	    ▲                                                    │          │
//	    │                       its worker has made progress │          │ it fails
//	    │                         and the back scan sets out │          │ again
//	    │                                                    ▼          │
//	    └──────────────────────────────────────────────── returning ────┘
//	              the back scan has met the main scan
//
//	following  the main scan fills the queue
//	left       neither scan does
//	returning  the back scan does
//
// Beside its state a queue may be failing (its last attempt did not succeed),
// parked (its topic has no partition at present: its records go to queues that are
// not parked as soon as there are some) or gone (the forwarder gave the partition
// up: its records are routed anew and no record without a key is sent there).
//
// Locks. Journal.mu guards what the scans, the workers and retention share: queues,
// topics, segments, the window, open reservations. A method whose name ends in
// Locked needs it held, and so does every method of segments, segment and window.
// It is not held over a sync or a Send. While it is held these may be taken, one at
// a time; whoever holds one of them never takes Journal.mu:
//
//	sources.opening  to add a source
//	tickets.mu       commits that wait for delivery
//	the log's        in Note, Holds and First, which do not wait for the disk
//	the forwarder's  in Partition, which does not block
//
// pacer.mu is taken alone. A worker's fields are its goroutine's own. Counters that
// anybody may read are atomic.
//
// Reading order, callers first: journal, drain, inspect; commit (the way in);
// recover, retention (before and after); scan, route, worker, send (the way out);
// state (what these share); pace, queue, control, window, segment, waiting (its
// parts); entry, metrics, options. No file uses one that stands before it.
package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"assent/sinks"
	"assent/wal"
)

const (
	// headroom is the part of the journal that commits leave to reservations and
	// settlements.
	headroom = 16
	// maxPending is what may wait for the disk: large batches on a few hundred
	// connections.
	maxPending = 64 << 20
)

var _ sinks.Committer = (*Journal)(nil)

// Open opens the journal in opt.Dir. What an earlier process left is read in the
// background. Until then nobody is admitted, because duplicates cannot be recognised
// until recovery has read the old IDs. Forwarding begins after that.
func Open(opt Options) (*Journal, error) {
	opt.EnsureDefaults()
	if err := opt.Validate(); err != nil {
		return nil, fmt.Errorf("reading journal options: %w", err)
	}
	j := &Journal{
		opt: opt, fwd: opt.Forwarder, m: newInstruments(),
		room:    opt.MaxBytes - opt.MaxBytes/headroom,
		tickets: tickets{by: map[uint64]*waiter{}}, pace: newPacer(runtime.GOMAXPROCS(0)),
		topics: map[string]*topic{}, open: map[uint64]uint64{},
		window: window{size: opt.WindowBytes, maxBytes: opt.MaxBatchBytes, maxRecords: opt.MaxBatchRecords},

		mainRoom: make(chan struct{}, 1), backRoom: make(chan struct{}, 1),
		back: make(chan struct{}, 1), released: make(chan struct{}, 1),
		stop: make(chan struct{}), halted: make(chan struct{}), drained: make(chan struct{}),
	}
	j.highWater = int64(opt.HighWater * float64(j.room))
	j.sources.open()
	log, err := wal.Open(wal.Options{
		Dir: opt.Dir, FS: opt.FS, SegmentBytes: opt.segmentBytes,
		// What forwarding writes down must never be what stops it.
		MaxBytes: 2 * opt.MaxBytes, LeisureBytes: opt.MaxBytes, ReserveBytes: max(1, opt.ReserveBytes/4),
		MaxPendingBytes: maxPending, Now: opt.Now,
		Damaged: func(d wal.Damage) {
			j.m.damaged.Inc()
			opt.Damaged(d)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("opening journal: %w", err)
	}
	j.log = log
	j.segments.boot = log.Boot()
	j.reservations.Store(log.Boot() << 32)
	j.measure()
	j.observe()

	var stopReading context.CancelFunc
	j.reading, stopReading = context.WithCancel(context.Background())
	j.sending, j.cut = context.WithCancel(context.Background())
	go func() {
		<-j.stop
		stopReading()
	}()
	j.running.Go(j.start)
	return j, nil
}

// start recovers, and then forwards.
func (j *Journal) start() {
	if !j.recover() {
		return
	}
	j.running.Go(j.scanBack)
	j.running.Go(j.retain)
	j.scanMain()
}

// Ready implements sinks.Committer. It does not ask whether the log downstream can be
// reached or takes every record: a journal is for when it does not. The forwarder's
// own Ready says so.
func (j *Journal) Ready() error {
	if e := j.refusal(""); e != nil {
		return e
	}
	if err := j.Admit(""); err != nil {
		return err
	}
	return nil
}

// Close implements sinks.Committer: what is being sent may finish within three
// quarters of ctx's time, so that the rest is enough to close in order; what else
// waits is there for the next process. It closes the forwarder.
func (j *Journal) Close(ctx context.Context) error {
	j.once.Do(func() {
		j.mu.Lock() // no queue is started from here on
		close(j.stop)
		j.mu.Unlock()
		go func() {
			j.running.Wait()
			close(j.halted)
			j.failed = errors.Join(j.log.Close(context.Background()), j.fwd.Close())
			j.cut()
			metrics.UnregisterSet(j.m.set, true)
			close(j.drained)
		}()
	})
	if end, ok := ctx.Deadline(); ok {
		hanging := time.AfterFunc(time.Until(end)*3/4, j.cut)
		defer hanging.Stop()
	}
	select {
	case <-j.drained:
		if j.failed != nil {
			return fmt.Errorf("closing journal: %w", j.failed)
		}
		return nil
	case <-ctx.Done():
		j.cut()
		return fmt.Errorf("closing journal %q: %w", j.opt.Dir, ctx.Err())
	}
}

// observe exports the metrics and what is asked of the journal when they are
// read.
func (j *Journal) observe() {
	gauge := func(name string, f func() float64) { j.m.set.NewGauge("assent_journal_"+name, f) }
	gauge("bytes", func() float64 { return float64(j.used.Load()) })
	gauge("waiting_records", func() float64 { return float64(max(0, j.records.Load())) })
	gauge("waiting_bytes", func() float64 {
		bytes := int64(0)
		for _, s := range j.sources.all() {
			bytes += max(0, s.bytes.Load())
		}
		return float64(bytes)
	})
	gauge("window_bytes", func() float64 {
		j.mu.Lock()
		defer j.mu.Unlock()
		return float64(j.window.used)
	})
	gauge("oldest_waiting_seconds", j.oldestWaiting)
	count := func(which func(*queue) bool) func() float64 {
		return func() (n float64) {
			j.mu.Lock()
			defer j.mu.Unlock()
			for _, q := range j.queues {
				if !q.parked && which(q) {
					n++
				}
			}
			return n
		}
	}
	// The names say lane for a queue that is not parked: dashboards read them.
	gauge("lanes", count(func(*queue) bool { return true }))
	gauge("lanes_failing", count(func(q *queue) bool { return !q.failing.IsZero() }))
	gauge("lanes_left", count(func(q *queue) bool { return q.state != following }))
	metrics.RegisterSet(j.m.set)
}

// oldestWaiting is the age of the oldest record known to wait: every queue's
// first. What the scan has not reached is younger.
func (j *Journal) oldestWaiting() float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	oldest := now
	for _, q := range j.queues {
		if q.inFlight > 0 {
			oldest = min(oldest, q.oldest)
		}
		if q.queuedLocked() > 0 {
			oldest = min(oldest, q.items[q.head].at)
		}
		if q.state == left {
			oldest = min(oldest, q.since)
		}
	}
	return float64(now-oldest) / 1e3
}
