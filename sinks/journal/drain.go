package journal

import (
	"context"
	"time"

	"assent/sinks"
)

const (
	drainLook = 10 * time.Millisecond
	// drainStill is how long nothing must change before the scan is believed that
	// nothing waits, where the accounts say otherwise: damage may have eaten what
	// settled a record.
	drainStill = time.Second
)

// Progress is what has become of records since Open.
type Progress struct {
	Sent     int64 // stored downstream
	Withheld int64 // left out or sent as null values, because their subjects chose so
	Refused  int64 // not wanted downstream, ever; each became a bad row
	Left     int64 // wait
}

// Progress is about: nothing stands still for it.
func (j *Journal) Progress() Progress {
	nulled := int64(j.m.nulled.Get())
	return Progress{
		Sent: j.sent.Load() - nulled, Withheld: int64(j.m.withheld.Get()) + nulled,
		Refused: int64(j.m.poison.Get()), Left: max(0, j.records.Load()),
	}
}

// Hurry forwards without turns, rests and lingering from now on: there soon is
// nobody left for whom to save the machine.
func (j *Journal) Hurry() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.draining = true
	j.hurryLocked()
}

// Drain is Hurry, and returns when nothing waits any more, which it reports, or ctx
// ends. With patience it also returns once no queue that has work could do any for so
// long, or the log downstream was out of reach. It is for when nobody commits.
func (j *Journal) Drain(ctx context.Context, patience time.Duration) (empty bool) {
	j.Hurry()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	var since time.Time // of when the scan says that nothing waits
	var at position
	reached, sent := time.Now(), j.sent.Load()
	for {
		if n := j.sent.Load(); n > sent || !away(j.fwd.Ready()) {
			reached, sent = time.Now(), n
		}
		j.mu.Lock()
		through, main := j.throughLocked(), j.main
		stuck := patience > 0 && (j.stuckLocked(patience) || time.Since(reached) >= patience)
		j.mu.Unlock()
		switch {
		case !through:
			since = time.Time{}
		case j.records.Load() <= 0:
			return true
		case since.IsZero() || at != main:
			since, at = time.Now(), main
		case time.Since(since) >= drainStill:
			return true
		}
		if stuck {
			return false
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		case <-j.stop:
			return false
		}
	}
}

// away reports whether a forwarder that is not ready reaches nobody, so that what
// is under way hangs.
func away(err error) bool {
	if err == nil {
		return false
	}
	r := sinks.ReasonOf(err)
	return r == sinks.ReasonUnavailable || r == sinks.ReasonTimeout
}

// throughLocked reports whether the main scan has read all there was and nothing of it
// waits.
func (j *Journal) throughLocked() bool {
	if !j.recovered.Load() || !j.caughtUp {
		return false
	}
	for _, s := range j.segments.list {
		if s.waiting > 0 {
			return false
		}
	}
	return true
}

// stuckLocked reports whether every queue that has work has failed for so long, and no
// other can get any.
func (j *Journal) stuckLocked(patience time.Duration) (some bool) {
	if !j.recovered.Load() || !j.caughtUp && !j.window.full() {
		return false
	}
	now := time.Now()
	for _, q := range j.queues {
		if q.queuedLocked() == 0 && q.inFlight == 0 && q.state == following {
			continue
		}
		if q.failing.IsZero() || now.Sub(q.failing) < patience {
			return false
		}
		some = true
	}
	return some
}
