package journal

import (
	"math/rand/v2"
	"slices"
	"time"

	"assent/sinks"
)

// A worker sends what a queue holds: one reservation at a time, in order. Its
// fields are its goroutine's own.
type worker struct {
	queue       *queue
	inFlight    []item      // in the queue's order, not settled
	reservation reservation // of the first records in flight; id 0: none
	reserved    int         // how many
	tried       bool        // the reservation may have reached the log
	recover     []uncertain

	suspects int // among so many records in flight one is refused for good
	ramp     int // records under one reservation, doubled by each success, since one was; 0: the queue's limit
	maxBytes int // of bodies under one reservation, since the log found more too large; 0: the queue's limit
	voids    int // reservations in a row that lost their force

	backoff  time.Duration
	deferred [][]byte // entries that could not be noted yet
	outgoing []sinks.Outgoing
	fates    []sinks.Verdict // of the records
	gone     []item          // left out
	scratch  []byte          // bodies encoded anew
	entry    []byte
	batch    [][]byte
	load     load
	record   sinks.Record // being judged
	headers  []sinks.Header
	judged   sinks.Judged
}

// An uncertain reservation was left by an earlier process: nobody knows whether its
// records are stored.
type uncertain struct {
	reservation reservation
	items       []item
}

func (w *worker) run() {
	for _, u := range w.recover {
		w.inFlight, w.reservation, w.reserved, w.tried = u.items, u.reservation, len(u.items), true
		if !w.deliver() {
			return
		}
	}
	w.recover = nil
	for w.gather() {
		if !w.deliver() {
			return
		}
	}
}

// gather waits for a batch: as much as may travel, or what has come within the
// linger time. It returns false when the journal closes.
func (w *worker) gather() bool {
	q, j := w.queue, w.queue.j
	for {
		j.mu.Lock()
		if j.closing() {
			j.mu.Unlock()
			return false
		}
		wait := time.Duration(-1)
		if q.queuedLocked() > 0 {
			wait = max(0, j.opt.Linger-time.Since(q.begun))
			if q.fullLocked() || q.urgent || wait == 0 || j.hurriedLocked() {
				w.inFlight = q.popLocked(w.inFlight[:0])
				j.mu.Unlock()
				return true
			}
		}
		j.mu.Unlock()
		if wait < 0 {
			select {
			case <-q.wake:
			case <-j.stop:
			}
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-q.wake:
		case <-t.C:
		case <-j.stop:
		}
		t.Stop()
	}
}

// deliver settles what is in flight, however long that takes. It returns false
// when the journal closes before.
func (w *worker) deliver() bool {
	for len(w.inFlight) > 0 {
		if w.queue.j.closing() {
			return false
		}
		if r := w.paced(); r != progress {
			w.queue.fail(r)
			if !w.pause() {
				return false
			}
		} else {
			w.backoff = 0
		}
	}
	return true
}

// progress is the outcome of an attempt after which the next one need not wait.
const progress = sinks.Reason(255)

func (w *worker) attempt() sinks.Reason {
	if w.reservation.id == 0 {
		switch r := w.prepare(); {
		case r == sinks.ReasonUnplaced:
			w.reroute()
			return progress
		case r != progress || w.reserved == 0:
			return r
		}
	}
	return w.send()
}

// pause waits longer each time, give or take, so that queues do not march in step.
func (w *worker) pause() bool {
	o := &w.queue.j.opt
	w.backoff = min(max(2*w.backoff, o.minBackoff), o.maxBackoff)
	return w.queue.j.sleep(w.backoff/2 + rand.N(w.backoff/2+1))
}

// next is how many records in flight the next reservation takes: half of those among
// which one is refused, so that it is found in a few steps.
func (w *worker) next() int {
	n := len(w.inFlight)
	if w.suspects > 1 {
		n = (w.suspects + 1) / 2
	} else if w.suspects == 1 {
		n = 1
	}
	if w.ramp > 0 {
		n = min(n, w.ramp)
	}
	if w.maxBytes == 0 {
		return n
	}
	size := 0
	for i := range n {
		if size += len(w.inFlight[i].body); size > w.maxBytes && i > 0 {
			return i
		}
	}
	return n
}

