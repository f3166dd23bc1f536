package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"assent/consent"
	"assent/geo"
)

// Regime is the conjunction of every law that holds somewhere at some time,
// compiled for one policy: a thing is allowed only if each of them allows it.
// Immutable and shared.
type Regime struct {
	// Rules is what the law asks of choices; for consent.Resolve.
	Rules consent.Rules

	names  []string
	header string
	laws   []*Law
	mode   Mode

	always     uint64      // neither law nor person decides
	granted    uint64      // needs a grant
	unless     uint64      // until denied
	unreadable uint64      // all that is left when something cannot be read
	sensitive  uint64      // sensitive categories that may be kept at all
	deviceBits []deviceBit // empty under opt-in
	thirdParty uint64      // withdrawn from third parties by a universal opt-out
	children   uint64      // third parties' share of what is never allowed to children

	number int // its index in timeline.regimes; -1: one of timeline.both
}

// Names lists the regimes in force, sorted.
func (r *Regime) Names() []string { return r.names }

// Header is Names joined by comma, for the decision stamp.
func (r *Regime) Header() string { return r.header }

// Laws lists the rows of the law table in force.
func (r *Regime) Laws() []*Law { return r.laws }

// OptIn reports whether consent must be given before anything rests on it.
func (r *Regime) OptIn() bool { return r.mode == OptIn }

// combine makes the conjunction of laws for a document.
func (m *masks) combine(laws []*Law) *Regime {
	r := &Regime{laws: laws, mode: Notice, deviceBits: m.deviceBits, sensitive: m.sensitive, number: -1}
	for _, l := range laws {
		r.names = append(r.names, l.Name)
		if l.Mode == OptIn || l.Mode == OptOut && r.mode == Notice {
			r.mode = l.Mode
		}
		if l.LifeMonths > 0 && (r.Rules.Life == 0 || l.LifeMonths < r.Rules.Life) {
			r.Rules.Life = l.LifeMonths
		}
		if l.Sensitive != "consent" {
			r.sensitive = 0
		}
	}
	if r.OptIn() {
		r.deviceBits = nil
	}
	slices.Sort(r.names)
	r.names = slices.Compact(r.names)
	r.header = strings.Join(r.names, ",")
	for i := range m.purposes.Len() {
		m.place(r, i)
	}
	for _, t := range m.deviceBits {
		if r.thirdParty&t.purpose != 0 {
			r.thirdParty |= t.device
		}
		if r.children&t.purpose != 0 {
			r.children |= t.device
		}
	}
	return r
}

// place puts one purpose where the laws of r want it: the rows of the public
// contract's table of what is allowed.
func (m *masks) place(r *Regime, i int) {
	u, bit := m.purposes.At(i), uint64(1)<<i
	switch u.Basis {
	case consent.Consent:
		if r.OptIn() {
			r.granted |= bit
		} else {
			r.unless |= bit
		}
	case consent.ExplicitConsent:
		r.granted |= bit
		r.Rules.Affirmative = r.Rules.Affirmative.With(i)
	case consent.LegitimateInterest:
		r.unless |= bit
	case consent.Contract, consent.LegalObligation:
		r.always |= bit
		r.unreadable |= bit
	case consent.VitalInterest, consent.PublicTask:
		r.always |= bit
	}
	for _, l := range r.laws {
		if l.Affirmative && u.Basis == consent.Consent {
			r.Rules.Affirmative = r.Rules.Affirmative.With(i)
		}
		if l.withdraws(u) {
			r.Rules.OptOut = r.Rules.OptOut.With(i)
		}
		if l.ThirdPartyIsSale && yieldsToSignal(u) {
			r.children |= bit
			if l.UniversalOptOut == withdrawsSale {
				r.thirdParty |= bit
			}
		}
	}
}

// yieldsToSignal: a universal opt-out signal can only take back what rests on
// consent or on an interest. Explicit consent is a closer choice than a signal.
func yieldsToSignal(u *consent.Purpose) bool {
	return u.Basis == consent.Consent || u.Basis == consent.LegitimateInterest
}

// withdraws says whether under l a universal opt-out signal denies a purpose.
func (l *Law) withdraws(u *consent.Purpose) bool {
	if !u.Sale && !u.TargetedAds {
		return false
	}
	switch l.UniversalOptOut {
	case withdrawsSale:
		return yieldsToSignal(u)
	case withdrawsObjection:
		return u.Basis == consent.LegitimateInterest
	}
	return false
}

