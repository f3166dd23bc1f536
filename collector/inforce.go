package collector

import (
	"fmt"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"assent/consent"
	"assent/names"
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

// inForce is a policy with what every record says of it and all that counts by it,
// worked out once. Immutable but for the counters.
type inForce struct {
	*policy.Policy
	stamp, hash string
	sorted      []sortedPurpose                     // by name
	removed     [redact.Categories]*metrics.Counter // by category
	decisions   map[*policy.Regime][]decisions      // by purpose
}

type sortedPurpose struct {
	bit  int
	name string
}

type decisions struct{ allowed, refused *metrics.Counter }

// newInForce fails where a policy cannot be counted by: an instrument that is made
// for the first time while requests are judged could refuse them all.
func newInForce(p *policy.Policy, set *metrics.Set) (f *inForce, err error) {
	defer func() {
		if wrong := recover(); wrong != nil { // the library panics
			err = fmt.Errorf("making a policy's instruments: %v", wrong)
		}
	}()
	f = &inForce{Policy: p, stamp: p.Name() + "@" + p.Version(), hash: p.Hash(), decisions: map[*policy.Regime][]decisions{}}
	for i := range p.Purposes().Len() {
		f.sorted = append(f.sorted, sortedPurpose{i, p.Purposes().At(i).Name})
	}
	slices.SortFunc(f.sorted, func(a, b sortedPurpose) int { return strings.Compare(a.name, b.name) })
	for i, category := range p.Categories() {
		if err := names.Label(category); err != nil {
			return nil, fmt.Errorf("making a policy's instruments: category %q %w", category, err)
		}
		f.removed[i] = set.GetOrCreateCounter(fmt.Sprintf(`assent_collector_fields_removed_total{category=%q}`, category))
	}
	for _, r := range p.Regimes() {
		by := make([]decisions, p.Purposes().Len())
		for i := range by {
			counter := func(decision string) *metrics.Counter {
				return set.GetOrCreateCounter(fmt.Sprintf(`assent_policy_decisions_total{regime=%q,purpose=%q,decision=%q}`, r.Header(), p.Purposes().At(i).Name, decision))
			}
			by[i] = decisions{counter("allowed"), counter("not_allowed")}
		}
		f.decisions[r] = by
	}
	return f, nil
}

// CheckPolicy reports whether a Collector can put a policy in force.
func CheckPolicy(p *policy.Policy) error {
	_, err := newInForce(p, metrics.NewSet())
	return err
}

func (f *inForce) count(r *policy.Regime, allowed consent.PurposeSet) {
	for i, by := range f.decisions[r] {
		if allowed.Has(i) {
			by.allowed.Inc()
		} else {
			by.refused.Inc()
		}
	}
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
