package signals

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"assent/consent"
)

// Visitors repeat their strings on each request. A cache holds what the newest said:
// at most slots entries of at most maxCached bytes, 10 MiB in all.
const (
	slots     = 4096
	minCached = 16 // shorter ones are read as fast
	maxCached = 2 << 10
)

// answer is what one value says, until an instant at which it has to be asked again; the
// zero time: for ever.
type answer struct {
	consent.Verdict
	until time.Time
	made  time.Time       // when a person chose; zero: not said, or nobody did
	by    time.Time       // the latest instant at which they may have; zero: made
	chose consent.Verdict // what they chose then: Allowed and Denied
}

// cache is used by many at once: an entry does not change, and a slot holds the newest.
// P is a place.
type cache[P comparable] struct {
	seed  maphash.Seed
	slots [slots]atomic.Pointer[entry[P]]
}

type entry[P comparable] struct {
	place       P
	text        string
	beside      string
	answer      answer
	unreadable  bool
	from, until int64 // µs since 1970, while the answer holds; until 0: for ever
}

// find is the entry of the same bytes at the same place, if its answer holds at an
// instant; else nil. keep is where an entry of these bytes belongs, nil where none does.
func (c *cache[P]) find(p P, value, beside []byte, now time.Time) (e *entry[P], keep *atomic.Pointer[entry[P]]) {
	if len(value) < minCached || len(value)+len(beside) > maxCached {
		return nil, nil
	}
	keep = &c.slots[maphash.Bytes(c.seed, value)%slots]
	if e = keep.Load(); e == nil || e.place != p || e.text != string(value) || e.beside != string(beside) {
		return nil, keep
	}
	if at := now.UnixMicro(); at < e.from || e.until != 0 && at >= e.until {
		return nil, keep
	}
	return e, keep
}
