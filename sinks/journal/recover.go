package journal

import (
	"errors"
	"io"
	"maps"
	"slices"

	"assent/wal"
)

// A recovery is what a pass over the recovered segments finds.
type recovery struct {
	j        *Journal
	accounts map[uint64]*account     // by segment
	summed   map[uint64]bool         // segments whose account has to be taken again
	open     map[uint64]*reservation // neither settled nor void
	order    []uint64                // of reservations, as they were made
	event    event
	settled  settled
	horizon  horizon
}

// An account is what is open of a segment.
type account struct {
	shares  map[string]int64 // bytes by source
	bad     int64            // bytes of bad rows
	records int64
}

// account returns the account of a segment.
func (r *recovery) account(number uint64) *account {
	a := r.accounts[number]
	if a == nil {
		a = &account{shares: map[string]int64{}}
		r.accounts[number] = a
	}
	return a
}

// recover learns from the recovered segments what is settled and what is
// uncertain, and puts uncertain reservations into flight again. It returns
// false when the journal closes. The memory it takes is a bit per record and what
// was being sent.
func (j *Journal) recover() bool {
	r := &recovery{j: j, accounts: map[uint64]*account{}, summed: map[uint64]bool{}, open: map[uint64]*reservation{}}
	if !j.each(j.log.First(), r.read) {
		return false
	}
	r.settleReleased()
	for number := range r.summed {
		if !r.recount(number) {
			return false
		}
	}
	r.balance()
	j.recovered.Store(true)
	return r.resume()
}

// recount takes the account of a segment from its records: some of the entries
// that settled them are gone.
func (r *recovery) recount(number uint64) bool {
	delete(r.accounts, number)
	r.j.mu.Lock()
	done := &r.j.segments.get(number).settled // nobody else changes it yet
	r.j.mu.Unlock()
	return r.j.each(number, func(e *wal.Entry) bool {
		if e.Segment != number {
			return false
		}
		if r.event.parse(e.Payload) == nil {
			r.count(number, func(rec uint8) bool { return !done.has(e.Index, rec) })
		}
		return true
	})
}

// balance adds up the accounts. Damage may have eaten what was settled.
func (r *recovery) balance() {
	j, all := r.j, &account{shares: map[string]int64{}}
	for _, a := range r.accounts {
		for source, bytes := range a.shares {
			all.shares[source] += bytes
		}
		all.bad += a.bad
		all.records += a.records
	}
	for source, bytes := range all.shares {
		j.sources.of(source).bytes.Add(max(0, bytes))
	}
	j.bad.Add(max(0, all.bad))
	j.records.Add(max(0, all.records))
	j.m.recovered.Add(int(max(0, all.records)))
}

// each calls f for every entry of the recovered segments from one on, until it
// returns false. It returns false itself when the journal closes.
func (j *Journal) each(from uint64, f func(e *wal.Entry) bool) bool {
	cursor := j.log.Cursor(from)
	defer cursor.Close()
	for !j.closing() {
		e, ok, err := cursor.TryNext()
		switch {
		case errors.Is(err, io.EOF):
			return false
		case err != nil:
			j.m.readErrors.Inc()
			j.sleep(j.opt.minBackoff)
			continue
		case !ok:
			return true
		}
		more := e.Segment < j.segments.boot && f(&e)
		e.Block.Release()
		if !more {
			return true
		}
	}
	return false
}

// read learns from one entry.
func (r *recovery) read(e *wal.Entry) bool {
	err := errEntry
	if len(e.Payload) > 0 {
		switch kind(e.Payload[0]) {
		case kindEvent:
			err = r.readEvent(e)
		case kindReservation:
			res := new(reservation)
			if err = res.parse(e.Payload); err == nil {
				r.open[res.id] = res
				r.order = append(r.order, res.id)
			}
		case kindSettled:
			if err = r.settled.parse(e.Payload); err == nil {
				delete(r.open, r.settled.reservation)
				r.settle(&r.settled.load, r.settled.cause, r.settled.topic)
			}
		case kindVoid:
			var id uint64
			if id, err = parseVoid(e.Payload); err == nil {
				delete(r.open, id)
			}
		case kindHorizon:
			if err = r.horizon.parse(e.Payload); err == nil {
				maps.DeleteFunc(r.open, func(id uint64, _ *reservation) bool {
					return id < r.horizon.below && !slices.Contains(r.horizon.open, id)
				})
			}
		}
	}
	if err != nil {
		r.j.m.unreadable.Inc()
	}
	return true
}

func (r *recovery) readEvent(e *wal.Entry) error {
	if err := r.event.parse(e.Payload); err != nil {
		return err
	}
	if r.event.flags&flagID != 0 {
		r.j.opt.Recovered(r.event.id)
	}
	return r.count(e.Segment, func(uint8) bool { return true })
}

