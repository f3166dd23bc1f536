package policy

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"assent/consent"
)

// modes is a law table with one regime of each kind.
const modes = `
version: test
regimes:
  - {name: OPT-IN, title: t, places: [FR], mode: opt_in, affirmative: true, universal_opt_out: objection, third_party_is_sale: false, sensitive: consent, law: &law
      {source: s, opt_out: s, consent: s, explicit_consent: s, legitimate_interest: s, contract: s, legal_obligation: s, vital_interest: s, public_task: s}}
  - {name: OPT-OUT, title: t, places: [US], mode: opt_out, affirmative: false, universal_opt_out: sale, third_party_is_sale: true, sensitive: consent, law: *law}
  - {name: NO-SIGNAL, title: t, places: [JP], mode: opt_out, affirmative: false, universal_opt_out: nothing, third_party_is_sale: true, sensitive: consent, law: *law}
  - {name: NOTICE, title: t, places: [NZ], mode: notice, affirmative: false, universal_opt_out: sale, third_party_is_sale: false, sensitive: consent, law: *law}
  - {name: STRICTEST, title: t, elsewhere: true, mode: opt_in, affirmative: true, universal_opt_out: sale, third_party_is_sale: true, sensitive: denied, law: *law}
`

func testTable(t testing.TB) *Table {
	t.Helper()
	table, ps := parseTable("modes.yaml", []byte(modes))
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	return table
}

// TestAllowed writes out the table of what is allowed: every basis, flag, status
// and signal in every kind of regime, by running the road an event takes.
func TestAllowed(t *testing.T) {
	table := testTable(t)
	var b strings.Builder
	b.WriteString(`# What is allowed, by basis, flags of the purpose, status of the choice, and signal.
# opt-in: consent first; opt-out and notice honour a universal opt-out signal,
# no-signal is an opt-out regime that does not; strictest is for unknown places.
`)
	fmt.Fprintf(&b, "%-20s %-13s %-8s %-11s", "basis", "flag", "status", "signal")
	for _, name := range []string{"opt-in", "opt-out", "no-signal", "notice", "strictest"} {
		fmt.Fprintf(&b, " %-9s", name)
	}
	b.WriteString("\n")
	for _, basis := range basisNames {
		for _, flag := range []string{"", "sale", "targeted_ads"} {
			data := "policy: p\nversion: 1\ncontroller: {name: n, contact: c}\npurposes: {x: {basis: " + basis
			if flag != "" {
				data += ", " + flag + ": true"
			}
			data += "}}\nrecipients: {r: {topic: t, role: own, purposes: [x]}}\ndefaults: {events: [x]}\nfields: {}\n"
			d, ps := Parse("p.yaml", []byte(data))
			if len(ps) > 0 {
				fmt.Fprintf(&b, "%-20s %-13s refused by check\n", basis, flag)
				continue
			}
			p, ps := Compile(d, Options{Table: table})
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			writeAllowed(t, &b, p, basis, flag)
		}
	}
	got := regexp.MustCompile(` +\n`).ReplaceAllString(b.String(), "\n")
	const file = "testdata/allowed.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got\n%s", file, got)
	}
}

func writeAllowed(t *testing.T, b *strings.Builder, p *Policy, basis, flag string) {
	for _, status := range []string{"unknown", "granted", "denied"} {
		for _, signal := range []string{"", "opt-out", "unreadable"} {
			fmt.Fprintf(b, "%-20s %-13s %-8s %-11s", basis, flag, status, signal)
			for _, code := range []string{"FR", "US", "JP", "NZ", ""} {
				var granted, denied consent.PurposeSet
				switch status {
				case "granted":
					granted = 1
				case "denied":
					denied = 1
				}
				j := place(t, code)
				r := p.Regime(j, frozen)
				res := resolve(r, p, granted, denied, signal == "opt-out")
				res.Unreadable = signal == "unreadable"
				var d Decision
				p.Decide(Source{General}, r, res, EventKind{}, &d)
				if d.Plans[0].Pass != (d.Allowed == 1) || p.Allowed(Source{General}, r, res) != consent.PurposeSet(d.Allowed) {
					b.WriteString(" DISAGREE")
				}
				fmt.Fprintf(b, " %-9s", yesNo(d.Allowed == 1))
			}
			b.WriteString("\n")
		}
	}
}