// span holds the regimes of every place for one span of time in which the law
// table does not change.
type span struct {
	from      int64 // seconds since 1970; the dates are days in UTC
	elsewhere *Regime
	countries [26 * 26]*Regime             // the subdivision not known, or of no matter; nil: elsewhere
	others    [26 * 26]*Regime             // of a divided country, the subdivisions that no row names
	regions   map[geo.Jurisdiction]*Regime // those that a row names
}

// timeline holds the regimes of every place and time.
type timeline struct {
	spans   []*span     // ascending
	regimes []*Regime   // all that the spans hold
	both    [][]*Regime // the conjunctions of any two of them, by their numbers
}

// compile compiles the whole table, span by span. The law table is small and its
// dates are few, so that a change of day needs no work at all.
func (tl *timeline) compile(m *masks, t *Table, established []geo.Jurisdiction) {
	line := map[*Law]int{}
	for i, l := range t.Rows {
		line[l] = i
	}
	made := map[string]*Regime{}
	of := func(laws []*Law) *Regime {
		slices.SortFunc(laws, func(a, b *Law) int { return line[a] - line[b] })
		laws = slices.Compact(laws)
		var key []byte
		for _, l := range laws {
			key = strconv.AppendInt(append(key, ' '), int64(line[l]), 10)
		}
		if made[string(key)] == nil {
			made[string(key)] = m.combine(laws)
		}
		return made[string(key)]
	}
	regime := func(j geo.Jurisdiction, at time.Time) *Regime {
		laws := t.Laws(j, at)
		for _, e := range established {
			laws = append(laws, t.Laws(e, at)...)
		}
		r := of(laws)
		if r.number < 0 {
			r.number, tl.regimes = len(tl.regimes), append(tl.regimes, r)
		}
		return r
	}
	for _, from := range append([]time.Time{{}}, t.Dates()...) {
		a := &span{from: from.Unix(), elsewhere: regime(geo.Unknown, from), regions: map[geo.Jurisdiction]*Regime{}}
		for _, l := range t.Rows {
			for _, j := range slices.Concat(l.places, l.unresolved) {
				at := countryIndex(j.Country)
				if j.Region == [3]byte{} {
					a.countries[at] = regime(j, from)
					continue
				}
				a.regions[j] = regime(j, from)
				a.others[at] = regime(geo.Jurisdiction{Country: j.Country, Region: unnamed}, from)
			}
		}
		tl.spans = append(tl.spans, a)
	}
	for _, a := range tl.regimes {
		row := make([]*Regime, 0, len(tl.regimes))
		for _, b := range tl.regimes {
			row = append(row, of(slices.Concat(a.laws, b.laws)))
		}
		tl.both = append(tl.both, row)
	}
}

// strictest is the regime of a place and time of which nothing is known.
func (tl *timeline) strictest() *Regime { return tl.spans[0].elsewhere }

// unnamed is a subdivision that no code names.
var unnamed = [3]byte{'-'}

// countryIndex numbers the codes AA to ZZ; -1 for anything else.
func countryIndex(c [2]byte) int {
	if c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
		return -1
	}
	return int(c[0]-'A')*26 + int(c[1]-'A')
}

// Regimes lists every regime that Regime can answer.
func (tl *timeline) Regimes() []*Regime { return tl.regimes }

// Both is the conjunction of two regimes that Regime answered, for a person who may be
// in either place. It allocates nothing. Of what Regime did not answer it is the
// strictest.
func (tl *timeline) Both(a, b *Regime) *Regime {
	if a == nil || b == nil || max(a.number, b.number) >= len(tl.regimes) || min(a.number, b.number) < 0 ||
		tl.regimes[a.number] != a || tl.regimes[b.number] != b {
		return tl.strictest()
	}
	return tl.both[a.number][b.number]
}

// Regime answers which law holds for a person at a place and an instant,
// together with the law of the places where the controller is established. Where
// nothing is known it is the strictest. It allocates nothing.
func (tl *timeline) Regime(j geo.Jurisdiction, now time.Time) *Regime {
	n := len(tl.spans) - 1
	for second := now.Unix(); n > 0 && second < tl.spans[n].from; n-- {
	}
	a := tl.spans[n]
	at := countryIndex(j.Country)
	if at < 0 {
		return a.elsewhere
	}
	r := a.countries[at]
	if j.Region != [3]byte{} && a.others[at] != nil {
		if r = a.regions[j]; r == nil {
			r = a.others[at]
		}
	}
	if r == nil {
		return a.elsewhere
	}
	return r
}
