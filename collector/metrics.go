package collector

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"assent/consent"
	"assent/metric"
	"assent/redact"
	"assent/sinks"
)

// instruments are this package's metrics. Labels come from closed sets only.
type instruments struct {
	set        *metrics.Set
	outcomes   map[Kind]*[3]*metrics.Counter
	reasons    map[Reason]*metrics.Counter
	unknown    *metrics.Counter
	unlocated  *metrics.Counter
	disagree   *metrics.Counter
	unaccepted *metrics.Counter
	latency    *metric.Histogram
	steps      [steps]*metric.Histogram
	received   map[Kind]*metrics.Counter
	doubles    map[Kind]*metrics.Counter
	twins      *metrics.Counter
	capped     *metrics.Counter
	evicted    *metrics.Counter
	heard      heardCounters
}

func newInstruments() *instruments {
	m := &instruments{
		set: metrics.NewSet(), outcomes: map[Kind]*[3]*metrics.Counter{}, reasons: map[Reason]*metrics.Counter{},
		received: map[Kind]*metrics.Counter{}, doubles: map[Kind]*metrics.Counter{},
	}
	for _, k := range []Kind{KindWeb, KindApp, KindTV, KindServer} {
		var by [3]*metrics.Counter
		for o, name := range []string{"accepted", "withheld", "refused"} {
			by[o] = m.set.NewCounter(fmt.Sprintf(`assent_collector_events_total{kind=%q,outcome=%q}`, k, name))
		}
		m.outcomes[k] = &by
		m.doubles[k] = m.set.NewCounter(fmt.Sprintf(`assent_collector_events_total{kind=%q,outcome="duplicate"}`, k))
		m.received[k] = m.set.NewCounter(fmt.Sprintf(`assent_collector_events_received_total{kind=%q}`, k))
	}
	for _, r := range AllReasons {
		m.reasons[r] = m.set.NewCounter(fmt.Sprintf(`assent_collector_refused_total{reason=%q}`, r))
	}
	for _, r := range redact.Reasons() {
		m.reasons[Reason(r.String())] = m.set.GetOrCreateCounter(fmt.Sprintf(`assent_collector_refused_total{reason=%q}`, r.String()))
	}
	m.heard.set = m.set
	m.unknown = m.set.NewCounter(`assent_collector_refused_total{reason="unlisted"}`)
	m.twins = m.set.NewCounter(`assent_collector_twins_waited_total`)
	m.capped = m.set.NewCounter(`assent_collector_bad_rows_capped_total`)
	m.evicted = m.set.NewCounter(`assent_collector_connections_evicted_total`)
	m.unaccepted = m.set.NewCounter(`assent_collector_accept_failures_total`)
	m.unlocated = m.set.NewCounter(`assent_collector_unlocated_total`)
	m.disagree = m.set.NewCounter(`assent_collector_places_disagree_total`)
	m.latency = metric.NewHistogram(m.set, `assent_collector_request_seconds`)
	for s, name := range stepNames {
		m.steps[s] = metric.NewHistogram(m.set, fmt.Sprintf(`assent_collector_step_seconds{step=%q}`, name))
	}
	return m
}

// gauges shows what Limits.Connections and Limits.Memory bound.
func (m *instruments) gauges(open, memory *atomic.Int64) {
	m.set.NewGauge(`assent_collector_connections`, func() float64 { return float64(open.Load()) })
	m.set.NewGauge(`assent_collector_memory_bytes`, func() float64 { return float64(memory.Load()) })
}

func (m *instruments) refused(r Reason) {
	if c := m.reasons[r]; c != nil {
		c.Inc()
		return
	}
	m.unknown.Inc()
}

// results counts outcomes; accepted includes the withheld, as in the answer, and
// the doubles of events that were stored before.
func (m *instruments) results(k Kind, results []Result, doubles int) {
	m.received[k].Add(len(results))
	m.doubles[k].Add(doubles)
	by := m.outcomes[k]
	for i := range results {
		if results[i].Outcome != Refused {
			by[Accepted].Inc()
		}
		if results[i].Outcome != Accepted {
			by[results[i].Outcome].Inc()
		}
	}
}

