package journal

import (
	"sync"
	"time"

	"assent/sinks"
)

// An item is a record on its way.
type item struct {
	seg    *segment
	src    *source
	chunk  *chunk // holds body and judged
	body   []byte
	judged []byte // of its event; nil: it is not judged again
	at     int64  // instant of its event
	mark   uint64
	ticket uint64
	idx    uint32
	rec    uint8
	flags  uint8
}

func (it *item) position() position { return position{it.seg.number, it.idx} }
func (it *item) ref() ref           { return ref{it.position(), it.rec} }

// itemBytes is what an item takes of the window beside its chunk.
const itemBytes = 128

// A chunk is memory of the records of one lane. It is given back when none of
// them is left, which happens in about the order they came.
type chunk struct {
	owner *lane
	buf   []byte
	used  int
	live  int // records in it
}

const (
	minChunk = 2 << 10
	maxChunk = 64 << 10
)

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// laneState says from where a lane gets its records.
type laneState uint8

const (
	following laneState = iota // from the main scan
	left                       // from none: it failed while others did not
	returning                  // from the back scan, until that meets the main scan
)

// A lane is what waits for one Lane of the forwarder, and the goroutine that
// sends it. A parked lane is what waits for a topic that has no lane at present.
type lane struct {
	j      *Journal
	id     sinks.Partition
	topic  *topic
	parked bool
	wake   chan struct{}
	worker worker

	// Guarded by Journal.mu.
	state   laneState
	from    position // left: the first record that was left
	since   int64    // left: that record's instant
	queue   []item   // in the order of the log, but for records without a key
	head    int      // of the queue: what is before it is gone
	highest position // of the queue
	bytes   int      // of the queue's bodies
	hand    int      // records the goroutine has in hand
	oldest  int64    // instant of the first of these
	urgent  bool     // a sender waits for something in the queue
	begun   time.Time
	chunk   *chunk    // that takes the next record
	failing time.Time // when it began to fail; zero: it does not
	gone    bool      // the forwarder gave it up, and has not named it since
	reason  sinks.Reason
}

// parkedLane is the partition of a parked lane.
const parkedLane = -1

// A topic is its lanes. Guarded by Journal.mu.
type topic struct {
	name   string
	bad    bool // it is the bad topic
	lanes  map[int32]*lane
	parked *lane // nil: it never had to wait for a lane
}

// topicOf returns a topic, making it known.
func (j *Journal) topicOf(name []byte) *topic {
	if t := j.topics[string(name)]; t != nil {
		return t
	}
	t := &topic{name: string(name), lanes: map[int32]*lane{}}
	t.bad = t.name == j.opt.BadTopic
	j.topics[t.name] = t
	return t
}

// lane returns one of a topic's lanes, making it known. Its goroutine is the
// caller's to start.
func (t *topic) lane(j *Journal, partition int32) (_ *lane, fresh bool) {
	if l := t.lanes[partition]; l != nil {
		return l, false
	}
	l := &lane{
		j: j, id: sinks.Partition{Topic: t.name, Number: partition}, topic: t,
		parked: partition == parkedLane, wake: make(chan struct{}, 1),
	}
	l.worker.lane = l
	t.lanes[partition] = l
	if l.parked {
		t.parked = l
	}
	j.lanes = append(j.lanes, l)
	return l, true
}

// started returns one of a topic's lanes, at work.
func (t *topic) started(j *Journal, partition int32) *lane {
	l, fresh := t.lane(j, partition)
	if fresh {
		l.start()
	}
	return l
}

func (l *lane) start() {
	if l.parked {
		l.j.running.Go(l.park)
	} else {
		l.j.running.Go(l.worker.run)
	}
}

func (l *lane) queued() int { return len(l.queue) - l.head }

// disordered reports whether a record may not join the queue because one that
// comes after it is there.
func (l *lane) disordered(at position) bool { return l.queued() > 0 && at.before(l.highest) }

// hold copies what an item points to, so that it outlives the scan.
func (l *lane) hold(it item) item {
	it.chunk = l.reserve(len(it.body) + len(it.judged))
	it.chunk.live++
	it.body, it.judged = it.chunk.keep(it.body), it.chunk.keep(it.judged)
	l.j.window += itemBytes
	return it
}

