package journal

import (
	"errors"
	"io"
	"time"

	"assent/wal"
)

// scanMain reads the whole log, from the oldest segment to its end and on, and
// hands each open record to its queue.
func (j *Journal) scanMain() {
	cursor := j.log.Cursor(j.log.First())
	defer cursor.Close()
	for {
		e, ok, err := cursor.TryNext()
		if err == nil && !ok {
			j.mu.Lock()
			j.caughtUp = true
			j.hurryLocked()
			j.mu.Unlock()
			e, err = cursor.Next(j.reading)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) || j.closing():
			return
		default:
			j.m.readErrors.Inc()
			if !j.sleep(j.opt.minBackoff) {
				return
			}
			continue
		}
		if !j.hasRoom(j.mainRoom) {
			e.Block.Release()
			return
		}
		j.mu.Lock()
		j.caughtUp = false
		at := position{e.Segment, e.Index}
		if at.seg != j.main.seg {
			for n := max(j.main.seg, j.log.First()); n <= at.seg; n++ { // some have no entry
				if j.log.Holds(n) {
					j.segments.get(n)
				}
			}
			wake(j.released)
		}
		j.distributeLocked(&e, at, true)
		j.main = at
		j.mu.Unlock()
		e.Block.Release()
	}
}

// hasRoom waits until the window has room; it returns false when the journal
// closes.
func (j *Journal) hasRoom(room chan struct{}) bool {
	j.mu.Lock()
	free := !j.window.full()
	j.mu.Unlock()
	if free {
		return true
	}
	look := time.NewTicker(max(j.opt.detachAfter/8, time.Millisecond))
	defer look.Stop()
	for {
		select {
		case <-room:
		case <-look.C:
		case <-j.stop:
			return false
		}
		reachable := j.fwd.Ready() == nil
		j.mu.Lock()
		if j.window.full() {
			j.leaveFailingLocked(reachable)
		}
		free = !j.window.full()
		j.mu.Unlock()
		if free {
			return true
		}
	}
}

// leaveFailingLocked leaves the queues that fill the window and have failed for a while
// although others could succeed. When everything fails, reading stops instead:
// nobody is kept waiting by it.
func (j *Journal) leaveFailingLocked(reachable bool) {
	now := time.Now()
	for _, q := range j.queues {
		if q.failing.IsZero() || now.Sub(q.failing) < j.opt.detachAfter || q.queuedLocked() == 0 {
			continue
		}
		if reachable || j.succeeded.After(q.failing) {
			q.leaveLocked()
		}
	}
}

// distributeLocked hands the open records of an entry to their queues.
func (j *Journal) distributeLocked(e *wal.Entry, at position, main bool) {
	if main {
		j.sawReservationLocked(e)
	} else if !j.log.Holds(at.seg) {
		return // all of it is settled, and what was known of it forgotten
	}
	if len(e.Payload) == 0 || kind(e.Payload[0]) != kindEvent {
		return
	}
	var ev event
	if err := ev.parse(e.Payload); err != nil {
		j.m.unreadable.Inc()
		return
	}
	seg := j.segments.get(at.seg)
	if main {
		j.lastEvent = at.seg
	}
	it := ev.item(seg, ref{position: at})
	for rec := range ev.records {
		name, body, err := ev.next()
		if err != nil {
			j.m.unreadable.Inc()
			return
		}
		it.rec, it.body = uint8(rec), body
		if seg.taken.has(it.idx, it.rec) {
			continue
		}
		if main {
			seg.waiting++
		}
		if it.src == nil {
			it.src = j.sources.ofBytes(ev.source)
		}
		j.dispatchLocked(j.topicOfLocked(name), &it, main)
	}
}

// item returns what all records of an event have in common, as one of them.
func (e *event) item(seg *segment, r ref) item {
	it := item{seg: seg, at: e.at, snapshot: e.snapshot, idx: r.idx, rec: r.rec, flags: e.flags}
	if !seg.old {
		it.ticket = e.ticket
	}
	if e.flags&flagSubject != 0 {
		it.provenance = e.provenance
	}
	return it
}

// scanBack reads the log again for the queues that were left and have come right.
func (j *Journal) scanBack() {
	for {
		select {
		case <-j.back:
		case <-j.stop:
			return
		}
		for {
			from, some := j.recall()
			if !some {
				break
			}
			if !j.scanBackFrom(from) {
				return
			}
		}
	}
}

// recall lets queues return; from is where their first record stands.
func (j *Journal) recall() (from position, some bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, q := range j.queues {
		if q.state == left && q.failing.IsZero() {
			q.state = returning
			if !some || q.from.before(from) {
				from, some = q.from, true
			}
		}
	}
	return from, some
}

// scanBackFrom runs until it meets the main scan, or until no queue returns any
// more. It returns false when the journal closes.
func (j *Journal) scanBackFrom(from position) bool {
	cursor := j.log.Cursor(from.seg)
	defer cursor.Close()
	for !j.closing() {
		j.mu.Lock()
		main := j.main
		j.mu.Unlock()
		e, ok, err := cursor.TryNext()
		switch {
		case errors.Is(err, io.EOF):
			return false
		case err != nil:
			j.m.readErrors.Inc()
			j.sleep(j.opt.minBackoff)
			continue
		case !ok:
			j.mu.Lock()
			met := j.main == main
			if met {
				j.joinMainLocked()
			}
			j.mu.Unlock()
			if met {
				return true
			}
			continue
		}
		at := position{e.Segment, e.Index}
		if at.before(from) {
			e.Block.Release()
			continue
		}
		done := !j.hasRoom(j.backRoom)
		if !done {
			j.mu.Lock()
			done = j.stepBackLocked(&e, at)
			j.mu.Unlock()
		}
		e.Block.Release()
		if done {
			return !j.closing()
		}
	}
	return false
}

// stepBackLocked deals with one entry and reports whether the scan has ended.
func (j *Journal) stepBackLocked(e *wal.Entry, at position) bool {
	if j.main.before(at) {
		j.joinMainLocked()
		return true
	}
	j.distributeLocked(e, at, false)
	if at == j.main {
		j.joinMainLocked()
		return true
	}
	for _, q := range j.queues {
		if q.state == returning {
			return false
		}
	}
	return true
}

// joinMainLocked makes the queues that return follow the main scan.
func (j *Journal) joinMainLocked() {
	for _, q := range j.queues {
		if q.state == returning {
			q.state = following
		}
	}
}
