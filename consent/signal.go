package consent

// Signals is what a request and an event in it say about consent. They can only take
// permission away.
type Signals struct {
	Present    SchemeSet
	OptOut     SchemeSet // of those present, universal opt-outs: see Rules.OptOut
	Unreadable SchemeSet // of those present, what cannot be read
	Misplaced  SchemeSet // of those present, TC strings in the place of another
	allowed    [Schemes]PurposeSet
	denied     [Schemes]PurposeSet
	unusable   [Schemes]PurposeSet
}

var noSignals Signals

// Denied is all that some scheme says no to by itself, or has a say in that may not be
// used now.
func (s *Signals) Denied() (all PurposeSet) {
	for k := range s.denied {
		all |= s.denied[k] | s.unusable[k]
	}
	return all
}

// refused is all that some scheme says no to by itself.
func (s *Signals) refused() (all PurposeSet) {
	for _, d := range s.denied {
		all |= d
	}
	return all
}

// first is the first scheme whose set has one of the purposes.
func first(sets *[Schemes]PurposeSet, p PurposeSet) Scheme {
	for k, d := range sets {
		if d&p != 0 {
			return Scheme(k)
		}
	}
	return NoScheme
}

// Conflicts calls f with every pair of schemes of which one says yes to a purpose and
// the other no. The no stands.
func (s *Signals) Conflicts(f func(yes, no Scheme)) {
	for as := s.Present; as != 0; as &= as - 1 {
		a := as.first()
		for bs := s.Present; bs != 0 && s.allowed[a] != 0; bs &= bs - 1 {
			if b := bs.first(); a != b && s.allowed[a]&s.denied[b] != 0 {
				f(a, b)
			}
		}
	}
}

// Each calls f with what was heard of each scheme, for whoever counts.
func (s *Signals) Each(f func(k Scheme, v Verdict)) {
	for rest := s.Present; rest != 0; rest &= rest - 1 {
		k := rest.first()
		f(k, Verdict{
			Said: true, OptOut: s.OptOut.Has(k), Unreadable: s.Unreadable.Has(k), Misplaced: s.Misplaced.Has(k),
			Allowed: s.allowed[k], Denied: s.denied[k], Unusable: s.unusable[k],
		})
	}
}

// Verdict is what one value of a scheme says. The zero Verdict is of a value that is no
// signal.
type Verdict struct {
	Said       bool // it is a signal
	OptOut     bool // it says no to whatever the law lets a universal opt-out take away
	Unreadable bool // nobody can tell what it says
	Misplaced  bool // a TC string in the place of a GPP string
	Allowed    PurposeSet
	Denied     PurposeSet
	Unusable   PurposeSet // it has a say in them that may not be used now
}

// Hear narrows s by what one value of a scheme says. Of several values each counts,
// whatever the others say.
func (s *Signals) Hear(k Scheme, v Verdict) {
	if !v.Said {
		return
	}
	s.Present = s.Present.With(k)
	if v.OptOut {
		s.OptOut = s.OptOut.With(k)
	}
	if v.Unreadable {
		s.Unreadable = s.Unreadable.With(k)
	}
	if v.Misplaced {
		s.Misplaced = s.Misplaced.With(k)
	}
	s.allowed[k] |= v.Allowed
	s.denied[k] |= v.Denied
	s.unusable[k] |= v.Unusable
}
