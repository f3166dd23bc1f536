package policy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestParse: every problem of every document, with its place.
func TestParse(t *testing.T) {
	archives(t, "testdata/parse/*.txtar", func(t *testing.T, a *archive) {
		d, ps := Parse("policy.yaml", a.bytes(t, "policy.yaml"))
		if (d == nil) != (len(ps) > 0) {
			t.Errorf("document %v with %d problems", d != nil, len(ps))
		}
		a.golden(t, "problems", ps.Error())
	})
}

// TestAgainst: what a new version needs a new revision for.
func TestAgainst(t *testing.T) {
	archives(t, "testdata/against/*.txtar", func(t *testing.T, a *archive) {
		old, ps := Parse("old.yaml", a.bytes(t, "old.yaml"))
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		changed, ps := Parse("new.yaml", a.bytes(t, "new.yaml"))
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		a.golden(t, "problems", Against(old, changed).Error())
		if ps = Against(changed, changed); len(ps) > 0 {
			t.Errorf("against itself: %v", ps)
		}
	})
}

func TestShippedPoliciesHaveNoProblems(t *testing.T) {
	for name, data := range shipped(t) {
		p := mustCompile(t, name, data)
		for _, f := range p.Document().Fields {
			if f.Retention == (Retention{}) && name == "default.yaml" {
				t.Errorf("%s: field %s has no retention", name, f.Path)
			}
		}
	}
}

func TestCompileTellsMissingKeysAndBadOffers(t *testing.T) {
	d, ps := Parse("shop.yaml", shipped(t)[shop])
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	f := func(o Options, want string) {
		t.Helper()
		p, ps := Compile(d, o)
		if p != nil || ps.Error() != want {
			t.Errorf("got %v, want %s", ps, want)
		}
	}
	f(Options{}, `shop.yaml:24:3: field properties.email: otherwise: no keys are configured`)
	bad := func(o Options) Options { o.Keys = testKeys; return o }
	f(bad(Options{Offers: []string{"a[]"}}), `shop.yaml:1:1: offers: path "a[]": an offer is one named value`)
}

// TestHash: the hash follows the meaning and not the layout.
func TestHash(t *testing.T) {
	data := shipped(t)[shop]
	p := mustCompile(t, "shop.yaml", data)
	f := func(from, to string, same bool) {
		t.Helper()
		changed := bytes.Replace(data, []byte(from), []byte(to), 1)
		if bytes.Equal(changed, data) {
			t.Fatalf("%q is not in the document", from)
		}
		if q := mustCompile(t, "other.yaml", changed); (q.Hash() == p.Hash()) != same {
			t.Errorf("%q → %q: same hash %v, want %v", from, to, !same, same)
		}
	}
	f("# what an event is for", "# another comment", true)
	f("policy: shop\n", "policy:   'shop'\n\n", true)
	f(", revision: 1", "", true)
	f(", revision: 1", ", revision: 2", false)
	f("retention: 13mo", "retention: 12mo", false)
	f("do: hmac, key: orders", "do: hmac, key: other", false)
	f("established: [FR]", "established: [DE]", false)
	f("[utm_source, utm_medium]", "[utm_source]", false)
	f("tcf: [8]", "tcf: [9]", false)
	if len(p.Hash()) != 64 || strings.ToLower(p.Hash()) != p.Hash() {
		t.Errorf("hash %q is not hex", p.Hash())
	}
}

func TestRetention(t *testing.T) {
	f := func(s string, days uint16) {
		t.Helper()
		r, err := ParseRetention(s)
		if (err == nil) != (days > 0) || err == nil && (r.InDays() != days || r.String() != s) {
			t.Errorf("%q: %v, %d days, %v; want %d", s, r, r.InDays(), err, days)
		}
	}
	f("30d", 30)
	f("1mo", 30)
	f("13mo", 395)
	f("25mo", 760)
	f("1y", 365)
	f("100y", 36500)
	for _, s := range []string{"", "d", "0d", "-1d", "+1d", "1", "13m", "1w", "101y", "1.5y", "1 y", "99999999999999999999d", "1dd", "١d"} {
		f(s, 0)
	}
}

