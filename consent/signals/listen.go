package signals

import (
	"assent/consent"
	"assent/names"
)

// term is one name of a scheme and the purposes it speaks of.
type term struct {
	name     string
	purposes consent.PurposeSet
	mapped   bool // the policy maps it, so its absence means something
}

const maxTerms = 256 // of one scheme

// termsOf are the names under which a scheme speaks of the purposes: those that the
// policy maps to a purpose; in Segment's, whose names are the brand's own, else the
// purpose's own name.
func termsOf(p *consent.Purposes, k consent.Scheme) []term {
	var out []term
	add := func(name string, i int, mapped bool) {
		for k := range out {
			if names.EqualFold([]byte(out[k].name), name) && out[k].mapped == mapped {
				out[k].purposes = out[k].purposes.With(i)
				return
			}
		}
		out = append(out, term{name, consent.PurposeSet(0).With(i), mapped})
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

// listener gathers what one value says, term by term. Names compare in any ASCII case;
// of a name that comes twice each counts.
type listener struct {
	terms   []term
	seen    [maxTerms / 64]uint64
	verdict consent.Verdict
}

func (r *Reader) listen(k consent.Scheme) listener {
	return listener{terms: r.terms[k], verdict: consent.Verdict{Said: true}}
}

// hear takes what the value says of a name: yes or no.
func (l *listener) hear(name []byte, yes bool) {
	for k := range l.terms {
		t := &l.terms[k]
		if !names.EqualFold(name, t.name) {
			continue
		}
		l.seen[k/64] |= 1 << (k % 64)
		if yes {
			l.verdict.Allowed |= t.purposes
		} else {
			l.verdict.Denied |= t.purposes
		}
	}
}

// end is the verdict. A name that the policy maps and the value leaves out is a no.
func (l *listener) end() consent.Verdict {
	for k := range l.terms {
		if l.terms[k].mapped && l.seen[k/64]>>(k%64)&1 == 0 {
			l.verdict.Denied |= l.terms[k].purposes
		}
	}
	l.verdict.Allowed &^= l.verdict.Denied
	return l.verdict
}
