package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"assent/consent"
	"assent/geo"
)

// TestRegimeOfPlaces: which regime holds where, and on both sides of each date.
func TestRegimeOfPlaces(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	asked := map[*Law]bool{}
	f := func(code, at, want string) {
		t.Helper()
		now, err := time.Parse(time.RFC3339, at+"Z")
		if err != nil {
			t.Fatal(err)
		}
		r := p.Regime(place(t, code), now)
		for _, l := range r.laws {
			asked[l] = true
		}
		if r.Header() != want {
			t.Errorf("%s at %s: %s, want %s", code, at, r.Header(), want)
		}
	}
	const today = "2026-11-22T00:00:00"
	f("FR", today, "GDPR")
	f("FR-IDF", today, "GDPR")
	for _, code := range strings.Fields("AT BE BG HR CY CZ DK EE FI DE GR EL HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE GP MQ GF RE YT MF AX NO IS LI SJ") {
		f(code, today, "GDPR")
	}
	for _, code := range strings.Fields("GL FO NC PF JP ZA PR GU CA-ON US-PR US-AE XK") {
		f(code, today, "STRICTEST")
	}
	f("", today, "STRICTEST")
	f("GB", today, "UK-GDPR")
	f("UK-ENG", today, "UK-GDPR")
	f("CH", today, "FADP")
	f("US-CA", today, "CCPA")
	f("US-NY", today, "US-STATES")
	f("US-DC", today, "US-STATES")
	f("US", today, "CCPA,US-STATES")
	f("CA-QC", today, "LAW25")
	f("CA", today, "LAW25")
	f("BR", today, "LGPD")
	f("BR-SP", today, "LGPD")

	f("FR", "2018-05-24T23:59:59", "STRICTEST")
	f("FR", "2018-05-25T00:00:00", "GDPR")
	f("GB", "2020-12-31T23:59:59", "GDPR")
	f("GB", "2021-01-01T00:00:00", "UK-GDPR")
	f("CH", "2023-08-31T23:59:59", "STRICTEST")
	f("CH", "2023-09-01T00:00:00", "FADP")
	f("US-CA", "2019-12-31T23:59:59", "STRICTEST")
	f("US-CA", "2020-01-01T00:00:00", "CCPA")
	f("US", "2022-12-31T23:59:59", "CCPA")
	f("US", "2023-01-01T00:00:00", "CCPA,US-STATES")
	f("US-NY", "2022-12-31T23:59:59", "STRICTEST")
	f("CA-QC", "2023-09-21T23:59:59", "STRICTEST")
	f("CA-QC", "2023-09-22T00:00:00", "LAW25")
	f("BR", "2020-09-17T23:59:59", "STRICTEST")
	f("BR", "2020-09-18T00:00:00", "LGPD")
	f("FR", "0001-01-01T00:00:00", "STRICTEST")
	f("FR", "9999-12-31T23:59:59", "GDPR")
	if r := p.Regime(geo.Jurisdiction{Country: [2]byte{0xff, 'a'}}, frozen); r.Header() != "STRICTEST" {
		t.Errorf("bytes that are no code: %s", r.Header())
	}
	for _, l := range RegimeTable().Rows {
		if !asked[l] {
			t.Errorf("no line here asks for %s of %s, line %d of the table", l.Name, l.From.Format(time.DateOnly), l.Line)
		}
	}
}

// TestSignalDutyByDate: before 2023 California asked for no signal.
func TestSignalDutyByDate(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	ads := set(t, p, "ads")
	f := func(at string, want bool) {
		t.Helper()
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		r := p.Regime(place(t, "US-CA"), now)
		if got := p.Allowed(Source{General}, r, resolve(r, p, 0, 0, true)).Intersects(ads); got != want {
			t.Errorf("%s: ads allowed %v despite the signal, want %v", at, got, want)
		}
	}
	f("2022-12-31T23:59:59Z", true)
	f("2023-01-01T00:00:00Z", false)
	f("2022-12-31T16:00:00-08:00", false) // days are UTC
}

// TestLookupAgreesWithTable: the compiled timeline answers what the table says, for
// every code there could be and every span of time.
func TestLookupAgreesWithTable(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	table := RegimeTable()
	instants := []time.Time{{}, frozen}
	for _, d := range table.Dates() {
		instants = append(instants, d, d.Add(-time.Nanosecond))
	}
	regions := []string{"", "CA", "NY", "QC", "ON", "ZZ", "IDF"}
	for _, now := range instants {
		for a := byte('A'); a <= 'Z'; a++ {
			for b := byte('A'); b <= 'Z'; b++ {
				for _, region := range regions {
					j := geo.Jurisdiction{Country: [2]byte{a, b}}
					copy(j.Region[:], region)
					got := p.Regime(j, now)
					if want := table.Laws(j, now); !slices.Equal(got.Laws(), want) {
						t.Fatalf("%v at %v: %v, want %v", j, now, got.Names(), want)
					}
				}
			}
		}
	}
}