// prepare leaves out what may not go any more and makes a reservation for the next
// records durable. Nothing is reserved when nothing is left of them.
func (w *worker) prepare() sinks.Reason {
	q, j := w.queue, w.queue.j
	n, err := w.leaveOut(w.next())
	if err != nil {
		return sinks.ReasonUnavailable
	}
	if w.reserved = n; n == 0 {
		return progress
	}
	identity, err := j.fwd.Reserve(j.sending, q.partition, n)
	if err != nil {
		return sinks.ReasonOf(err)
	}
	w.reservation.at, w.reservation.partition, w.reservation.bytes = j.now(), q.partition, identity
	w.reservation.load.list(w.inFlight[:n])
	id := j.openReservation()
	w.reservation.id = id
	w.entry = w.reservation.append(w.entry[:0])
	w.reservation.id = 0
	w.batch = append(append(w.batch[:0], w.deferred...), w.entry)
	if err := j.log.Append(w.batch...); err != nil {
		// A crash may bring it to light nevertheless, when its sequence is another's.
		w.deferred = append(w.deferred, appendVoid(nil, id))
		j.endReservation(id)
		return reason(err)
	}
	w.deferred = nil
	j.used.Add(int64(len(w.entry)))
	w.reservation.id, w.tried = id, false
	return progress
}

// leaveOut settles those of the first n records in flight of which nothing may go
// out any more, and returns how many are left of them.
func (w *worker) leaveOut(n int) (int, error) {
	if w.queue.j.opt.Judge == nil {
		return n, nil
	}
	w.fates = w.fates[:0]
	for i := range n {
		verdict, err := w.judge(&w.inFlight[i])
		if err != nil {
			return 0, err
		}
		w.fates = append(w.fates, verdict)
	}
	kept := 0
	w.gone = w.gone[:0]
	for i := range n {
		if w.fates[i] == sinks.Withheld {
			w.gone = append(w.gone, w.inFlight[i])
		} else {
			w.inFlight[kept] = w.inFlight[i]
			kept++
		}
	}
	if len(w.gone) == 0 {
		return n, nil
	}
	w.inFlight = slices.Delete(w.inFlight, kept, n)
	w.suspects = max(0, w.suspects-len(w.gone))
	w.note(causeWithheld, 0, w.gone)
	w.queue.j.m.withheld.Add(len(w.gone))
	w.queue.settle(w.gone, 0, len(w.inFlight), w.oldest(), false)
	return kept, nil
}

func (w *worker) oldest() int64 {
	if len(w.inFlight) == 0 {
		return 0
	}
	return w.inFlight[0].at
}

// judge looks at a record again. When less of it may go out, w.record is what
// is left. What cannot be read is withheld.
func (w *worker) judge(it *item) (sinks.Verdict, error) {
	judge := w.queue.j.opt.Judge
	if judge == nil || it.flags&flagSubject == 0 || !it.seg.old && judge.Unchanged(it.snapshot) {
		return sinks.Kept, nil
	}
	whose(it.judged, it.flags, it.src.name, it.at, &w.judged)
	w.record = sinks.Record{Topic: w.queue.partition.Topic, Headers: w.headers[:0]}
	if sinks.ParseBody(it.body, &w.record) != nil {
		return sinks.Withheld, nil
	}
	w.headers = w.record.Headers
	verdict, err := judge.Rejudge(&w.judged, &w.record)
	if verdict != sinks.Kept && verdict != sinks.Reduced {
		verdict = sinks.Withheld
	}
	return verdict, err
}

// nulled is what takes the place of a record that may not go out any more but
// whose place is fixed.
var nulled = sinks.AppendBody(nil, &sinks.Record{
	Headers: []sinks.Header{{Key: "privacy-withheld", Value: []byte("1")}},
})

// encodeBatch makes the records of the open reservation, each judged anew.
func (w *worker) encodeBatch() ([]sinks.Outgoing, error) {
	w.outgoing, w.fates, w.scratch = w.outgoing[:0], w.fates[:0], w.scratch[:0]
	for i := range w.reserved {
		it := &w.inFlight[i]
		verdict, err := w.judge(it)
		if err != nil {
			return nil, &sinks.Error{Reason: sinks.ReasonUnavailable, Err: err}
		}
		body := it.body
		switch verdict {
		case sinks.Withheld:
			body = nulled
		case sinks.Reduced:
			from := len(w.scratch)
			w.scratch = sinks.AppendBody(w.scratch, &w.record)
			body = w.scratch[from:]
		}
		w.fates = append(w.fates, verdict)
		w.outgoing = append(w.outgoing, sinks.Outgoing{Body: body, Time: it.at})
	}
	return w.outgoing, nil
}