// countChoice counts how a recorded choice changed each purpose, by regime.
func (m *instruments) countChoice(regime string, before, after *consent.State) {
	p := after.Purposes()
	for i := range p.Len() {
		change := ""
		switch {
		case after.Granted.Has(i) && !before.Granted.Has(i):
			change = "opt_in"
		case after.Denied.Has(i) && before.Granted.Has(i):
			change = "withdrawal"
		case after.Denied.Has(i) && !before.Denied.Has(i):
			change = "opt_out"
		default:
			continue
		}
		m.set.GetOrCreateCounter(fmt.Sprintf(`assent_consent_choices_total{regime=%q,purpose=%q,change=%q}`, regime, p.At(i).Name, change)).Inc()
	}
}

func (m *instruments) commitFailed(err error) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`assent_collector_commit_failures_total{reason=%q}`, sinks.ReasonOf(err).String())).Inc()
}

// step is a step of the road that is timed.
type step uint8

const (
	stepReceive step = iota
	stepLocate
	stepConsent
	stepClaim
	stepDecide
	stepDedup
	stepRedact
	stepSeal
	stepCommit
	stepAnswer
	steps
)

var stepNames = [steps]string{"receive", "locate", "consent", "claim", "decide", "dedup", "redact", "seal", "commit", "answer"}

// timedEvery is how many requests there are, by chance, to each whose steps are timed:
// reading the clock takes as long as a small step.
const timedEvery = 64

// stopwatch times the steps of one request. A step that comes once for each event adds
// up.
type stopwatch struct {
	on    bool
	now   step
	since time.Time // zero before the first step
	seen  [steps]bool
	took  [steps]time.Duration
}

func (w *stopwatch) turn(s step, now time.Time) {
	if !w.since.IsZero() {
		w.took[w.now] += now.Sub(w.since)
	}
	w.now, w.since, w.seen[s] = s, now, true
}

// observeSteps counts the steps of a request that ends now.
func (m *instruments) observeSteps(w *stopwatch, now time.Time) {
	w.turn(w.now, now)
	for s := range steps {
		if w.seen[s] {
			m.steps[s].Observe(int64(w.took[s]))
		}
	}
}

// heardCounters count what events and their requests said of consent. A counter is made
// when it first counts: most schemes and pairs never come.
type heardCounters struct {
	set       *metrics.Set
	verdicts  [consent.Schemes][len(verdictNames)]atomic.Pointer[metrics.Counter]
	conflicts [consent.Schemes][consent.Schemes]atomic.Pointer[metrics.Counter]
}

// verdictNames are the verdicts on a scheme, of which one event has one or more.
var verdictNames = [...]string{"allows", "refuses", "unusable", "unreadable", "opt_out", "tcf_in_gpp"}

// count counts one event.
func (h *heardCounters) count(s *consent.Signals) {
	if s.Present == 0 {
		return
	}
	s.Each(func(k consent.Scheme, v consent.Verdict) {
		for i, is := range [len(verdictNames)]bool{v.Allowed != 0, v.Denied != 0, v.Unusable != 0, v.Unreadable, v.OptOut, v.Misplaced} {
			if is {
				h.inc(&h.verdicts[k][i], `assent_consent_signals_total{scheme=%q,verdict=%q}`, k.String(), verdictNames[i])
			}
		}
	})
	s.Conflicts(func(yes, no consent.Scheme) {
		h.inc(&h.conflicts[yes][no], `assent_consent_signal_conflicts_total{allows=%q,refuses=%q}`, yes.String(), no.String())
	})
}

func (h *heardCounters) inc(at *atomic.Pointer[metrics.Counter], name, one, other string) {
	c := at.Load()
	if c == nil {
		c = h.set.GetOrCreateCounter(fmt.Sprintf(name, one, other))
		at.Store(c)
	}
	c.Inc()
}
