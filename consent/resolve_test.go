package consent

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestResolve reads testdata/resolve.txt: of each case the lines up to the blank
// one are the facts, the rest is what Resolve answers.
func TestResolve(t *testing.T) {
	met := map[Reason]bool{}
	golden(t, "testdata/resolve.txt", func(name, body string) string {
		facts, _, _ := strings.Cut(body, "\n\n")
		facts = strings.TrimSpace(facts)
		return facts + "\n\n" + resolveCase(t, name, facts, met)
	})
	for r := range reasons {
		if !met[r] {
			t.Errorf("no case answers %s", r)
		}
	}
}

// TestPrecedence writes testdata/precedence.txt: each rule met by each other, for one
// purpose that rests on consent. The row is met together with the column.
func TestPrecedence(t *testing.T) {
	rules := []struct{ name, facts string }{
		{"nothing", ""},
		{"recorded grant", "record ads granted"},
		{"signal allows", "segment allows ads"},
		{"grant of another revision", "record ads granted revision=7"},
		{"grant too old", "record ads granted until=-1h"},
		{"implied grant", "record ads granted implied"},
		{"grant after the event", "record ads granted since=-1h"},
		{"signal may not be used", "segment may-not-be-used-for ads"},
		{"universal opt-out", "gpc opt-out"},
		{"signal denies", "segment denies ads"},
		{"recorded denial", "record ads denied"},
		{"signal unreadable", "segment unreadable"},
		{"store unreadable", "store-fails"},
	}
	const always = "honours ads\naffirmative ads\nevent -2h\n"
	golden(t, "testdata/precedence.txt", func(name, body string) string {
		var b strings.Builder
		var row string
		for _, r := range rules {
			if r.name == name {
				row = r.facts
			}
		}
		for _, with := range rules {
			if strings.HasPrefix(row, "record") && strings.HasPrefix(with.facts, "record") {
				continue // a record holds one entry for a purpose
			}
			facts := always
			for _, more := range []string{row, with.facts} {
				if more != "" {
					facts += more + "\n"
				}
			}
			got := "unknown: no_choice"
			for line := range strings.Lines(resolveCase(t, name, facts, map[Reason]bool{})) {
				if rest, ok := strings.CutPrefix(line, "ads "); ok {
					got = strings.TrimSpace(rest)
				}
			}
			fmt.Fprintf(&b, "%-32s %s\n", "with "+with.name, got)
		}
		return b.String()
	})
}

func resolveCase(t *testing.T, name, facts string, met map[Reason]bool) string {
	p := shop(t)
	record := &Record{Subject: Subject{Visitor, "v"}}
	var sig Signals
	var rules Rules
	at := day0
	failed, missing := false, false
	for line := range strings.Lines(facts) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "record":
			record = record.with(parseEntry(t, p, rest))
		case "store-fails":
			failed = true
		case "no-state":
			missing = true
		case "honours":
			rules.OptOut = set(t, p, strings.Fields(rest)...)
		case "affirmative":
			rules.Affirmative = set(t, p, strings.Fields(rest)...)
		case "life":
			rules.Life, _ = strconv.Atoi(strings.Fields(rest)[0])
		case "event":
			at = day0.Add(parseSpan(t, rest))
		default: // what a scheme says, by its name
			k := NoScheme + 1
			for k < Schemes && k.String() != word {
				k++
			}
			if k == Schemes {
				t.Fatalf("%s: what is %q?", name, line)
			}
			sig.Hear(k, parseVerdict(t, p, rest))
		}
	}
	s := Fold(p, record)
	if failed {
		s = unreadable(p)
		s.Denied = Fold(p, record).Denied
	}
	if missing {
		s = nil
	}
	r := Resolve(rules, s, &sig, at, day0)
	var b strings.Builder
	for i := range p.Len() {
		met[r.Why[i]] = true
		if r.Why[i] != NoChoice || r.Status(i) != Unknown {
			fmt.Fprintf(&b, "%s %s: %s", p.At(i).Name, r.Status(i), r.Why[i])
			if r.By[i] != NoScheme {
				fmt.Fprintf(&b, " by %s", r.By[i])
			}
			b.WriteByte('\n')
		}
	}
	if r.OptOut {
		b.WriteString("opt-out signal\n")
	}
	if r.Unreadable {
		b.WriteString("unreadable\n")
	}
	if s := sig.Present.String(); s != "" {
		fmt.Fprintf(&b, "signals %s\n", s)
	}
	if r.Granted&r.Denied != 0 {
		t.Errorf("%s: granted and denied at once", name)
	}
	return strings.TrimSpace(b.String())
}

