package collector

import (
	"slices"
	"strings"

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
)

// inForce is a policy with what every record says of it, worked out once.
type inForce struct {
	*policy.Policy
	stamp, hash string
	sorted      []sortedPurpose                     // by name
	removed     [redact.Categories]*metrics.Counter // by category
}

type sortedPurpose struct {
	bit  int
	name string
}

func (c *Collector) newInForce(p *policy.Policy) *inForce {
	f := &inForce{Policy: p, stamp: p.Name() + "@" + p.Version(), hash: p.Hash()}
	for i := range p.Purposes().Len() {
		f.sorted = append(f.sorted, sortedPurpose{i, p.Purposes().At(i).Name})
	}
	slices.SortFunc(f.sorted, func(a, b sortedPurpose) int { return strings.Compare(a.name, b.name) })
	for i, category := range p.Categories() {
		f.removed[i] = c.m.set.GetOrCreateCounter(`assent_collector_fields_removed_total{category="` + category + `"}`)
	}
	return f
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
