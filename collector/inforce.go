package collector

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"assent/consent"
	"assent/policy"
	"assent/redact"
)

// Offers are the paths of what Assent itself puts at the policy's disposal, in
// the order of the indices below. Policies for a Collector are compiled with them.
var Offers = []string{"messageId", "anonymousId", "receivedAt", "context.ip", "context.userAgent"}

const (
	offerMessageID = iota
	offerAnonymousID
	offerReceivedAt
	offerIP
	offerUserAgent
	offerCount
)

// inForce is a policy with what every record says of it, worked out once.
type inForce struct {
	*policy.Policy
	stamp, hash string
	sorted      []sortedPurpose                     // by name
	removed     [redact.Categories]*metrics.Counter // by category
	decisions   sync.Map                            // *policy.Regime → []decisions
	set         *metrics.Set
}

type sortedPurpose struct {
	bit  int
	name string
}

func (c *Collector) newInForce(p *policy.Policy) *inForce {
	f := &inForce{Policy: p, stamp: p.Name() + "@" + p.Version(), hash: p.Hash(), set: c.m.set}
	for i := range p.Purposes().Len() {
		f.sorted = append(f.sorted, sortedPurpose{i, p.Purposes().At(i).Name})
	}
	slices.SortFunc(f.sorted, func(a, b sortedPurpose) int { return strings.Compare(a.name, b.name) })
	for i, category := range p.Categories() {
		f.removed[i] = c.m.set.GetOrCreateCounter(`assent_collector_fields_removed_total{category="` + category + `"}`)
	}
	return f
}

// countDecisions counts, for one event, which purposes were allowed under its law.
func (f *inForce) countDecisions(r *policy.Regime, allowed consent.PurposeSet) {
	v, ok := f.decisions.Load(r)
	if !ok {
		v, _ = f.decisions.LoadOrStore(r, f.newDecisions(r))
	}
	for i, by := range v.([]decisions) {
		if allowed.Has(i) {
			by.allowed.Inc()
		} else {
			by.refused.Inc()
		}
	}
}

type decisions struct{ allowed, refused *metrics.Counter }

func (f *inForce) newDecisions(r *policy.Regime) []decisions {
	out := make([]decisions, f.Purposes().Len())
	for i := range out {
		name := func(decision string) string {
			return fmt.Sprintf(`assent_policy_decisions_total{regime=%q,purpose=%q,decision=%q}`, r.Header(), f.Purposes().At(i).Name, decision)
		}
		out[i] = decisions{f.set.GetOrCreateCounter(name("allowed")), f.set.GetOrCreateCounter(name("not_allowed"))}
	}
	return out
}

// appendNames writes the names of a set, sorted, joined by comma.
func (f *inForce) appendNames(dst []byte, set consent.PurposeSet) []byte {
	first := true
	for _, p := range f.sorted {
		if !set.Has(p.bit) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, p.name...), false
	}
	return dst
}

// countRemoved adds what redact left out to the counters.
func (f *inForce) countRemoved(t *redact.Tally) {
	if t.Removed == 0 {
		return
	}
	for i, n := range t.RemovedBy {
		if n != 0 && f.removed[i] != nil {
			f.removed[i].Add(int(n))
		}
	}
}
