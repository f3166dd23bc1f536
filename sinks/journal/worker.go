package journal

import (
	"math/rand/v2"
	"time"

	"assent/sinks"
)

func (w *worker) run() {
	for _, u := range w.queue.uncertain {
		w.inFlight, w.reservation, w.reserved, w.tried = u.items, u.reservation, len(u.items), true
		if !w.deliver() {
			return
		}
	}
	w.queue.uncertain = nil
	for w.gather() {
		if !w.deliver() {
			return
		}
	}
}

// gather waits for a batch: as much as may travel, or what has come within the
// linger time. It returns false when the journal closes.
func (w *worker) gather() bool {
	q, j := w.queue, w.j
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
		if w.j.closing() {
			return false
		}
		if r := w.paced(); r != progress {
			w.j.fail(w.queue, r)
			if !w.pause() {
				return false
			}
		} else {
			w.backoff = 0
		}
	}
	return true
}

// paced makes an attempt, at its turn if what is in flight is late. A queue whose last
// attempt failed needs none: it has waited, and may do so again.
func (w *worker) paced() (r sinks.Reason) {
	j := w.j
	if j.now()-w.inFlight[0].at < late || w.backoff > 0 || j.used.Load() >= j.highWater {
		return w.attempt()
	}
	turns, rests := j.pace.look(j.records.Load())
	j.mu.Lock()
	turns = turns && !j.draining
	j.mu.Unlock()
	if !turns {
		return w.attempt()
	}
	r = progress
	j.pace.turn(j.stop, rests && !j.tickets.any(), func() { r = w.attempt() })
	return r
}

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
	o := &w.j.opt
	w.backoff = min(max(2*w.backoff, o.minBackoff), o.maxBackoff)
	return w.j.sleep(w.backoff/2 + rand.N(w.backoff/2+1))
}

// reroute has all records of the queue routed anew, because its partition is
// gone: a topic may be made again with fewer. No reservation is open.
func (w *worker) reroute() {
	q, j := w.queue, w.j
	j.mu.Lock()
	for i := range w.inFlight {
		it := &w.inFlight[i]
		it.seg.taken.clear(it.idx, it.rec)
		if at := it.position(); j.main.before(at) {
			it.seg.waiting-- // of an uncertain reservation; the main scan will come there
		} else {
			q.passOverLocked(at, it.at)
		}
		j.window.give(it)
	}
	q.leaveLocked()
	q.gone = true
	q.inFlight, q.oldest = 0, 0
	if q.recoveredLocked() {
		wake(j.back)
	}
	j.mu.Unlock()
	w.inFlight, w.bisector.suspects, w.voids = w.inFlight[:0], 0, 0
	wake(j.mainRoom)
	wake(j.backRoom)
}

// fail notes that the queue makes no progress, and why.
func (j *Journal) fail(q *queue, r sinks.Reason) {
	j.m.retried(r)
	j.mu.Lock()
	defer j.mu.Unlock()
	if q.failing.IsZero() {
		q.failing = time.Now()
	}
	q.reason = r
}

// hurryLocked wakes the queues that linger although nothing more comes for them.
func (j *Journal) hurryLocked() {
	if j.hurriedLocked() {
		for _, q := range j.queues {
			wake(q.wake)
		}
	}
}

func (j *Journal) hurriedLocked() bool { return j.draining && j.caughtUp }
