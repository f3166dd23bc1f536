package collector_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"assent/collector"
	"assent/consent"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

// hooked is a store that tells of each subject it reads.
type hooked struct {
	consent.Store
	on func(s consent.Subject)
}

func (h *hooked) Get(s consent.Subject) (*consent.Record, error) {
	r, err := h.Store.Get(s)
	if h.on != nil {
		h.on(s)
	}
	return r, err
}

// TestWithdrawnUnderWay: a withdrawal that is acknowledged while a batch is under way
// leaves no record of it that is sent unasked.
func TestWithdrawnUnderWay(t *testing.T) {
	s := newStoryUnder(t, []byte(oldPolicy))
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"purposes":{"ads":"denied"}}`), false, 201)
	s.now = s.now.Add(time.Minute)
	h := &hooked{Store: s.store.Store}
	h.on = func(sub consent.Subject) {
		if sub.Kind == consent.Anonymous && sub.ID == "tracker-9" {
			h.on = nil
			jar := map[string]string{}
			for k, v := range s.jars["ann"] {
				jar[k] = v
			}
			s.jars["other tab"] = jar
			s.ask("/v1/consent", "US-CA", "other tab", "", []byte(`{"all":"denied"}`), false, 201)
		}
	}
	s.store.Store = h
	s.ask("/v1/events", "US-CA", "ann", "", []byte(`[{"type":"page","messageId":"m-1"},{"type":"page","messageId":"m-2","anonymousId":"tracker-9"},{"type":"page","messageId":"m-3","anonymousId":"tracker-7"}]`), false, 200)
	if h.on != nil {
		t.Fatal("the hook did not run")
	}
	for i := range s.waiting {
		w := &s.waiting[i]
		verdict, _, _ := s.rejudge(w, s.registry)
		unchanged := s.registry.Unchanged(w.judged.Snapshot)
		if unchanged && verdict != sinks.Kept {
			t.Errorf("record %d: its snapshot is unchanged, so the journal sends it as it is, but the person withdrew: verdict %v", i+1, verdict)
		}
	}
}

func compileStory(t *testing.T, s *story, raw []byte) *policy.Policy {
	doc, wrong := policy.Parse("policy.yaml", raw)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	p, wrong := policy.Compile(doc, policy.Options{Offers: collector.Offers, Keys: func(name string) []redact.Key {
		secret := s.ring.Derive("hmac/" + name)[0].Secret
		key, _ := redact.NewKey(name+".1", secret[:])
		return []redact.Key{key}
	}})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return p
}

const oldPolicy = `
policy: shop
version: 2026-11-22
controller: {name: S, contact: p@example.com}
purposes:
  necessary: {title: N, basis: contract}
  analytics: {title: A, basis: consent}
  ads: {title: D, basis: consent, sale: true, targeted_ads: true}
recipients:
  warehouse: {topic: events, purposes: [necessary, analytics], role: own}
  ads: {topic: events.ads, purposes: [ads], role: third_party, name: AdCo, country: US, safeguard: SCC}
defaults: {events: [analytics, ads]}
fields:
  type: {purposes: [analytics, ads], category: event, why: x, retention: 1mo}
  anonymousId: {purposes: [analytics, ads], category: identifier, why: x, retention: 1mo}
  properties.email: {purposes: [ads], category: contact, why: x, retention: 1mo}
`

// TestWithdrawnThenSwapped: what was withdrawn stays so when the policy drops the purpose.
func TestWithdrawnThenSwapped(t *testing.T) {
	s := newStoryUnder(t, []byte(oldPolicy))
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"purposes":{"ads":"granted"}}`), false, 201)
	s.now = s.now.Add(time.Minute)
	s.ask("/v1/events", "FR", "ann", "", []byte(`{"type":"page","messageId":"m-1","properties":{"email":"ann@example.com"}}`), false, 200)
	s.now = s.now.Add(time.Minute)
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"purposes":{"ads":"denied"}}`), false, 201)
	var lines []string
	for _, l := range strings.Split(oldPolicy, "\n") {
		if strings.HasPrefix(l, "  ads:") || strings.Contains(l, "email") {
			continue
		}
		lines = append(lines, strings.ReplaceAll(l, ", ads]", "]"))
	}
	next := compileStory(t, s, []byte(strings.Join(lines, "\n")))
	s.registry.Use(next.Purposes())
	s.edge.SetPolicy(next)
	for i := range s.waiting {
		v, r, _ := s.rejudge(&s.waiting[i], s.registry)
		if v == sinks.Kept && bytes.Contains(r.Value, []byte("ann@example.com")) {
			t.Errorf("kept for %s though withdrawn: %s", r.Topic, r.Value)
		}
	}
}