// TestParseIsBounded: input made to cost much is refused before it does. The
// most that passes the bounds takes under a second.
func TestParseIsBounded(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		_, ps := Parse("policy.yaml", []byte(data))
		if len(ps) != 1 || !strings.Contains(ps[0].Message, want) {
			t.Errorf("%.20q…: %d problems, %.300v; want %s", data, len(ps), ps, want)
		}
	}
	const deep, many = "nested more than 32 deep", "too many entries"
	f(laughs(), "aliases make more than 100000 values")
	f(strings.Repeat("# comment\n", 1<<17), "larger than 1048576 bytes")
	f(strings.Repeat("[", 1<<19), deep)
	f(strings.Repeat("{a: ", 1<<17), deep)
	f(strings.Repeat("- ", 1<<18), deep)
	f(strings.Repeat("? ", 1<<18), deep)
	f(strings.Repeat("!a ", 1<<17), deep)
	f(strings.Repeat("&a ", 1<<17), deep)
	f(strings.Repeat("a: ", 1<<17), deep)
	f(indents(1<<10), deep)
	f(strings.Repeat("key: 1\n", 1<<16), many)
	f(strings.Repeat("- 1\n", 1<<16), many)
	f("{"+strings.Repeat("key: 1, ", 1<<16)+"}", many)
	f("["+strings.Repeat("1, ", 1<<17)+"1]", many)
	f(strings.Repeat("'", 1<<19), "the policy is a single value")
	f(strings.Repeat("\x00", 1<<10), "the policy is a single value")
}

// laughs is 10⁹ values by aliases of aliases.
func laughs() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	return b.String()
}

func indents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// TestReserved: a topic that the configuration uses is no recipient's, written or
// by default.
func TestReserved(t *testing.T) {
	f := func(topic, reserved, want string) {
		t.Helper()
		data := strings.Replace(string(shipped(t)[shop]), "{topic: events,     ", topic, 1)
		d, ps := Parse("shop.yaml", []byte(data))
		if len(ps) > 0 {
			t.Fatal(ps)
		}
		p, ps := Compile(d, Options{Keys: testKeys, Offers: offers, Reserved: map[string]string{reserved: "topics.bad"}})
		if (p == nil) != (want != "") || ps.Error() != want {
			t.Errorf("%q with %s reserved: got %v, want %s", topic, reserved, ps, want)
		}
	}
	const says = ` is that of topics.bad in the configuration: change one of them`
	f("{", "events", `shop.yaml:13:3: recipient warehouse: topic "events"`+says)
	f("{topic: rows, ", "rows", `shop.yaml:13:22: recipient warehouse: topic "rows"`+says)
	f("{topic: events.bad, ", "rows", "")
}

// TestWarnings: what is accepted and does nothing is said, with its place.
func TestWarnings(t *testing.T) {
	d, ps := Parse("w.yaml", []byte(`policy: p
version: 1
controller: {name: n}
purposes:
  necessary: {basis: contract, audience_measurement: false, signals: {segment: [A]}}
  analytics:
    basis: consent
    audience_measurement: true
    signals: {tcf: [8], consent_mode: [analytics_storage], onetrust: [C0002], segment: [B]}
recipients:
  a: {purposes: [necessary, analytics], role: own, topic: events.a}
  b: {purposes: [necessary], role: own, topic: events_a}
defaults: {events: [necessary]}
fields:
  a: {purposes: [necessary], why: w}
`))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	want := `w.yaml:5:3: purpose necessary: signals have no effect: a purpose that rests on contract is nobody's to refuse
w.yaml:8:27: purpose analytics: audience_measurement has no effect yet: the purpose is judged by its basis alone
w.yaml:12:48: recipient b: topic "events_a" differs from "events.a" only in . and _, which Kafka's metrics do not tell apart`
	if got := d.Warnings().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