// TestEstablished: the controller's own law goes with it everywhere.
func TestEstablished(t *testing.T) {
	p := mustCompile(t, "shop.yaml", shipped(t)[shop]) // established in France
	f := func(code, want string) {
		t.Helper()
		if got := p.Regime(place(t, code), frozen).Header(); got != want {
			t.Errorf("%s: %s, want %s", code, got, want)
		}
	}
	f("FR", "GDPR")
	f("US-CA", "CCPA,GDPR")
	f("US", "CCPA,GDPR,US-STATES")
	f("JP", "GDPR,STRICTEST")
	f("", "GDPR,STRICTEST")
}

// TestConjunction: what several regimes together allow is what each of them does.
func TestConjunction(t *testing.T) {
	table := testTable(t)
	p := mustCompileWith(t, "rules.yaml", []byte(allBases), table)
	everyResolution(p, func(granted, denied consent.PurposeSet, gpc bool) {
		for i := range table.Rows {
			for k := range table.Rows[:i] {
				both := p.combine([]*Law{table.Rows[k], table.Rows[i]})
				for _, s := range []Source{{General}, {Children}} {
					want := p.allowances(both, granted, denied, gpc, s)
					for w, part := range want {
						a := p.allowances(p.combine([]*Law{table.Rows[k]}), granted, denied, gpc, s)[w]
						b := p.allowances(p.combine([]*Law{table.Rows[i]}), granted, denied, gpc, s)[w]
						if part != a&b {
							t.Fatalf("%s: granted %b, denied %b, gpc %v: %b is not %b and %b", both.Header(), granted, denied, gpc, part, a, b)
						}
					}
				}
			}
		}
	})
}

// TestStrictest: where nothing is known nothing is allowed that some law forbids.
func TestStrictest(t *testing.T) {
	for name, data := range shipped(t) {
		p := mustCompile(t, name, data)
		strictest := p.Regime(geo.Unknown, frozen)
		everyResolution(p, func(granted, denied consent.PurposeSet, gpc bool) {
			for _, l := range RegimeTable().Rows {
				r := p.combine([]*Law{l})
				want := p.allowances(r, granted, denied, gpc, Source{General})
				for w, part := range p.allowances(strictest, granted, denied, gpc, Source{General}) {
					if part&^want[w] != 0 {
						t.Fatalf("%s: granted %b, denied %b, gpc %v: the strictest allows %b, %s %b", name, granted, denied, gpc, part, l.Name, want[w])
					}
				}
			}
		})
	}
}

// allBases has a purpose of every basis, with and without flags, a device bit
// and a sensitive category.
const allBases = `
policy: rules
version: 1
controller: {name: n, contact: c}
purposes:
  consent: {basis: consent}
  sale: {basis: consent, sale: true}
  explicit: {basis: explicit_consent, targeted_ads: true}
  interest: {basis: legitimate_interest}
  adinterest: {basis: legitimate_interest, targeted_ads: true}
  contract: {basis: contract}
  vital: {basis: vital_interest}
recipients:
  own: {topic: own, role: own, purposes: [consent, sale, explicit, interest, adinterest, contract, vital]}
  third: {topic: third, role: third_party, purposes: [consent, sale, explicit, interest, adinterest, contract, vital]}
defaults: {events: [contract]}
fields:
  id: {purposes: [interest, adinterest], category: identifier, why: w}
  health: {purposes: [explicit], category: sensitive.health, why: w}
`

// allowances are what is allowed in all and to each recipient.
func (p *Policy) allowances(r *Regime, granted, denied consent.PurposeSet, gpc bool, s Source) (out []uint64) {
	var d Decision
	p.Decide(s, r, resolve(r, p, granted, denied, gpc), EventKind{}, &d)
	out = append(out, d.Allowed)
	for _, pl := range d.Plans {
		out = append(out, pl.Allowed)
	}
	return out
}

// everyResolution visits all ways to have granted and denied purposes; denials
// are taken from a few sets, to end in time.
func everyResolution(p *Policy, f func(granted, denied consent.PurposeSet, gpc bool)) {
	all := p.Purposes().All()
	for granted := consent.PurposeSet(0); ; granted = (granted - all) & all {
		for _, denied := range []consent.PurposeSet{0, 1 & all, 0b1010 & all, 0b10100 & all, all &^ granted} {
			for _, gpc := range []bool{false, true} {
				f(granted, denied, gpc)
			}
		}
		if granted == all {
			return
		}
	}
}

