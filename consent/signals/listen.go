package signals

import "assent/consent"

// said is what a value says of a name.
type said uint8

const (
	unsaid   said = iota // nothing
	yes                  // what it stands for is allowed
	no                   // it is refused
	unusable             // something that may not be used now, and is no refusal
)

// listener gathers what one value says, name by name. Names compare in any ASCII case; of
// a name that comes twice each counts.
type listener struct {
	terms   []term
	exact   bool // names compare byte for byte
	seen    [maxTerms / 64]uint64
	verdict consent.Verdict
}

func (r *Reader) listen(k consent.Scheme) listener {
	return listener{terms: r.terms[k], verdict: consent.Verdict{Said: true}}
}

// hear takes what the value says of a name.
func (l *listener) hear(name []byte, s said) { l.hearOf(name, s, false) }

// hearOf takes what the value says of a name; of interest: of legitimate interest in it
// alone, which is no consent.
func (l *listener) hearOf(name []byte, s said, interest bool) {
	for k := range l.terms {
		if t := &l.terms[k]; (t.interest || !interest) && t.is(name, l.exact) {
			l.seen[k/64] |= 1 << (k % 64)
			l.take(t, s)
		}
	}
}

// rest says the same of every name that the policy maps and the value left out.
func (l *listener) rest(s said) {
	for k := range l.terms {
		if l.terms[k].mapped && l.seen[k/64]>>(k%64)&1 == 0 {
			l.take(&l.terms[k], s)
		}
	}
}

func (l *listener) take(t *term, s said) {
	switch v := &l.verdict; s {
	case yes:
		v.Allowed |= t.purposes
	case no:
		v.Denied |= t.purposes
	case unusable:
		v.Unusable |= t.purposes
	}
}