// count adds those records of the event that count to the account of its segment.
func (r *recovery) count(number uint64, counts func(rec uint8) bool) error {
	ev, a := &r.event, r.account(number)
	bytes := int64(0)
	for rec := range ev.records {
		topic, body, err := ev.next()
		if err != nil {
			return err
		}
		if !counts(uint8(rec)) {
			continue
		}
		bytes += int64(len(body))
		if string(topic) == r.j.opt.BadTopic {
			a.bad += int64(len(body))
		}
		a.records++
	}
	a.shares[string(ev.source)] += bytes
	return nil
}

// settle marks records as settled. All records of released segments are. An entry that
// sums a segment up replaces entries that were lost with such segments: the account of
// the segment it names has to be taken again.
func (r *recovery) settle(l *load, c cause, topic string) {
	j := r.j
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, ref := range l.refs {
		if ref.seg < j.segments.boot && j.log.Holds(ref.seg) {
			g := j.segments.get(ref.seg)
			g.taken.set(ref.idx, ref.rec)
			g.settled.set(ref.idx, ref.rec)
			if c == causeSummed {
				r.summed[ref.seg] = true
			}
		}
	}
	for _, s := range l.shares {
		if !j.log.Holds(s.seg) {
			continue
		}
		a := r.account(s.seg)
		a.shares[s.source] -= s.bytes
		a.records -= int64(s.records)
		if topic == j.opt.BadTopic {
			a.bad -= s.bytes
		}
	}
}

// settleReleased settles the reservations whose settlement was lost: a segment is
// released when all its records are settled, and those of a reservation are settled
// together.
func (r *recovery) settleReleased() {
	for id, res := range r.open {
		if slices.ContainsFunc(res.load.refs, func(x ref) bool { return !r.j.log.Holds(x.seg) }) {
			delete(r.open, id)
			r.settle(&res.load, causeAcked, res.partition.Topic)
		}
	}
}

// A search is for the records of an uncertain reservation.
type search struct {
	reservation *reservation
	queue       *queue
	items       []item
	found       int
}

type place struct {
	search *search
	at     int
}

// resume reads the records of the uncertain reservations and has each queue repeat its
// reservation before anything else.
func (r *recovery) resume() bool {
	j := r.j
	var searches []*search
	wanted := map[ref]place{}
	from := j.segments.boot
	j.mu.Lock()
	for _, id := range r.order {
		res := r.open[id]
		if res == nil {
			continue
		}
		if slices.ContainsFunc(res.load.refs, j.isSettledLocked) { // under a later reservation: damage ate that this one is void
			j.log.Note(appendVoid(nil, id))
			continue
		}
		q, _ := j.queueLocked(j.topicOfLocked([]byte(res.partition.Topic)), res.partition.Number)
		s := &search{reservation: res, queue: q, items: make([]item, len(res.load.refs))}
		searches = append(searches, s)
		for i, ref := range res.load.refs {
			wanted[ref] = place{s, i}
			from = min(from, ref.seg)
		}
	}
	j.mu.Unlock()
	if !j.each(from, func(e *wal.Entry) bool { return r.find(e, wanted) }) {
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closing() {
		return false
	}
	for _, s := range searches {
		j.repeatLocked(s)
	}
	for _, q := range j.queues {
		j.startLocked(q)
	}
	return true
}

func (j *Journal) isSettledLocked(r ref) bool { return j.segments.get(r.seg).taken.has(r.idx, r.rec) }

// find takes wanted records out of an entry; it returns false when none is
// wanted any more.
func (r *recovery) find(e *wal.Entry, wanted map[ref]place) bool {
	j, ev := r.j, &r.event
	if len(wanted) == 0 {
		return false
	}
	if len(e.Payload) == 0 || kind(e.Payload[0]) != kindEvent || ev.parse(e.Payload) != nil {
		return true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for rec := range ev.records {
		_, body, err := ev.next()
		if err != nil {
			return true
		}
		at := ref{position{e.Segment, e.Index}, uint8(rec)}
		w, want := wanted[at]
		if !want {
			continue
		}
		delete(wanted, at)
		it := ev.item(j.segments.get(at.seg), at)
		it.src, it.body = j.sources.ofBytes(ev.source), body
		w.search.items[w.at] = w.search.queue.holdLocked(it)
		w.search.found++
	}
	return true
}

// repeatLocked puts an uncertain reservation into flight again. When not all its records
// can be read any more it cannot be repeated: those that are left are sent as
// new ones, and may come twice.
func (j *Journal) repeatLocked(s *search) {
	if s.found < len(s.items) || s.found == 0 {
		for i := range s.items {
			if s.items[i].chunk != nil {
				j.window.give(&s.items[i])
			}
		}
		j.m.doubled.Add(s.found)
		j.log.Note(appendVoid(nil, s.reservation.id))
		return
	}
	for i := range s.items {
		it := &s.items[i]
		it.seg.taken.set(it.idx, it.rec)
		it.seg.waiting++
	}
	j.open[s.reservation.id] = 0
	s.queue.uncertain = append(s.queue.uncertain, uncertain{*s.reservation, s.items})
	s.queue.inFlight += len(s.items)
	s.queue.oldest = s.items[0].at
}