func TestRegimeTableIsClosed(t *testing.T) {
	for _, l := range RegimeTable().Rows {
		if l.Elsewhere {
			if l.Mode != OptIn || l.UniversalOptOut != withdrawsSale || l.Sensitive != "denied" || !l.Affirmative {
				t.Errorf("the row elsewhere is not the strictest: %+v", l)
			}
		}
	}
	f := func(row, want string) {
		t.Helper()
		data := strings.Replace(modes, "regimes:\n", "regimes:\n  - "+row+"\n", 1)
		_, ps := parseTable("t.yaml", []byte(data))
		if len(ps) == 0 || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v, want %s", row, ps, want)
		}
	}
	f("{name: X}", "regime has no mode")
	f("{name: X, title: t, places: [XX]}", `"XX": no such place`)
	f("{name: X, title: t, places: [FR], mode: optin}", `"optin" is none of opt_in, opt_out, notice`)
	f("{name: X, title: t, places: [FR], from: 2020-13-01}", "write a day")
	f("{name: X, title: t, places: [FR], from: 2021-01-01, until: 2020-01-01}", "until must be after from")
	f("{name: X, title: t, elsewhere: true}", "2 rows hold elsewhere")
	f("{name: X, title: t}", "a row has either places or elsewhere")
}

// TestBoth: for whoever may be in either of two places the laws of both hold, at every
// instant, and nothing is allowed that one of them forbids.
func TestBoth(t *testing.T) {
	for name, data := range shipped(t) {
		p := mustCompile(t, name, data)
		for _, now := range append([]time.Time{frozen}, RegimeTable().Dates()...) {
			codes := []string{"", "FR", "GB", "US", "US-CA", "US-NY", "CA-QC", "BR", "JP"}
			for _, a := range codes {
				for _, b := range codes {
					one, other := p.Regime(place(t, a), now), p.Regime(place(t, b), now)
					both := p.Both(one, other)
					if both != p.Both(other, one) {
						t.Fatalf("%s: %q and %q differ from %q and %q", name, a, b, b, a)
					}
					for _, l := range slices.Concat(one.Laws(), other.Laws()) {
						if !slices.Contains(both.Laws(), l) {
							t.Fatalf("%s: %q and %q at %v: %s, without %s", name, a, b, now, both.Header(), l.Name)
						}
					}
					if len(both.Laws()) > len(one.Laws())+len(other.Laws()) {
						t.Fatalf("%s: %q and %q at %v: %s", name, a, b, now, both.Header())
					}
				}
			}
		}
		fr, ca := p.Regime(place(t, "FR"), frozen), p.Regime(place(t, "US-CA"), frozen)
		if got := p.Both(fr, ca).Header(); got != "CCPA,GDPR" {
			t.Errorf("%s: %s", name, got)
		}
		if p.Both(fr, fr) != fr {
			t.Errorf("%s: one place twice is not that place", name)
		}
		everyResolution(p, func(granted, denied consent.PurposeSet, gpc bool) {
			got, a, b := p.allowances(p.Both(fr, ca), granted, denied, gpc, Source{General}), p.allowances(fr, granted, denied, gpc, Source{General}), p.allowances(ca, granted, denied, gpc, Source{General})
			for w := range got {
				if got[w] != a[w]&b[w] {
					t.Fatalf("%s: granted %b, denied %b, gpc %v: %b is not %b and %b", name, granted, denied, gpc, got[w], a[w], b[w])
				}
			}
		})
		strictest := p.Regime(geo.Unknown, time.Time{})
		for _, r := range []*Regime{nil, p.Both(fr, ca), p.combine(fr.laws)} {
			if !slices.Contains(p.Regimes(), r) && (p.Both(r, fr) != strictest || p.Both(fr, r) != strictest) {
				t.Errorf("%s: what Regime did not answer: %v", name, p.Both(r, fr).Header())
			}
		}
	}
}

// TestLifeOfGrants: the shortest life of the laws in force, by their days.
func TestLifeOfGrants(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	for at, want := range map[string]int{"FR 2021-03-31": 0, "FR 2021-04-01": 6, "RE 2026-11-22": 6, "DE 2026-11-22": 0, "US-CA 2026-11-22": 0} {
		code, day, _ := strings.Cut(at, " ")
		now, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Regime(place(t, code), now).Rules.Life; got != want {
			t.Errorf("%s: %d months, want %d", at, got, want)
		}
	}
}
