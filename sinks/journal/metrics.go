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
