package policy

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/consent"
	"assent/geo"
	"assent/redact"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// frozen is the day on which tests judge unless they say otherwise.
var frozen = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// shop is the contract's sketch of a policy.
const shop = "testdata/shop.yaml"

// offers are those the collector makes.
var offers = []string{"messageId", "receivedAt", "anonymousId", "context.ip", "context.userAgent"}

// testKeys is a ring of two: the newest makes every pseudonym.
func testKeys(name string) []redact.Key {
	var ring []redact.Key
	for _, id := range []string{"k1", "k0"} {
		k, err := redact.NewKey(id, []byte(strings.Repeat(name+id, 16)))
		if err != nil {
			panic(err)
		}
		ring = append(ring, k)
	}
	return ring
}

func mustCompile(t testing.TB, name string, data []byte) *Policy {
	t.Helper()
	return mustCompileWith(t, name, data, nil)
}

func mustCompileWith(t testing.TB, name string, data []byte, table *Table) *Policy {
	t.Helper()
	d, ps := Parse(name, data)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	p, ps := Compile(d, Options{Keys: testKeys, Offers: offers, Table: table})
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return p
}

// shipped are the policies that users get: the one in the binary, the contract's
// and the examples.
func shipped(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{"default.yaml": Default()}
	for _, pattern := range []string{shop, "../deploy/*policy*.yaml", "../deploy/policies/*.yaml", "../deploy/*/policies/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if out[f], err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func place(t testing.TB, s string) geo.Jurisdiction {
	t.Helper()
	j, err := geo.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// optOut is what a request with or without Sec-GPC signals.
func optOut(gpc bool) *consent.Signals {
	var s consent.Signals
	if gpc {
		s.Hear(consent.GPC, consent.Verdict{Said: true, OptOut: true})
	}
	return &s
}

// resolve answers as a request with these recorded choices would be answered.
func resolve(r *Regime, p *Policy, granted, denied consent.PurposeSet, gpc bool) *consent.Resolution {
	return heard(r, p, granted, denied, optOut(gpc))
}

// heard answers as resolve does, under signals.
func heard(r *Regime, p *Policy, granted, denied consent.PurposeSet, sig *consent.Signals) *consent.Resolution {
	rec := &consent.Record{}
	for i := range p.Purposes().Len() {
		e := consent.Entry{
			Purpose: p.Purposes().At(i).Name, Revision: p.Purposes().At(i).Revision, Method: consent.Banner,
			Since: frozen.Add(-time.Hour).UnixMicro(), Until: frozen.Add(time.Hour).UnixMicro(),
		}
		e.Version.Time = e.Since
		switch {
		case denied.Has(i):
			e.Status, e.Since, e.Until = consent.Denied, 0, 0
		case granted.Has(i):
			e.Status = consent.Granted
		default:
			continue
		}
		rec.Entries = append(rec.Entries, e)
	}
	// A record's entries are kept sorted by purpose.
	slices.SortFunc(rec.Entries, func(a, b consent.Entry) int { return strings.Compare(a.Purpose, b.Purpose) })
	res := consent.Resolve(r.Rules, consent.Fold(p.Purposes(), rec), sig, frozen, frozen)
	return &res
}

func set(t testing.TB, p *Policy, names string) (s consent.PurposeSet) {
	t.Helper()
	for _, n := range strings.Fields(strings.ReplaceAll(names, ",", " ")) {
		i, ok := p.Purposes().Index(n)
		if !ok {
			t.Fatalf("no purpose %q", n)
		}
		s = s.With(i)
	}
	return s
}

// archive is a text file of named sections, each begun by a line "-- name --"
// (the txtar format).
type archive struct {
	file     string
	comment  string
	sections []section
}

type section struct{ name, text string }

func readArchive(t testing.TB, file string) *archive {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{file: file}
	for line := range strings.Lines(string(data)) {
		name, found := strings.CutPrefix(strings.TrimSpace(line), "-- ")
		name, closed := strings.CutSuffix(name, " --")
		switch {
		case found && closed:
			a.sections = append(a.sections, section{name: name})
		case len(a.sections) == 0:
			a.comment += line
		default:
			a.sections[len(a.sections)-1].text += line
		}
	}
	return a
}

// get returns a section, nil if there is none.
func (a *archive) get(name string) *section {
	for i := range a.sections {
		if a.sections[i].name == name {
			return &a.sections[i]
		}
	}
	return nil
}

func (a *archive) bytes(t testing.TB, name string) []byte {
	t.Helper()
	s := a.get(name)
	if s == nil {
		t.Fatalf("%s has no section %q", a.file, name)
	}
	return []byte(s.text)
}

// golden compares a section with what was got, or rewrites it.
func (a *archive) golden(t *testing.T, name, got string) {
	t.Helper()
	if got != "" && !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	if !*update {
		if want := string(a.bytes(t, name)); want != got {
			t.Errorf("%s: %s: got\n%s\nwant\n%s", a.file, name, got, want)
		}
		return
	}
	if s := a.get(name); s != nil {
		s.text = got
	} else {
		a.sections = append(a.sections, section{name, got})
	}
	out := a.comment
	for _, s := range a.sections {
		out += "-- " + s.name + " --\n" + s.text
	}
	if err := os.WriteFile(a.file, []byte(out), 0o644); err != nil {
		t.Fatal(err)
	}
}

func archives(t *testing.T, pattern string, f func(t *testing.T, a *archive)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { f(t, readArchive(t, file)) })
	}
}
