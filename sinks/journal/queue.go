package journal

import (
	"sync"
	"time"

	"assent/sinks"
)

// An item is a record on its way.
type item struct {
	seg      *segment
	src      *source
	chunk    *chunk // holds body and judged
	body     []byte
	judged   []byte // of its event; nil: it is not judged again
	at       int64  // instant of its event
	snapshot uint64
	ticket   uint64
	idx      uint32
	rec      uint8
	flags    uint8
}

func (it *item) position() position { return position{it.seg.number, it.idx} }
func (it *item) ref() ref           { return ref{it.position(), it.rec} }

// itemBytes is what an item takes of the window beside its chunk.
const itemBytes = 128

// A chunk is memory of the records of one queue. It is given back when none of
// them is left, which happens in about the order they came.
type chunk struct {
	owner *queue
	buf   []byte
	used  int
	live  int // records in it
}

const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
)

var chunks = sync.Pool{New: func() any { return new(chunk) }}

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
	j         *Journal
	partition sinks.Partition
	topic     *topic
	parked    bool
	wake      chan struct{}
	worker    worker

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
	chunk    *chunk    // that takes the next record
	failing  time.Time // when it began to fail; zero: it does not
	gone     bool      // the forwarder gave it up, and has not named it since
	reason   sinks.Reason
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

// topicOfLocked returns a topic, making it known.
func (j *Journal) topicOfLocked(name []byte) *topic {
	if t := j.topics[string(name)]; t != nil {
		return t
	}
	t := &topic{name: string(name), queues: map[int32]*queue{}}
	t.bad = t.name == j.opt.BadTopic
	j.topics[t.name] = t
	return t
}

// queueLocked returns one of a topic's queues, making it known. Its goroutine is the
// caller's to start.
func (t *topic) queueLocked(j *Journal, partition int32) (_ *queue, fresh bool) {
	if q := t.queues[partition]; q != nil {
		return q, false
	}
	q := &queue{
		j: j, partition: sinks.Partition{Topic: t.name, Number: partition}, topic: t,
		parked: partition == parkedPartition, wake: make(chan struct{}, 1),
	}
	q.worker.queue = q
	t.queues[partition] = q
	if q.parked {
		t.parked = q
	}
	j.queues = append(j.queues, q)
	return q, true
}

// startedLocked returns one of a topic's queues, at work.
func (t *topic) startedLocked(j *Journal, partition int32) *queue {
	q, fresh := t.queueLocked(j, partition)
	if fresh {
		q.start()
	}
	return q
}

func (q *queue) start() {
	if q.parked {
		q.j.running.Go(q.park)
	} else {
		q.j.running.Go(q.worker.run)
	}
}

func (q *queue) queuedLocked() int { return len(q.items) - q.head }

// disorderedLocked reports whether a record may not join the queue because one that
// comes after it is there.
func (q *queue) disorderedLocked(at position) bool {
	return q.queuedLocked() > 0 && at.before(q.highest)
}

// holdLocked copies what an item points to, so that it outlives the scan.
func (q *queue) holdLocked(it item) item {
	it.chunk = q.chunkLocked(len(it.body) + len(it.judged))
	it.chunk.live++
	it.body, it.judged = it.chunk.keep(it.body), it.chunk.keep(it.judged)
	q.j.window += itemBytes
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

// chunkLocked returns a chunk with room for so many bytes.
func (q *queue) chunkLocked(n int) *chunk {
	if c := q.chunk; c != nil && len(c.buf)-c.used >= n {
		return c
	}
	size := max(n, minChunk, min(maxChunk, int(q.j.opt.WindowBytes)/(8*len(q.j.queues))))
	c := chunks.Get().(*chunk)
	if cap(c.buf) < size || cap(c.buf) > 2*size {
		c.buf = make([]byte, size)
	}
	c.owner, c.buf, c.used, c.live = q, c.buf[:size], 0, 0
	q.j.window += int64(size)
	q.chunk = c
	return c
}

func (c *chunk) keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	n := copy(c.buf[c.used:], b)
	kept := c.buf[c.used : c.used+n : c.used+n]
	c.used += n
	return kept
}

