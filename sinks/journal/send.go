package journal

import (
	"crypto/rand"
	"slices"
	"time"

	"assent/sinks"
	"assent/uuid7"
)

// prepare leaves out what may not go any more and makes a reservation for the next
// records durable. Nothing is reserved when nothing is left of them.
func (w *worker) prepare() sinks.Reason {
	q, j := w.queue, w.j
	n, err := w.leaveOut(w.bisector.next(w.inFlight))
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
	if w.j.opt.Judge == nil {
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
	w.bisector.left(len(w.gone))
	w.note(causeWithheld, 0, w.gone)
	w.j.m.withheld.Add(len(w.gone))
	w.settle(w.gone, 0, len(w.inFlight), w.oldest(), false)
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
	judge := w.j.opt.Judge
	if judge == nil || it.flags&flagSubject == 0 || !it.seg.old && judge.Unchanged(it.snapshot) {
		return sinks.Kept, nil
	}
	parseProvenance(it.provenance, it.flags, it.src.name, it.at, &w.provenance)
	w.record = sinks.Record{Topic: w.queue.partition.Topic, Headers: w.headers[:0]}
	if sinks.ParseBody(it.body, &w.record) != nil {
		return sinks.Withheld, nil
	}
	w.headers = w.record.Headers
	verdict, err := judge.Rejudge(&w.provenance, &w.record)
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
	q, j := w.queue, w.j
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
	m, n := w.j.m, w.reserved
	w.j.sent.Add(int64(n))
	if sent.Repeated {
		m.repeated.Add(n)
	}
	now := w.j.now()
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
	w.bisector.stored(n, w.j.opt.MaxBatchRecords)
	w.voids = 0
	w.done(n)
}

// done settles the first n records in flight and ends their reservation.
func (w *worker) done(n int) {
	next := int64(0)
	if n < len(w.inFlight) {
		next = w.inFlight[n].at
	}
	w.settle(w.inFlight[:n], w.reservation.id, len(w.inFlight)-n, next, true)
	w.reservation.id, w.reserved = 0, 0
	w.inFlight = slices.Delete(w.inFlight, 0, n)
}

// refused narrows down the record that the log will not have, and ends its
// journey when it is found.
func (w *worker) refused(r sinks.Reason) sinks.Reason {
	w.void()
	if w.reserved > 1 {
		w.bisector.refused(w.inFlight[:w.reserved], r == sinks.ReasonTooLarge)
		return progress
	}
	return w.poison(r)
}

// poison ends the journey of the record at the head in flight, which the log
// downstream refuses for good: a payload-free bad row takes its place. Both are
// written as one, so that there is one row for each such record, and durable
// before the record's segment can be released.
func (w *worker) poison(r sinks.Reason) sinks.Reason {
	j, it := w.j, &w.inFlight[0]
	w.batch = append(w.batch[:0], w.deferred...)
	var row []byte
	var bodies int64
	if !w.queue.topic.bad && j.bad.Load() < j.room/badShare {
		record := badRow(j.opt.BadTopic, it, r, j.opt.Now())
		row, bodies = appendEvent(nil, &sinks.Event{Provenance: sinks.Provenance{Source: it.src.name}}, []sinks.Record{record}, it.at, 0, false)
		w.batch = append(w.batch, row)
	}
	w.entry = w.settled(w.entry[:0], causePoison, 0, w.inFlight[:1])
	w.batch = append(w.batch, w.entry)
	if err := j.log.Append(w.batch...); err != nil {
		return reason(err)
	}
	w.deferred = nil
	j.used.Add(int64(len(w.entry) + len(row)))
	if row != nil {
		it.src.bytes.Add(bodies)
		j.bad.Add(bodies)
		j.records.Add(1)
	} else {
		j.m.dropped.Inc()
	}
	j.m.poison.Inc()
	w.bisector.found()
	w.voids = 0
	w.done(1)
	return progress
}

// badRow says what became of a record, and nothing of what it held.
func badRow(topic string, it *item, r sinks.Reason, now time.Time) sinks.Record {
	id, err := uuid7.New(rand.Reader, now)
	if err != nil {
		panic("BUG: crypto/rand returned an error: " + err.Error())
	}
	row := sinks.BadRow{
		Stage: sinks.StageForward, Reason: r.String(), Size: len(it.body), Source: it.src.name,
		Received: sinks.AppendTime(nil, time.UnixMilli(it.at)),
	}
	return sinks.Record{
		Topic: topic, Value: sinks.AppendBadRow(nil, &row),
		Headers: sinks.AppendBadRowHeaders(nil, []byte(id), []byte("urn:assent:source:"+it.src.name), sinks.AppendTime(nil, now)),
	}
}

// void takes the open reservation back.
func (w *worker) void() {
	w.entry = appendVoid(w.entry[:0], w.reservation.id)
	w.noteOrDefer(w.entry)
	w.j.endReservation(w.reservation.id)
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

// noteOrDefer notes an entry. What cannot be written now is written before the next
// reservation: the log never holds a reservation while the one before it is open.
func (w *worker) noteOrDefer(entry []byte) {
	w.batch = append(append(w.batch[:0], w.deferred...), entry)
	if err := w.j.log.Note(w.batch...); err != nil {
		w.deferred = append(w.deferred, slices.Clone(entry))
		return
	}
	w.j.used.Add(int64(len(entry)))
	w.deferred = nil
}

// settle ends the journey of records. inFlight is how many are left in flight, oldest
// the instant of the first of these; reservation is what the records travelled under,
// 0 for none; stored says whether the log downstream answered.
func (w *worker) settle(items []item, reservation uint64, inFlight int, oldest int64, stored bool) {
	q, j := w.queue, w.j
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
		j.window.give(it)
	}
	q.inFlight, q.oldest = inFlight, oldest
	if stored {
		j.succeeded = time.Now()
	}
	if q.recoveredLocked() {
		wake(j.back)
	}
	j.mu.Unlock()
	wake(j.mainRoom)
	wake(j.backRoom)
}
