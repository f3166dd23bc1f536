package journal

import (
	"time"

	"assent/sinks"
)

// queueState says which scan fills a queue.
type queueState uint8

const (
	following queueState = iota // from the main scan
	left                        // from none: it failed while others did not
	returning                   // from the back scan, until that meets the main scan
)

// A queue is what waits for one partition of the forwarder. A parked queue is what
// waits for a topic that has no partition at present.
type queue struct {
	window    *window
	partition sinks.Partition
	topic     *topic
	parked    bool
	wake      chan struct{}
	uncertain []uncertain // sent before anything else

	// Guarded by Journal.mu.
	state    queueState
	from     position // left: the first record that was left
	since    int64    // left: that record's instant
	items    []item   // in the order of the log, but for records without a key
	head     int      // of the queue: what is before it is gone
	highest  position // of the queue
	bytes    int      // of the queue's bodies
	inFlight int      // records in flight: the worker has them
	oldest   int64    // instant of the first of these
	urgent   bool     // a sender waits for something in the queue
	begun    time.Time
	chunk    *chunk    // takes the next record; nil: none does
	failing  time.Time // when it began to fail; zero: it does not
	gone     bool      // the forwarder gave it up, and has not named it since
	reason   sinks.Reason
}

// An uncertain reservation was left by an earlier process: nobody knows whether its
// records are stored.
type uncertain struct {
	reservation reservation
	items       []item
}

// parkedPartition is the partition of a parked queue.
const parkedPartition = -1

// A topic is its queues. Guarded by Journal.mu.
type topic struct {
	name   string
	bad    bool // it is the bad topic
	queues map[int32]*queue
	parked *queue // nil: it never had to wait for a partition
}

func (q *queue) queuedLocked() int { return len(q.items) - q.head }

// disorderedLocked reports whether a record may not join the queue because one that
// comes after it is there.
func (q *queue) disorderedLocked(at position) bool {
	return q.queuedLocked() > 0 && at.before(q.highest)
}

// holdLocked copies what an item points to, so that it outlives the scan.
func (q *queue) holdLocked(it item) item {
	it.chunk = q.window.chunk(&q.chunk, len(it.body)+len(it.provenance))
	it.chunk.live++
	it.body, it.provenance = it.chunk.keep(it.body), it.chunk.keep(it.provenance)
	q.window.used += itemBytes
	return it
}

// enqueueLocked puts a held record at the queue's end.
func (q *queue) enqueueLocked(it item) {
	if q.queuedLocked() == 0 {
		q.begun, q.highest = time.Now(), position{}
		wake(q.wake)
	}
	if at := it.position(); q.highest.before(at) {
		q.highest = at
	}
	if q.head > 0 && len(q.items) == cap(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	before := q.fullLocked()
	q.items = append(q.items, it)
	q.bytes += len(it.body)
	if it.ticket != 0 && !q.urgent {
		q.urgent = true
		wake(q.wake)
	}
	if !before && q.fullLocked() {
		wake(q.wake)
	}
}

// fullLocked reports whether the queue holds a whole batch.
func (q *queue) fullLocked() bool {
	return q.bytes >= q.window.batchBytes() || q.queuedLocked() >= q.window.maxRecords
}

// popLocked moves records from the queue to the end of a batch.
func (q *queue) popLocked(batch []item) []item {
	limit, size := q.window.batchBytes(), 0
	for q.head < len(q.items) && len(batch) < q.window.maxRecords {
		it := &q.items[q.head]
		if size += len(it.body); size > limit && len(batch) > 0 {
			break
		}
		batch = append(batch, *it)
		q.bytes -= len(it.body)
		*it = item{}
		q.head++
	}
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	q.urgent = false
	for i := q.head; i < len(q.items) && !q.urgent; i++ {
		q.urgent = q.items[i].ticket != 0
	}
	q.begun = time.Now()
	q.inFlight = len(batch)
	if q.inFlight > 0 {
		q.oldest = batch[0].at
	}
	return batch
}

// leaveLocked empties the queue: its records are read again when it returns.
func (q *queue) leaveLocked() {
	for i := q.head; i < len(q.items); i++ {
		it := &q.items[i]
		it.seg.taken.clear(it.idx, it.rec)
		q.passOverLocked(it.position(), it.at)
		q.window.give(it)
	}
	clear(q.items)
	q.items, q.head, q.bytes, q.urgent = q.items[:0], 0, 0, false
	if cap(q.items) > 1024 {
		q.items = nil
	}
}

// passOverLocked leaves a record that is not in the queue.
func (q *queue) passOverLocked(at position, instant int64) {
	if q.state != left {
		q.state, q.from, q.since = left, at, instant
	} else if at.before(q.from) {
		q.from, q.since = at, instant
	}
}

// healthyLocked reports whether a record without a key may as well go here.
func (q *queue) healthyLocked() bool {
	return q.state == following && q.failing.IsZero() && !q.parked && !q.gone
}

// recoveredLocked notes that the worker makes progress. It reports whether the queue
// was left, so that the back scan has to read for it.
func (q *queue) recoveredLocked() (wasLeft bool) {
	q.failing = time.Time{}
	return q.state == left
}

// wake leaves a token for whoever reads a channel of capacity one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