// enqueue puts a held record at the queue's end.
func (l *lane) enqueue(it item) {
	if l.queued() == 0 {
		l.begun, l.highest = time.Now(), position{}
		poke(l.wake)
	}
	if at := it.position(); l.highest.before(at) {
		l.highest = at
	}
	if l.head > 0 && len(l.queue) == cap(l.queue) {
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	before := l.full()
	l.queue = append(l.queue, it)
	l.bytes += len(it.body)
	if it.ticket != 0 && !l.urgent {
		l.urgent = true
		poke(l.wake)
	}
	if !before && l.full() {
		poke(l.wake)
	}
}

// reserve returns a chunk with room for so many bytes.
func (l *lane) reserve(n int) *chunk {
	if c := l.chunk; c != nil && len(c.buf)-c.used >= n {
		return c
	}
	size := max(n, minChunk, min(maxChunk, int(l.j.opt.WindowBytes)/(8*len(l.j.lanes))))
	c := chunks.Get().(*chunk)
	if cap(c.buf) < size || cap(c.buf) > 2*size {
		c.buf = make([]byte, size)
	}
	c.owner, c.buf, c.used, c.live = l, c.buf[:size], 0, 0
	l.j.window += int64(size)
	l.chunk = c
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

// give gives back the memory of a record that is nowhere any more.
func (j *Journal) give(it *item) {
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

// limit is how many bytes of bodies travel under one reservation: all lanes together
// have at most half the window in hand, so that some is left however many fail.
func (l *lane) limit() int {
	return max(1, min(l.j.opt.MaxBatchBytes, int(l.j.opt.WindowBytes)/(2*len(l.j.lanes))))
}

// full reports whether the queue holds a whole batch.
func (l *lane) full() bool {
	return l.bytes >= l.limit() || l.queued() >= l.j.opt.MaxBatchRecords
}

// pop moves a batch from the queue to the end of hand.
func (l *lane) pop(hand []item) []item {
	limit, size := l.limit(), 0
	for l.head < len(l.queue) && len(hand) < l.j.opt.MaxBatchRecords {
		it := &l.queue[l.head]
		if size += len(it.body); size > limit && len(hand) > 0 {
			break
		}
		hand = append(hand, *it)
		l.bytes -= len(it.body)
		*it = item{}
		l.head++
	}
	if l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	}
	l.urgent = false
	for i := l.head; i < len(l.queue) && !l.urgent; i++ {
		l.urgent = l.queue[i].ticket != 0
	}
	l.begun = time.Now()
	l.hand = len(hand)
	if l.hand > 0 {
		l.oldest = hand[0].at
	}
	return hand
}

// leave drops the queue: the records are read again when the lane returns.
func (l *lane) leave() {
	for i := l.head; i < len(l.queue); i++ {
		it := &l.queue[i]
		it.seg.taken.clear(it.idx, it.rec)
		l.passOver(it.position(), it.at)
		l.j.give(it)
	}
	clear(l.queue)
	l.queue, l.head, l.bytes, l.urgent = l.queue[:0], 0, 0, false
	if cap(l.queue) > 1024 {
		l.queue = nil
	}
}

// passOver leaves a record that is not in the queue.
func (l *lane) passOver(at position, instant int64) {
	if l.state != left {
		l.state, l.from, l.since = left, at, instant
	} else if at.before(l.from) {
		l.from, l.since = at, instant
	}
}

// well reports whether a record without a key may as well go here.
func (l *lane) well() bool {
	return l.state == following && l.failing.IsZero() && !l.parked && !l.gone
}

// fail notes that the lane makes no progress, and why.
func (l *lane) fail(r sinks.Reason) {
	l.j.m.retried(r)
	l.j.mu.Lock()
	defer l.j.mu.Unlock()
	if l.failing.IsZero() {
		l.failing = time.Now()
	}
	l.reason = r
}

// mend notes that the lane makes progress.
func (l *lane) mend() {
	l.failing = time.Time{}
	if l.state == left {
		poke(l.j.back)
	}
}

// settle ends the journey of records. So many are left in the goroutine's hand,
// the first of them of that instant; reservation is what carried them, 0 for none; stored
// tells whether the log downstream answered.
func (l *lane) settle(items []item, reservation uint64, hand int, oldest int64, stored bool) {
	j := l.j
	j.records.Add(-int64(len(items)))
	j.pace.count(len(items))
	j.mu.Lock()
	delete(j.open, reservation)
	for i := range items {
		it := &items[i]
		it.seg.settled.set(it.idx, it.rec)
		it.src.bytes.Add(-int64(len(it.body)))
		if l.topic.bad {
			j.bad.Add(-int64(len(it.body)))
		}
		if it.ticket != 0 {
			j.tickets.settled(it.ticket)
		}
		if it.seg.waiting--; it.seg.waiting == 0 {
			poke(j.keep)
		}
		j.give(it)
	}
	l.hand, l.oldest = hand, oldest
	if stored {
		j.succeeded = time.Now()
	}
	l.mend()
	j.mu.Unlock()
	poke(j.mainRoom)
	poke(j.backRoom)
}

// park sends what waits on to its lanes as soon as there are some.
func (l *lane) park() {
	var backoff time.Duration
	o := &l.j.opt
	for {
		select {
		case <-l.wake:
		case <-l.j.stop:
			return
		}
		for backoff = o.minBackoff / 4; ; backoff = min(2*backoff, o.maxBackoff) {
			r := l.unpark()
			if r == progress {
				break
			}
			l.fail(r)
			if !l.j.sleep(backoff) {
				return
			}
		}
	}
}

func (l *lane) unpark() sinks.Reason {
	j := l.j
	j.mu.Lock()
	defer j.mu.Unlock()
	if l.queued() == 0 {
		if _, err := j.resolve(l.topic, nil); err != nil {
			return sinks.ReasonOf(err)
		}
	}
	for l.queued() > 0 {
		it := &l.queue[l.head]
		key := sinks.BodyKey(it.body)
		to, err := j.resolve(l.topic, key)
		switch {
		case err != nil:
			return sinks.ReasonOf(err)
		case to.state != following:
			return sinks.ReasonUnavailable // what it has left comes first
		case key != nil && to.disordered(it.position()):
			to.leave()
			l.leave()
			return sinks.ReasonUnavailable // both return, and all is read again
		}
		to.enqueue(*it)
		l.bytes -= len(it.body)
		*it = item{}
		l.head++
	}
	l.queue, l.head, l.urgent = l.queue[:0], 0, false
	l.mend()
	return progress
}
