package wal

import (
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"assent/metric"
)

// Gauges sum up, or take the worst of, all logs that are open.
var (
	syncSeconds    = metric.NewHistogram(metrics.GetDefaultSet(), "assent_wal_fsync_seconds")
	groupsTotal    = metrics.NewCounter("assent_wal_groups_total")
	entriesTotal   = metrics.NewCounter("assent_wal_entries_total")
	errorsTotal    = metrics.NewCounter("assent_wal_errors_total")
	damagedRegions = metrics.NewCounter("assent_wal_damaged_regions_total")
	damagedBytes   = metrics.NewCounter("assent_wal_damaged_bytes_total")
	tornBytes      = metrics.NewCounter("assent_wal_torn_bytes_total")

	_ = metrics.NewGauge("assent_wal_bytes", func() float64 {
		return opened.fold(func(sum float64, l *Log) float64 { return sum + float64(l.used.Load()) })
	})
	_ = metrics.NewGauge("assent_wal_segments", func() float64 {
		return opened.fold(func(sum float64, l *Log) float64 { return sum + float64(l.Usage().Segments) })
	})
	_ = metrics.NewGauge("assent_wal_oldest_age_seconds", func() float64 {
		return opened.fold(func(worst float64, l *Log) float64 {
			if oldest := l.Usage().Oldest; !oldest.IsZero() {
				return max(worst, l.opt.Now().Sub(oldest).Seconds())
			}
			return worst
		})
	})
)

var opened registry

// registry is the set of logs that are open.
type registry struct {
	mu   sync.Mutex
	logs map[*Log]struct{}
}

func (r *registry) add(l *Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.logs == nil {
		r.logs = map[*Log]struct{}{}
	}
	r.logs[l] = struct{}{}
}

func (r *registry) remove(l *Log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.logs, l)
}

func (r *registry) fold(f func(float64, *Log) float64) (v float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l := range r.logs {
		v = f(v, l)
	}
	return v
}
