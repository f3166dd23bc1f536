package collector_test

import (
	"bytes"
	"strings"
	"testing"

	"assent/collector"
	"assent/policy"
	"assent/redact"
)

// bent is the default policy with a category that no instrument can bear: a
// document that did not come from Parse.
func bent(t *testing.T, category string) *policy.Policy {
	t.Helper()
	doc, wrong := policy.Parse("default.yaml", policy.Default())
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	doc.Version = "bent"
	doc.Fields[0].Category = category
	key, err := redact.NewKey("k", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	p, wrong := policy.Compile(doc, policy.Options{Keys: func(string) []redact.Key { return []redact.Key{key} }, Offers: collector.Offers})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	return p
}

// TestSetPolicyFailsWhole: a policy that cannot be counted by is an error, costs
// nobody a request and leaves the last one in force.
func TestSetPolicyFailsWhole(t *testing.T) {
	s := serve(t, &fakeSink{})
	for _, p := range []*policy.Policy{bent(t, `e"vent`), bent(t, "e\nvent"), nil} {
		if err := s.c.SetPolicy(p); err == nil || !strings.Contains(err.Error(), "instruments") {
			t.Errorf("got %v", err)
		}
		if s.c.Policy().Version() == "bent" {
			t.Fatal("a policy that failed is in force")
		}
		if r, body := s.send(post("/v1/events", `{"type":"page"}`)); r.StatusCode != 200 {
			t.Errorf("%d %s", r.StatusCode, body)
		}
	}
	if err := collector.CheckPolicy(bent(t, `e"vent`)); err == nil {
		t.Error("CheckPolicy is content with what SetPolicy refuses")
	}
	if err := s.c.SetPolicy(bent(t, "event")); err != nil || s.c.Policy().Version() != "bent" {
		t.Errorf("a good policy: %v, %s is in force", err, s.c.Policy().Version())
	}
}

// TestInstrumentsAreThereAtOnce: every decision that can be counted is shown from
// the swap on, so that none is made while requests are judged.
func TestInstrumentsAreThereAtOnce(t *testing.T) {
	c, _ := newCollector(t, &fakeSink{})
	var b bytes.Buffer
	c.WriteMetrics(&b)
	for _, r := range c.Policy().Regimes() {
		for _, u := range c.Policy().Document().Purposes {
			for _, decision := range []string{"allowed", "not_allowed"} {
				want := `assent_policy_decisions_total{regime="` + r.Header() + `",purpose="` + u.Name + `",decision="` + decision + `"} 0`
				if !strings.Contains(b.String(), want+"\n") {
					t.Fatalf("no %s", want)
				}
			}
		}
	}
}
