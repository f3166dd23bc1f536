package drive

import (
	"math/bits"
	"sync"
	"time"
)

// A Histogram counts durations in buckets 1.6 % wide. The zero value is empty.
type Histogram struct {
	buckets [64 * sub]uint64
	Count   uint64
}

const sub = 64 // buckets for each power of two

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) {
	v := uint64(max(d, sub))
	e := bits.Len64(v) - bits.Len64(sub) // v>>e is within sub and 2*sub
	h.buckets[e*sub+int(v>>e)-sub]++
	h.Count++
}

// Merge adds what other counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.Count += other.Count
}

// Quantile returns the duration that the share q of those counted does not
// exceed, by the upper end of its bucket; 0 where nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank, seen := uint64(q*float64(h.Count)), uint64(0)
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen > min(rank, h.Count-1) {
			return time.Duration(uint64(i%sub+sub+1) << (i / sub))
		}
	}
	return 0
}

// Millis returns a quantile in milliseconds.
func (h *Histogram) Millis(q float64) float64 { return h.Quantile(q).Seconds() * 1e3 }

// A Tally gathers answers; safe for concurrent use.
type Tally struct {
	mu   sync.Mutex
	took Histogram // of the answers 2xx
	not  int
}

// Answer counts one answer, as Plan.Answer.
func (t *Tally) Answer(_ int, took time.Duration, status int) {
	t.mu.Lock()
	if status/100 == 2 {
		t.took.Add(took)
	} else {
		t.not++
	}
	t.mu.Unlock()
}

// Take returns what was counted since the last call: how long the 2xx took, and
// the number of all other ends.
func (t *Tally) Take() (took Histogram, not int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	took, not = t.took, t.not
	t.took, t.not = Histogram{}, 0
	return took, not
}
