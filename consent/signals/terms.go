package signals

import (
	"strconv"

	"assent/consent"
	"assent/consent/tcf"
	"assent/names"
)

// term is one name of a scheme and the purposes it speaks of.
type term struct {
	name     string
	purposes consent.PurposeSet
	mapped   bool // the policy maps it, so its absence means something
	interest bool // the purposes rest on legitimate interest
}

const maxTerms = 256 // of one scheme

// is reports whether a name is the term's; exact: byte for byte, else in any ASCII case.
func (t *term) is(name []byte, exact bool) bool {
	return string(name) == t.name || !exact && names.EqualFold(name, t.name)
}

// termsOf are the names under which a scheme speaks of the purposes: those that the
// policy maps to a purpose; in Segment's, whose names are the brand's own, else the
// purpose's own name.
func termsOf(p *consent.Purposes, k consent.Scheme) []term {
	var out []term
	exact := k == consent.RudderStack
	add := func(name string, i int, mapped bool) {
		interest := p.At(i).Basis == consent.LegitimateInterest
		for k := range out {
			if t := &out[k]; t.is([]byte(name), exact) && t.mapped == mapped && t.interest == interest {
				t.purposes = t.purposes.With(i)
				return
			}
		}
		out = append(out, term{name, consent.PurposeSet(0).With(i), mapped, interest})
	}
	for i := range p.Len() {
		u := p.At(i)
		for _, n := range u.Signals[k.String()] {
			add(n, i, true)
		}
		if k == consent.Segment && len(u.Signals[k.String()]) == 0 {
			add(u.Name, i, false)
		}
	}
	return out
}

// tcfTerm is a purpose and what of TCF the policy maps to it: all of it has to be agreed to.
type tcfTerm struct {
	purpose  consent.PurposeSet // of one
	needs    tcf.Set
	interest bool // it rests on legitimate interest
}

func tcfTerms(p *consent.Purposes) (out []tcfTerm) {
	for i := range p.Len() {
		u, t := p.At(i), tcfTerm{purpose: consent.PurposeSet(0).With(i)}
		for _, id := range u.Signals[consent.TCF.String()] {
			if n, err := strconv.Atoi(id); err == nil {
				t.needs = t.needs.With(n)
			}
		}
		t.interest = u.Basis == consent.LegitimateInterest
		if t.needs != 0 {
			out = append(out, t)
		}
	}
	return out
}
