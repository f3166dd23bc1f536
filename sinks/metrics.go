package sinks

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
)

// A Meter counts what one kind of sink does. Its labels come from closed sets:
// sink, class and reason; never a topic.
//
//	assent_sinks_records_total{sink,class="event"|"bad"}  records committed
//	assent_sinks_bytes_total{sink}                        bytes committed, before compression
//	assent_sinks_errors_total{sink,reason}                failures by Reason
type Meter struct {
	events, bad, bytes *metrics.Counter
	errors             [numReasons]*metrics.Counter
}

// NewMeter returns the meter of a kind of sink, such as "file".
func NewMeter(sink string) *Meter {
	m := &Meter{
		events: metrics.GetOrCreateCounter(fmt.Sprintf(`assent_sinks_records_total{sink=%q,class="event"}`, sink)),
		bad:    metrics.GetOrCreateCounter(fmt.Sprintf(`assent_sinks_records_total{sink=%q,class="bad"}`, sink)),
		bytes:  metrics.GetOrCreateCounter(fmt.Sprintf(`assent_sinks_bytes_total{sink=%q}`, sink)),
	}
	for r := range numReasons {
		m.errors[r] = metrics.GetOrCreateCounter(fmt.Sprintf(`assent_sinks_errors_total{sink=%q,reason=%q}`, sink, r))
	}
	return m
}

// Committed counts records and their bytes: bad rows, or events.
func (m *Meter) Committed(bad bool, records, bytes int) {
	if bad {
		m.bad.Add(records)
	} else {
		m.events.Add(records)
	}
	m.bytes.Add(bytes)
}

// Failed counts one failure and returns it as the error to answer with.
func (m *Meter) Failed(r Reason, cause error) *Error {
	if r >= numReasons {
		r = ReasonUnknown
	}
	m.errors[r].Inc()
	return &Error{Reason: r, Err: cause}
}
