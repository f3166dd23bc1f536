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

// clearAccountsLocked sets to nothing what is known to be nothing: damage can make a
// record vanish between its commit and its settlement.
func (j *Journal) clearAccountsLocked() {
	for _, s := range *j.sources.Load() {
		s.bytes.Store(0)
	}
	j.bad.Store(0)
	j.records.Store(0)
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
