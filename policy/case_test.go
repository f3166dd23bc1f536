package policy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"assent/consent"
	"assent/consent/signals"
	"assent/redact"
)

// question is a person in a case: the name of a section of testdata/cases, such
// as "US-CA gpc granted=analytics". The section holds what each recipient gets;
// of one that begins with "explain", why.
type question struct {
	Question
	explain bool
}

func readQuestion(t *testing.T, p *Policy, name string) question {
	q := question{Question: Question{Source: Source{General}, Now: frozen}}
	var granted, denied consent.PurposeSet
	var sig consent.Signals
	unreadable := false
	for _, word := range strings.Fields(name) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "explain":
			q.explain = true
		case "granted":
			granted = set(t, p, value)
		case "denied":
			denied = set(t, p, value)
		case "gpc":
			sig = *optOut(true)
		case "segment":
			p.Signals().ReadOne(signals.At(signals.Event, "context.consent"), []byte(value), frozen, &sig)
		case "unreadable":
			unreadable = true
		case "offers":
			q.Offers = map[string]string{
				"messageId": "0193-id", "receivedAt": "2026-11-22T12:00:00Z", "anonymousId": "visitor-7",
				"context.ip": "203.0.113.77", "context.userAgent": "Mozilla/5.0",
			}
		case "audience":
			a, err := ParseAudience(value)
			if err != nil {
				t.Fatal(err)
			}
			q.Source.Audience = a
		case "at":
			at, err := time.Parse(time.DateOnly, value)
			if err != nil {
				t.Fatal(err)
			}
			q.Now = at
		case "nowhere":
		default:
			q.Jurisdiction = place(t, word)
		}
	}
	r := p.Regime(q.Jurisdiction, q.Now)
	q.Resolution, q.Signals = heard(r, p, granted, denied, &sig), sig.Present.Names()
	q.Resolution.Unreadable = unreadable
	return q
}

// TestCases: whole decisions, and their explanations, of people in places.
func TestCases(t *testing.T) {
	archives(t, "testdata/cases/*.txtar", func(t *testing.T, a *archive) {
		var p *Policy
		if a.get("policy.yaml") != nil {
			p = mustCompile(t, "policy.yaml", a.bytes(t, "policy.yaml"))
		} else {
			name := strings.TrimSpace(string(a.bytes(t, "policy")))
			p = mustCompile(t, name, shipped(t)[name])
		}
		event := a.bytes(t, "event.json")
		for _, s := range a.sections {
			if strings.HasPrefix(s.name, "policy") || s.name == "event.json" {
				continue
			}
			q := readQuestion(t, p, s.name)
			q.Event = event
			var err error
			if q.Kind, err = kindOf(event); err != nil {
				t.Fatal(err)
			}
			x, err := p.Explain(q.Question)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			got := decided(t, p, q)
			checkExplanation(t, s.name, x, got)
			if q.explain {
				var b strings.Builder
				if err := x.WriteText(&b); err != nil {
					t.Fatal(err)
				}
				a.golden(t, s.name, b.String())
				continue
			}
			a.golden(t, s.name, got)
		}
	})
}

// decided takes the road of an event: regime, decision, plans.
func decided(t *testing.T, p *Policy, q question) string {
	t.Helper()
	r := p.Regime(q.Jurisdiction, q.Now)
	var d Decision
	p.Decide(q.Source, r, q.Resolution, q.Kind, &d)
	supply, err := p.supply(q.Offers)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s; for %s; allowed %s; id %s\n", r.Header(), strings.Join(p.Purposes().Names(d.Event), ","),
		strings.Join(p.Purposes().Names(p.Allowed(q.Source, r, q.Resolution)), ","), yesNo(p.NeedsID(q.Source, r, q.Resolution)))
	for i := range d.Plans {
		pl := &d.Plans[i]
		var tally redact.Tally
		out, err := pl.Append(nil, q.Event, supply, &tally)
		if !pl.Pass {
			if err != ErrWithheld || len(out) > 0 {
				t.Errorf("a closed gate let %d bytes through: %v", len(out), err)
			}
			fmt.Fprintf(&b, "%s: withheld\n", pl.Recipient.Name)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s [%s; %d days; %d removed]: %s\n", pl.Recipient.Name,
			strings.Join(p.Purposes().Names(pl.Purposes), ","), tally.Days, tally.Removed, out)
	}
	return b.String()
}

// checkExplanation holds an explanation against the decision: same outputs, and
// fates that add up to them.
func checkExplanation(t *testing.T, name string, x *Explanation, decided string) {
	t.Helper()
	for _, r := range x.Recipients {
		if r.Pass != (r.Output != nil) {
			t.Errorf("%s: %s: pass %v with output %s", name, r.Name, r.Pass, r.Output)
		}
		if r.Pass && !strings.Contains(decided, ": "+string(r.Output)+"\n") {
			t.Errorf("%s: %s: explained %s, decided\n%s", name, r.Name, r.Output, decided)
		}
		if !r.Pass {
			continue
		}
		leaves, err := leavesOf(r.Output)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int{}
		for _, l := range leaves {
			if !bytes.Equal(l.document, []byte("{}")) {
				out[l.path]++
			}
		}
		for _, f := range r.Fields {
			if f.Fate == Kept || f.Fate == Reduced {
				out[f.Path] -= f.Count
				if len(f.By) == 0 || f.Line == 0 || len(f.Law) == 0 {
					t.Errorf("%s: %s: %s is %s without a reason: %+v", name, r.Name, f.Path, f.Fate, f)
				}
			}
		}
		for path, n := range out {
			if n != 0 {
				t.Errorf("%s: %s: %s: %d more in the output than explained", name, r.Name, path, n)
			}
		}
	}
}

func TestExplainRefuses(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	f := func(event string, offers map[string]string, want string) {
		t.Helper()
		x, err := p.Explain(Question{Event: []byte(event), Offers: offers, Now: frozen})
		if x != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v; want %s", x, err, want)
		}
	}
	f(`{"type":"secret`, nil, "reading the event: json: unexpected_end at byte 15")
	f(`["secret"]`, nil, "reading the event: json: not_an_object at byte 0")
	many := func(n int) string { return `{"a":[` + strings.Repeat(`{"b":1},`, n-1) + `{"b":1}]}` }
	f(many(maxLeaves+1), nil, "reading the event: it has more than 2000 values: explain a smaller event")
	long := func(n int) string { return `{"` + strings.Repeat("k", n) + `":{"a":1,"b":2}}` }
	f(long(maxPaths/2-1), nil, "reading the event: the paths of its values have more than 131072 bytes together: explain a smaller event")
	for _, event := range []string{many(maxLeaves), long(maxPaths/2 - 2)} {
		if _, err := p.Explain(Question{Event: []byte(event), Now: frozen}); err != nil {
			t.Errorf("at the bound: %v", err)
		}
	}
	f(`{}`, map[string]string{"userId": "secret"}, `path "userId": the policy was compiled without this offer`)
}

// kindOf reads the members that choose the event rule. Of a repeated one the
// first counts.
func kindOf(event []byte) (k EventKind, err error) {
	err = redact.EachMember(event, func(key, value []byte) error {
		to := map[string]*[]byte{"type": &k.Type, "event": &k.Event}[string(key)]
		if to == nil || *to != nil || value[0] != '"' {
			return nil
		}
		*to, err = redact.AppendUnquoted([]byte{}, value)
		return err
	})
	return k, err
}
