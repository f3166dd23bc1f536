package journal

import (
	"errors"
	"io"
	"slices"

	"assent/wal"
)

// A recovery is what a pass over the recovered segments finds.
type recovery struct {
	j       *Journal
	shares  map[string]int64 // open bytes by source
	bad     int64            // open bytes of bad rows
	records int64            // open
	open    map[uint64]*plan // neither settled nor void
	order   []uint64         // of plans, as they were made
	event   event
	settled settled
}

// recover learns from the recovered segments what is settled and what is
// uncertain, and puts uncertain plans into the hands of their lanes. It returns
// false when the journal closes. The memory it takes is a bit per record and what
// was being sent.
func (j *Journal) recover() bool {
	r := &recovery{j: j, shares: map[string]int64{}, open: map[uint64]*plan{}}
	if !j.each(j.log.First(), r.read) {
		return false
	}
	r.settleReleased()
	for source, bytes := range r.shares {
		j.source(source).bytes.Add(max(0, bytes)) // damage may have eaten what was settled
	}
	j.bad.Add(max(0, r.bad))
	j.records.Add(max(0, r.records))
	j.m.recovered.Add(int(max(0, r.records)))
	return r.resume()
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
			err = r.readEvent(e.Payload)
		case kindPlan:
			p := new(plan)
			if err = p.parse(e.Payload); err == nil {
				r.open[p.id] = p
				r.order = append(r.order, p.id)
			}
		case kindSettled:
			if err = r.settled.parse(e.Payload); err == nil {
				delete(r.open, r.settled.plan)
				r.settle(&r.settled.load, r.settled.topic)
			}
		case kindVoid:
			var id uint64
			if id, err = parseVoid(e.Payload); err == nil {
				delete(r.open, id)
			}
		}
	}
	if err != nil {
		r.j.m.unreadable.Inc()
	}
	return true
}

func (r *recovery) readEvent(payload []byte) error {
	ev := &r.event
	if err := ev.parse(payload); err != nil {
		return err
	}
	if ev.flags&flagID != 0 {
		r.j.opt.Recovered(ev.id)
	}
	bytes := int64(0)
	for range ev.records {
		topic, body, err := ev.next()
		if err != nil {
			return err
		}
		bytes += int64(len(body))
		if string(topic) == r.j.opt.BadTopic {
			r.bad += int64(len(body))
		}
		r.records++
	}
	r.shares[string(ev.source)] += bytes
	return nil
}

// settle marks records. Those of released segments are known to be settled.
func (r *recovery) settle(l *load, topic string) {
	j := r.j
	j.mu.Lock()
	defer j.mu.Unlock()
	first := j.log.First()
	for _, ref := range l.refs {
		if ref.seg >= first && ref.seg < j.segments.boot {
			j.segments.get(ref.seg).taken.set(ref.idx, ref.rec)
		}
	}
	for _, s := range l.shares {
		if s.seg < first {
			continue
		}
		r.shares[s.source] -= s.bytes
		r.records -= int64(s.records)
		if topic == j.opt.BadTopic {
			r.bad -= s.bytes
		}
	}
}

// settleReleased settles the plans whose settlement was lost: a segment is
// released when all its records are settled, and those of a plan are settled
// together.
func (r *recovery) settleReleased() {
	first := r.j.log.First()
	for id, p := range r.open {
		if slices.ContainsFunc(p.load.refs, func(x ref) bool { return x.seg < first }) {
			delete(r.open, id)
			r.settle(&p.load, p.lane.Topic)
		}
	}
}

// A search is for the records of an uncertain plan.
type search struct {
	plan  *plan
	lane  *lane
	items []item
	found int
}

type place struct {
	search *search
	at     int
}

// resume reads the records of the uncertain plans and has each lane repeat its
// plan before anything else.
func (r *recovery) resume() bool {
	j := r.j
	var searches []*search
	wanted := map[ref]place{}
	from := j.segments.boot
	j.mu.Lock()
	for _, id := range r.order {
		p := r.open[id]
		if p == nil {
			continue
		}
		if slices.ContainsFunc(p.load.refs, j.isSettled) { // under a later plan: damage ate that this one is void
			j.log.Note(appendVoid(nil, id))
			continue
		}
		l, _ := j.topicOf([]byte(p.lane.Topic)).lane(j, p.lane.Partition)
		s := &search{plan: p, lane: l, items: make([]item, len(p.load.refs))}
		searches = append(searches, s)
		for i, ref := range p.load.refs {
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
		j.repeat(s)
	}
	for _, l := range j.lanes {
		l.start()
	}
	return true
}

func (j *Journal) isSettled(r ref) bool { return j.segments.get(r.seg).taken.has(r.idx, r.rec) }

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
		it.src, it.body = j.sourceOf(ev.source), body
		w.search.items[w.at] = w.search.lane.hold(it)
		w.search.found++
	}
	return true
}

// repeat puts an uncertain plan into its lane's hands. When not all its records
// can be read any more it cannot be repeated: those that are left are sent as
// new ones, and may come twice.
func (j *Journal) repeat(s *search) {
	if s.found < len(s.items) || s.found == 0 {
		for i := range s.items {
			if s.items[i].chunk != nil {
				j.give(&s.items[i])
			}
		}
		j.m.doubled.Add(s.found)
		j.log.Note(appendVoid(nil, s.plan.id))
		return
	}
	for i := range s.items {
		it := &s.items[i]
		it.seg.taken.set(it.idx, it.rec)
		it.seg.waiting++
	}
	s.lane.worker.recover = append(s.lane.worker.recover, uncertain{*s.plan, s.items})
	s.lane.hand += len(s.items)
	s.lane.oldest = s.items[0].at
}
