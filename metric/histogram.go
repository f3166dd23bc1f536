// Package metric adds the one instrument that VictoriaMetrics/metrics lacks: a
// histogram in Prometheus' own bucket format, which histogram_quantile reads.
package metric

import (
	"fmt"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
)

// bounds are the buckets' upper ends in seconds: from a cached look-up to a
// sender's time-out.
var bounds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}

// Histogram counts durations in seconds. Safe for concurrent use.
type Histogram struct {
	buckets []atomic.Uint64 // not cumulative; the last one is +Inf
	nanos   atomic.Uint64
}

// NewHistogram registers a histogram in a set. The name may hold labels, as
// `name{label="value"}`; it panics on a name taken, as its set does.
func NewHistogram(set *metrics.Set, name string) *Histogram {
	h := &Histogram{buckets: make([]atomic.Uint64, len(bounds)+1)}
	base, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
	series := func(suffix, label string) string {
		all := strings.Trim(labels+","+label, ",")
		if all == "" {
			return base + suffix
		}
		return base + suffix + "{" + all + "}"
	}
	for i := range h.buckets {
		le := "+Inf"
		if i < len(bounds) {
			le = fmt.Sprint(bounds[i])
		}
		set.NewGauge(series("_bucket", fmt.Sprintf("le=%q", le)), func() float64 { return float64(h.upTo(i)) })
	}
	set.NewGauge(series("_count", ""), func() float64 { return float64(h.upTo(len(bounds))) })
	set.NewGauge(series("_sum", ""), func() float64 { return float64(h.nanos.Load()) / 1e9 })
	return h
}

func (h *Histogram) upTo(bucket int) (n uint64) {
	for i := range bucket + 1 {
		n += h.buckets[i].Load()
	}
	return n
}

// Observe counts one duration in nanoseconds; a negative one, of a clock set
// back, is none.
func (h *Histogram) Observe(nanos int64) {
	nanos = max(nanos, 0)
	h.buckets[sort.SearchFloat64s(bounds, float64(nanos)/1e9)].Add(1)
	h.nanos.Add(uint64(nanos))
}
