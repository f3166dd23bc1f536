package journal

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"assent/metric"
	"assent/sinks"
)

// instruments are the metrics of one journal, exported while it is open. The lag
// of the log downstream is what waits.
type instruments struct {
	set         *metrics.Set
	recovered   *metrics.Counter // records that an earlier process left waiting
	damaged     *metrics.Counter // regions of the log that hold nothing readable
	unreadable  *metrics.Counter // entries that are whole and mean nothing
	withheld    *metrics.Counter // records left out because their subject forbids them by now
	reduced     *metrics.Counter // records sent with less in them, for the same reason
	nulled      *metrics.Counter // records whose place was fixed, sent as nothing
	poison      *metrics.Counter // records refused for good
	dropped     *metrics.Counter // bad rows for which there was no room
	repeated    *metrics.Counter // records not stored twice although sent again
	doubled     *metrics.Counter // records that may be stored twice
	readErrors  *metrics.Counter
	retireFails *metrics.Counter
	delivery    *metric.Histogram // from an event's instant to its acknowledgement
}

func newInstruments() *instruments {
	set := metrics.NewSet()
	counter := func(name string) *metrics.Counter { return set.NewCounter("assent_journal_" + name + "_total") }
	return &instruments{
		set:       set,
		recovered: counter("recovered_records"), damaged: counter("damaged_regions"), unreadable: counter("unreadable_entries"),
		withheld: counter("withheld_records"), reduced: counter("reduced_records"), nulled: counter("nulled_records"),
		poison: counter("poison_records"), dropped: counter("dropped_bad_rows"),
		repeated: counter("repeats_avoided_records"), doubled: counter("possibly_doubled_records"),
		readErrors: counter("read_errors"), retireFails: counter("retire_errors"),
		delivery: metric.NewHistogram(set, "assent_journal_delivery_seconds"),
	}
}

// retried counts an attempt of a queue that has to be made again.
func (m *instruments) retried(r sinks.Reason) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`assent_journal_retries_total{reason=%q}`, r)).Inc()
}

// observe exports the metrics and what is asked of the journal when they are
// read.
func (j *Journal) observe() {
	gauge := func(name string, f func() float64) { j.m.set.NewGauge("assent_journal_"+name, f) }
	gauge("bytes", func() float64 { return float64(j.used.Load()) })
	gauge("waiting_records", func() float64 { return float64(max(0, j.records.Load())) })
	gauge("waiting_bytes", func() float64 {
		bytes := int64(0)
		for _, s := range *j.sources.Load() {
			bytes += max(0, s.bytes.Load())
		}
		return float64(bytes)
	})
	gauge("window_bytes", func() float64 {
		j.mu.Lock()
		defer j.mu.Unlock()
		return float64(j.window)
	})
	gauge("oldest_waiting_seconds", j.oldestWaiting)
	count := func(which func(*queue) bool) func() float64 {
		return func() (n float64) {
			j.mu.Lock()
			defer j.mu.Unlock()
			for _, q := range j.queues {
				if !q.parked && which(q) {
					n++
				}
			}
			return n
		}
	}
	gauge("lanes", count(func(*queue) bool { return true }))
	gauge("lanes_failing", count(func(q *queue) bool { return !q.failing.IsZero() }))
	gauge("lanes_left", count(func(q *queue) bool { return q.state != following }))
	metrics.RegisterSet(j.m.set)
}

// oldestWaiting is the age of the oldest record known to wait: every queue's
// first. What the scan has not reached is younger.
func (j *Journal) oldestWaiting() float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	oldest := now
	for _, q := range j.queues {
		if q.inFlight > 0 {
			oldest = min(oldest, q.oldest)
		}
		if q.queuedLocked() > 0 {
			oldest = min(oldest, q.items[q.head].at)
		}
		if q.state == left {
			oldest = min(oldest, q.since)
		}
	}
	return float64(now-oldest) / 1e3
}
