package journal

import (
	"errors"
	"io"
	"math"
	"time"

	"assent/sinks"
)

// rotateAfter is how old a segment is when it is ended although it is not full,
// so that what is delivered does not linger on disk.
const rotateAfter = time.Minute

// retain releases segments whose records are all settled and keeps the counts
// true.
func (j *Journal) retain() {
	tick := time.NewTicker(j.opt.keepEvery)
	defer tick.Stop()
	before, still := int64(-1), 0
	for {
		idle := false
		select {
		case <-j.released:
		case <-tick.C:
			j.measure()
			if still++; j.used.Load() != before {
				still = 0
			}
			before = j.used.Load()
			idle = still > 5
		case <-j.stop:
			return
		}
		if !j.tidy(idle) {
			if !j.sleep(j.opt.minBackoff) {
				return
			}
			wake(j.released)
		}
	}
}

// measure looks how much room there is.
func (j *Journal) measure() {
	j.used.Store(j.log.Usage().Bytes)
	free, err := j.opt.FS.Free(j.opt.Dir)
	if err != nil {
		free = math.MaxInt64 // a failed write will tell
	}
	j.free.Store(free)
}

// tidy releases what can be released; it returns false when that failed.
func (j *Journal) tidy(idle bool) bool {
	j.mu.Lock()
	limit := j.segments.settledBelow(j.main.seg)
	empty := j.caughtUp && limit == j.main.seg && j.segments.get(limit).waiting == 0
	if empty && idle {
		j.clearAccountsLocked()
	}
	stale := empty && j.lastEvent == limit
	if empty && limit < j.segments.boot {
		limit, stale = j.segments.boot, false // nothing was written since the start
	}
	j.mu.Unlock()
	for number := j.log.First(); number < limit; {
		if !j.retire(number) {
			return false
		}
		j.log.Release(number + 1)
		j.used.Store(j.log.Usage().Bytes)
		j.mu.Lock()
		j.segments.forget(number + 1)
		j.mu.Unlock()
		before := number
		if number = j.log.First(); number <= before {
			break
		}
	}
	if !j.compact() {
		return false
	}
	if u := j.log.Usage(); stale && u.Segments == 1 && j.opt.Now().Sub(u.Oldest) > rotateAfter {
		j.log.Rotate()
		// The scan has to see an entry of the next segment to know that there is one.
		j.log.Note(appendVoid(nil, 0))
	}
	return true
}

// compact gives up segments whose records are all settled although an older one
// has some that are not. Before that it makes durable what they may say of others:
// first which records of the segments that stay are settled, then which reservations have
// ended. The horizon is drawn before the records are listed, so that a reservation which
// ends in between is repeated or settled by what follows, and never forgotten. It
// returns false when that failed.
func (j *Journal) compact() bool {
	j.mu.Lock()
	kept, gone := j.compactableLocked()
	j.mu.Unlock()
	if len(gone) < 2+len(kept)/4 { // what is written again must be worth it
		return true
	}
	for _, number := range gone {
		if !j.retire(number) {
			return false
		}
	}
	j.mu.Lock()
	h := horizon{below: j.reservations.Load() + 1}
	for id := range j.open {
		h.open = append(h.open, id)
	}
	j.mu.Unlock()
	var entry []byte
	for _, g := range kept {
		j.mu.Lock()
		s := settled{cause: causeSummed, load: load{refs: g.settled.refs(g.number)}}
		j.mu.Unlock()
		if len(s.load.refs) == 0 {
			continue
		}
		entry = s.append(entry[:0])
		if j.log.Append(entry) != nil {
			return false
		}
	}
	if j.log.Append(h.append(entry[:0])) != nil {
		return false
	}
	for _, number := range gone {
		j.log.Drop(number)
		j.mu.Lock()
		j.segments.drop(number)
		j.mu.Unlock()
	}
	j.used.Store(j.log.Usage().Bytes)
	return true
}

// compactableLocked returns the segments that can go although an older one cannot, and
// those that have to stay before the last of them. One that holds a reservation which is
// open has to stay: it may be repeated.
func (j *Journal) compactableLocked() (kept []*segment, gone []uint64) {
	reserved := map[uint64]bool{}
	for _, number := range j.open {
		reserved[number] = true
	}
	last := 0
	for _, g := range j.segments.list {
		if g.number >= j.main.seg {
			break
		}
		if g.waiting == 0 && !reserved[g.number] {
			gone, last = append(gone, g.number), len(kept)
		} else {
			kept = append(kept, g)
		}
	}
	return kept[:last], gone
}

// retire hands the IDs of a segment on. They are read once more rather than
// kept in memory: a journal may be long.
func (j *Journal) retire(number uint64) bool {
	if j.opt.Retire == nil {
		return true
	}
	var ids []sinks.ID
	cursor := j.log.Cursor(number)
	defer cursor.Close()
	for {
		e, ok, err := cursor.TryNext()
		if err != nil && !errors.Is(err, io.EOF) {
			j.m.readErrors.Inc()
			return false
		}
		if err != nil || !ok {
			break
		}
		past := e.Segment > number
		if !past && len(e.Payload) > 0 && kind(e.Payload[0]) == kindEvent {
			var ev event
			if ev.parse(e.Payload) == nil && ev.flags&flagID != 0 {
				ids = append(ids, ev.id)
			}
		}
		e.Block.Release()
		if past {
			break
		}
	}
	if len(ids) == 0 {
		return true
	}
	if err := j.opt.Retire(ids); err != nil {
		j.m.retireFails.Inc()
		return false
	}
	return true
}

// clearAccountsLocked sets to nothing what is known to be nothing: damage can make a
// record vanish between its commit and its settlement.
func (j *Journal) clearAccountsLocked() {
	for _, s := range j.sources.all() {
		s.bytes.Store(0)
	}
	j.bad.Store(0)
	j.records.Store(0)
}