// parseVerdict reads "allows analytics denies ads unusable fraud", "opt-out", "unreadable".
func parseVerdict(t *testing.T, p *Purposes, s string) Verdict {
	t.Helper()
	v := Verdict{Said: true}
	var to *PurposeSet
	for _, word := range strings.Fields(s) {
		switch word {
		case "opt-out":
			v.OptOut = true
		case "unreadable":
			v.Unreadable = true
		case "allows":
			to = &v.Allowed
		case "denies":
			to = &v.Denied
		case "may-not-be-used-for":
			to = &v.Unusable
		default:
			*to |= set(t, p, word)
		}
	}
	return v
}

// parseEntry reads "analytics granted revision=2 since=-10d until=+10d banner".
func parseEntry(t *testing.T, p *Purposes, s string) Entry {
	t.Helper()
	f := strings.Fields(s)
	e := Entry{Purpose: f[0], Method: Banner}
	if i, ok := p.Index(f[0]); ok {
		e.Revision = p.At(i).Revision
	}
	var err error
	if e.Status, err = ParseStatus(f[1]); err != nil {
		t.Fatal(err)
	}
	since, until := -10*24*time.Hour, 385*24*time.Hour
	for _, o := range f[2:] {
		key, value, option := strings.Cut(o, "=")
		switch {
		case !option:
			e.Method, err = ParseMethod(o)
		case key == "since":
			since = parseSpan(t, value)
		case key == "until":
			until = parseSpan(t, value)
		case key == "revision":
			e.Revision, err = strconv.Atoi(value)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	e.Since = day0.Add(since).UnixMicro()
	e.Version.Time = e.Since
	if e.Status == Granted {
		e.Until = day0.Add(until).UnixMicro()
	}
	return e
}

// parseSpan reads "-10d", "+1h" and the like.
func parseSpan(t *testing.T, s string) time.Duration {
	t.Helper()
	scale := time.Duration(1)
	if d, ok := strings.CutSuffix(s, "d"); ok {
		s, scale = d+"h", 24
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return scale * d
}

func TestClosedSetsHaveNames(t *testing.T) {
	unique := func(kind string, n int, name func(int) string) {
		seen := map[string]bool{}
		for i := range n {
			s := name(i)
			if s == "" && i > 0 || seen[s] {
				t.Errorf("%s %d has no name of its own", kind, i)
			}
			seen[s] = true
		}
	}
	unique("reason", int(reasons), func(i int) string { return Reason(i).String() })
	unique("credential", int(credentials), func(i int) string { return Credential(i).String() })
	unique("status", 3, func(i int) string { return Status(i).String() })
	unique("basis", int(PublicTask)+1, func(i int) string { return Basis(i).String() })
	unique("method", int(Signal)+1, func(i int) string { return Method(i).String() })
	for b := Consent; b <= PublicTask; b++ {
		if back, err := ParseBasis(b.String()); err != nil || back != b {
			t.Errorf("basis %s reads back as %s, %v", b, back, err)
		}
	}
	for m := Banner; m <= Signal; m++ {
		if back, err := ParseMethod(m.String()); err != nil || back != m {
			t.Errorf("method %s reads back as %s, %v", m, back, err)
		}
	}
	if _, err := ParseMethod(""); err == nil {
		t.Error("no method is a method")
	}
	if Reason(200).String() != "unreadable" || Status(9).String() != "unknown" || Method(99).Affirmative() || Basis(99).Asks() {
		t.Error("an unknown code is not answered strictly")
	}
}

// TestResolveOnlyNarrows: whatever signal, rule, failure or passing of time is
// added, nothing more is granted and nothing less is denied. Only a grant ends.
func TestResolveOnlyNarrows(t *testing.T) {
	p := shop(t)
	rapid.Check(t, func(t *rapid.T) {
		s := Fold(p, recordGen(p).Draw(t, "record"))
		rules := Rules{OptOut: setGen(p).Draw(t, "opt-out"), Affirmative: setGen(p).Draw(t, "affirmative")}
		now := timeGen().Draw(t, "now")
		base := Resolve(Rules{}, s, nil, now, now)
		sig := &Signals{}
		for k := range Schemes {
			sig.denied[k], sig.unusable[k], sig.allowed[k] = setGen(p).Draw(t, "denied"), setGen(p).Draw(t, "unusable"), setGen(p).Draw(t, "allowed")
			for _, set := range []*SchemeSet{&sig.OptOut, &sig.Unreadable} {
				if rapid.Bool().Draw(t, "in the set") {
					*set = set.With(k)
				}
			}
		}
		rules.Unreadable = rapid.Bool().Draw(t, "rules unreadable")
		narrow := Resolve(rules, s, sig, timeGen().Draw(t, "at"), now)
		if narrow.Granted&^base.Granted != 0 || base.Denied&^narrow.Denied != 0 || narrow.Granted&narrow.Denied != 0 {
			t.Fatalf("from %b/%b to %b/%b", base.Granted, base.Denied, narrow.Granted, narrow.Denied)
		}
		after := now.Add(rapid.Custom(spanGen).Draw(t, "later"))
		later := Resolve(Rules{}, s, nil, after, after)
		if later.Granted&^base.Granted != 0 || later.Denied != base.Denied {
			t.Fatalf("time turned %b/%b to %b/%b", base.Granted, base.Denied, later.Granted, later.Denied)
		}
		for i := range p.Len() {
			if (narrow.Why[i] == RecordedGrant) != narrow.Granted.Has(i) {
				t.Fatalf("purpose %d: %s, granted %v", i, narrow.Why[i], narrow.Granted.Has(i))
			}
		}
	})
}

func TestNewPurposesRefuses(t *testing.T) {
	many := make([]Purpose, MaxPurposes+1)
	for i := range many {
		many[i] = Purpose{Name: fmt.Sprint("p", i), Basis: Consent}
	}
	for name, list := range map[string][]Purpose{
		"too many": many, "no basis": {{Name: "a"}}, "no name": {{Basis: Consent}},
		"a space": {{Name: "a b", Basis: Consent}}, "twice": {{Name: "a", Basis: Consent}, {Name: "a", Basis: Contract}},
		"unknown basis": {{Name: "a", Basis: 99}}, "negative revision": {{Name: "a", Basis: Consent, Revision: -1}},
	} {
		if _, err := NewPurposes(list); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	p, err := NewPurposes(many[:MaxPurposes])
	if err != nil || p.All() != ^PurposeSet(0) || len(p.Names(p.All())) != MaxPurposes {
		t.Errorf("64 purposes: %v", err)
	}
	if !bytes.Equal([]byte(strings.Join(p.Names(PurposeSet(0).With(63)), "")), []byte("p63")) {
		t.Error("bit 63 is lost")
	}
}

// TestTheYearOneIsLongAgo: Go's zero time, which JSON can spell, is no way to say now.
func TestTheYearOneIsLongAgo(t *testing.T) {
	p := shop(t)
	i, _ := p.Index("analytics")
	s := Fold(p, &Record{Entries: []Entry{{
		Purpose: "analytics", Status: Granted, Method: Banner, Revision: p.At(i).Revision,
		Version: Version{Time: day0.UnixMicro()}, Since: day0.UnixMicro(), Until: day0.Add(time.Hour).UnixMicro(),
	}}})
	if r := Resolve(Rules{}, s, nil, time.Time{}, day0.Add(time.Minute)); r.Granted.Has(i) || r.Why[i] != GrantAfterEvent {
		t.Errorf("an event of the year one: %s", r.Why[i])
	}
}