// giveLocked gives back the memory of a record that is nowhere any more.
func (j *Journal) giveLocked(it *item) {
	j.window -= itemBytes
	c := it.chunk
	if c.live--; c.live > 0 {
		return
	}
	if c.owner.chunk == c {
		c.owner.chunk = nil
	}
	j.window -= int64(len(c.buf))
	c.owner = nil
	chunks.Put(c)
}

// limitLocked is how many bytes of bodies travel under one reservation: all queues together
// have at most half the window in flight, so that some is left however many fail.
func (q *queue) limitLocked() int {
	return max(1, min(q.j.opt.MaxBatchBytes, int(q.j.opt.WindowBytes)/(2*len(q.j.queues))))
}

// fullLocked reports whether the queue holds a whole batch.
func (q *queue) fullLocked() bool {
	return q.bytes >= q.limitLocked() || q.queuedLocked() >= q.j.opt.MaxBatchRecords
}

// popLocked moves records from the queue to the end of a batch.
func (q *queue) popLocked(batch []item) []item {
	limit, size := q.limitLocked(), 0
	for q.head < len(q.items) && len(batch) < q.j.opt.MaxBatchRecords {
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
		q.j.giveLocked(it)
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

// fail notes that the queue makes no progress, and why.
func (q *queue) fail(r sinks.Reason) {
	q.j.m.retried(r)
	q.j.mu.Lock()
	defer q.j.mu.Unlock()
	if q.failing.IsZero() {
		q.failing = time.Now()
	}
	q.reason = r
}

// recoveredLocked notes that the queue makes progress.
func (q *queue) recoveredLocked() {
	q.failing = time.Time{}
	if q.state == left {
		wake(q.j.back)
	}
}

// settle ends the journey of records. So many are left in flight,
// the first of them of that instant; reservation is what carried them, 0 for none; stored
// tells whether the log downstream answered.
func (q *queue) settle(items []item, reservation uint64, inFlight int, oldest int64, stored bool) {
	j := q.j
	j.records.Add(-int64(len(items)))
	j.pace.count(len(items))
	j.mu.Lock()
	delete(j.open, reservation)
	for i := range items {
		it := &items[i]
		it.seg.settled.set(it.idx, it.rec)
		it.src.bytes.Add(-int64(len(it.body)))
		if q.topic.bad {
			j.bad.Add(-int64(len(it.body)))
		}
		if it.ticket != 0 {
			j.tickets.settled(it.ticket)
		}
		if it.seg.waiting--; it.seg.waiting == 0 {
			wake(j.released)
		}
		j.giveLocked(it)
	}
	q.inFlight, q.oldest = inFlight, oldest
	if stored {
		j.succeeded = time.Now()
	}
	q.recoveredLocked()
	j.mu.Unlock()
	wake(j.mainRoom)
	wake(j.backRoom)
}

// park sends what waits on to its queues as soon as there are some.
func (q *queue) park() {
	var backoff time.Duration
	o := &q.j.opt
	for {
		select {
		case <-q.wake:
		case <-q.j.stop:
			return
		}
		for backoff = o.minBackoff / 4; ; backoff = min(2*backoff, o.maxBackoff) {
			r := q.unpark()
			if r == progress {
				break
			}
			q.fail(r)
			if !q.j.sleep(backoff) {
				return
			}
		}
	}
}

func (q *queue) unpark() sinks.Reason {
	j := q.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if q.queuedLocked() == 0 {
		if _, err := j.resolveLocked(q.topic, nil); err != nil {
			return sinks.ReasonOf(err)
		}
	}
	for q.queuedLocked() > 0 {
		it := &q.items[q.head]
		key := sinks.BodyKey(it.body)
		to, err := j.resolveLocked(q.topic, key)
		switch {
		case err != nil:
			return sinks.ReasonOf(err)
		case to.state != following:
			return sinks.ReasonUnavailable // what it has left comes first
		case key != nil && to.disorderedLocked(it.position()):
			to.leaveLocked()
			q.leaveLocked()
			return sinks.ReasonUnavailable // both return, and all is read again
		}
		to.enqueueLocked(*it)
		q.bytes -= len(it.body)
		*it = item{}
		q.head++
	}
	q.items, q.head, q.urgent = q.items[:0], 0, false
	q.recoveredLocked()
	return progress
}
