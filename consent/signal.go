package consent

// Signals is what a request and an event in it say about consent. They can only take
// permission away.
type Signals struct {
	Present    SchemeSet
	OptOut     SchemeSet // of those present, universal opt-outs: see Rules.OptOut
	Unreadable SchemeSet // of those present, what cannot be read
	denied     [schemes]PurposeSet
}

var noSignals Signals

// Denied is all that some scheme says no to by itself.
func (s *Signals) Denied() (all PurposeSet) {
	for _, d := range s.denied {
		all |= d
	}
	return all
}

// denier is the first scheme that says no to one of the purposes.
func (s *Signals) denier(p PurposeSet) Scheme {
	for k, d := range s.denied {
		if d&p != 0 {
			return Scheme(k)
		}
	}
	return NoScheme
}

// verdict is what one value says. The zero verdict is of a value that is no signal.
type verdict struct {
	said       bool // it is a signal
	optOut     bool // it says no to whatever the law lets a universal opt-out take away
	unreadable bool // nobody can tell what it says
	denied     PurposeSet
}

// hear narrows s by what one value of a scheme says.
func (s *Signals) hear(k Scheme, v verdict) {
	if !v.said {
		return
	}
	s.Present = s.Present.With(k)
	if v.optOut {
		s.OptOut = s.OptOut.With(k)
	}
	if v.unreadable {
		s.Unreadable = s.Unreadable.With(k)
	}
	s.denied[k] |= v.denied
}