// send makes one attempt at the open reservation.
func (w *worker) send() sinks.Reason {
	q, j := w.queue, w.queue.j
	again := w.tried
	w.tried = true
	w.fates = w.fates[:0]
	sent, err := j.fwd.Send(j.sending, q.partition, w.reservation.bytes, w.encodeBatch, again)
	if err == nil {
		w.stored(sent)
		return progress
	}
	switch r := sinks.ReasonOf(err); r {
	case sinks.ReasonTooLarge, sinks.ReasonRefused:
		return w.refused(r)
	case sinks.ReasonDoubtful, sinks.ReasonUnplaced:
		if r == sinks.ReasonDoubtful {
			j.m.doubled.Add(w.reserved)
		}
		w.void()
		if w.voids++; w.voids > 1 {
			return r
		}
		return progress
	default:
		return r
	}
}

// stored settles the records of the open reservation.
func (w *worker) stored(sent sinks.Sent) {
	m, n := w.queue.j.m, w.reserved
	w.queue.j.sent.Add(int64(n))
	if sent.Repeated {
		m.repeated.Add(n)
	}
	now := w.queue.j.now()
	for i := range n {
		m.delivery.Observe((now - w.inFlight[i].at) * 1e6)
	}
	for _, verdict := range w.fates { // none, if it was found stored without a look at it
		switch verdict {
		case sinks.Withheld:
			m.nulled.Inc()
		case sinks.Reduced:
			m.reduced.Inc()
		}
	}
	w.note(causeAcked, w.reservation.id, w.inFlight[:n])
	w.suspects = max(0, w.suspects-n)
	w.voids = 0
	if w.ramp *= 2; w.ramp > w.queue.j.opt.MaxBatchRecords {
		w.ramp = 0
	}
	w.done(n)
}

// done settles the first n records in flight and ends their reservation.
func (w *worker) done(n int) {
	next := int64(0)
	if n < len(w.inFlight) {
		next = w.inFlight[n].at
	}
	w.queue.settle(w.inFlight[:n], w.reservation.id, len(w.inFlight)-n, next, true)
	w.reservation.id, w.reserved = 0, 0
	w.inFlight = slices.Delete(w.inFlight, 0, n)
}

// refused narrows down the record that the log will not have, and ends its
// journey when it is found.
func (w *worker) refused(r sinks.Reason) sinks.Reason {
	w.void()
	if w.reserved > 1 {
		w.suspects = w.reserved
		if r == sinks.ReasonTooLarge {
			size := 0
			for i := range w.reserved {
				size += len(w.inFlight[i].body)
			}
			w.maxBytes = max(1, size/2)
		}
		return progress
	}
	return w.poison(r)
}

// void takes the open reservation back.
func (w *worker) void() {
	w.entry = appendVoid(w.entry[:0], w.reservation.id)
	w.noteOrDefer(w.entry)
	w.queue.j.endReservation(w.reservation.id)
	w.reservation.id = 0
}

// note writes down what became of records.
func (w *worker) note(c cause, reservation uint64, items []item) {
	w.entry = w.settled(w.entry[:0], c, reservation, items)
	w.noteOrDefer(w.entry)
}

func (w *worker) settled(dst []byte, c cause, reservation uint64, items []item) []byte {
	s := settled{cause: c, reservation: reservation, topic: w.queue.partition.Topic, load: w.load}
	s.load.list(items)
	w.load = s.load // keeps its memory
	return s.append(dst)
}

// noteOrDefer notes an entry. One that cannot be written now goes before the next reservation:
// the log never holds a reservation whose forerunner is open.
func (w *worker) noteOrDefer(entry []byte) {
	w.batch = append(append(w.batch[:0], w.deferred...), entry)
	if err := w.queue.j.log.Note(w.batch...); err != nil {
		w.deferred = append(w.deferred, slices.Clone(entry))
		return
	}
	w.queue.j.used.Add(int64(len(entry)))
	w.deferred = nil
}
