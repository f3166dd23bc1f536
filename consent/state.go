package consent

// State is what a person has chosen, folded for one vocabulary: the recorded
// facts, before signals, law and the clock have their say (Resolve). Immutable
// and shared between requests.
type State struct {
	Granted PurposeSet // recorded grants of the purpose's present revision; Resolve looks at their expiry
	Denied  PurposeSet // neither granted nor denied: unknown
	Implied PurposeSet // of Granted: not by an affirmative act
	Stale   PurposeSet // a grant was recorded, for another revision: unknown
	// Unreadable: the store failed. Nothing may rest on a choice then.
	Unreadable bool
	// Subject is who this is about; zero when only a choice is remembered.
	Subject Subject
	// Also is a second person whom the request proved, zero mostly: each of the two
	// may take back what both were asked for.
	Also Subject
	// Receipt is the id of the newest receipt in force; empty when there is none.
	Receipt string
	// Presented says what became of each credential of the request.
	Presented Presented
	// Mark is of what the registry's store said for this answer; see Registry.Stands.
	// Zero where it was not asked. Combine does not join marks.
	Mark uint64

	purposes   *Purposes
	record     *Record // what the sets are folded from
	remembered *Record // the part of it that the request itself proved
	spans      []span
}

type span struct{ since, until int64 }

// Presented is the fate of what a request showed, for counting.
type Presented struct{ Choice, ID, Token Credential }

// Credential is the fate of one cookie or token. Only Valid has any effect: the
// others are as if nothing had been sent, because nothing in them is proven.
type Credential uint8

const (
	Absent Credential = iota
	Valid
	Malformed // not of our making, or cut
	Forged    // our form, but no key of the ring made it
	Outdated  // an id older than an id may live
	credentials
)

var credentialNames = [credentials]string{"absent", "valid", "malformed", "forged", "outdated"}

func (c Credential) String() string {
	if c < credentials {
		return credentialNames[c]
	}
	return credentialNames[Malformed]
}

// Purposes is the vocabulary the sets are in.
func (s *State) Purposes() *Purposes { return s.purposes }

// Empty reports whether nothing at all is recorded.
func (s *State) Empty() bool { return !s.Unreadable && (s.record == nil || len(s.record.Entries) == 0) }

// Entry returns what is recorded for purpose i, whatever its revision, or nil.
func (s *State) Entry(i int) *Entry { return s.record.Find(s.purposes.At(i).Name) }

// Fold reads a record in a vocabulary. The record, which may be nil, must not
// change afterwards. Entries of purposes outside the vocabulary have no effect.
func Fold(p *Purposes, r *Record) *State {
	s := &State{purposes: p, record: r, spans: make([]span, p.Len())}
	if r == nil {
		return s
	}
	s.Subject = r.Subject
	var newest Version
	for k := range r.Entries {
		e := &r.Entries[k]
		if e.Receipt != "" && e.Version.Compare(newest) > 0 {
			newest, s.Receipt = e.Version, e.Receipt
		}
		i, ok := p.Index(e.Purpose)
		if !ok {
			continue
		}
		switch {
		case e.Status == Denied:
			s.Denied = s.Denied.With(i)
		case e.Status != Granted:
		case e.Revision != p.At(i).Revision:
			s.Stale = s.Stale.With(i)
		default:
			s.Granted = s.Granted.With(i)
			s.spans[i] = span{e.Since, e.Until}
			if !e.Method.Affirmative() {
				s.Implied = s.Implied.With(i)
			}
		}
	}
	return s
}

// unreadable is the state of whoever cannot be looked up.
func unreadable(p *Purposes) *State {
	s := Fold(p, nil)
	s.Unreadable = true
	return s
}

// Combine is the state of a request that shows two: say the choice a browser
// remembers, and the record of its tracker's own id. A denial on either side
// denies. A grant on one side counts unless the two are different people; then
// both must have granted. Neither is changed.
func Combine(a, b *State) *State {
	if a.purposes == b.purposes {
		if b.Empty() && (b.Subject.IsZero() || b.Subject == a.Subject) {
			return a
		}
		if a.Empty() && a.Subject.IsZero() {
			return withPresented(b, a.Presented)
		}
	}
	both := !a.Subject.IsZero() && !b.Subject.IsZero() && a.Subject != b.Subject
	r := Merge(a.record, b.record)
	kept := r.Entries[:0]
	for _, e := range r.Entries {
		x, y := a.record.Find(e.Purpose), b.record.Find(e.Purpose)
		switch {
		case x != nil && x.Status == Denied:
			e = *x
		case y != nil && y.Status == Denied:
			e = *y
		case both && (x == nil || y == nil):
			continue
		case both:
			e.Until = min(x.Until, y.Until)
			if !x.Method.Affirmative() || !y.Method.Affirmative() {
				e.Method = Implied
			}
			if x.Revision != y.Revision {
				continue
			}
		}
		kept = append(kept, e)
	}
	r.Entries = kept
	r.Subject = a.Subject
	if r.Subject.IsZero() {
		r.Subject = b.Subject
	}
	s := Fold(a.purposes, r)
	s.Unreadable = a.Unreadable || b.Unreadable
	s.Presented = a.Presented
	return s
}

func withPresented(s *State, p Presented) *State {
	if s.Presented == p {
		return s
	}
	c := *s
	c.Presented = p
	return &c
}

// In is the same state folded for another vocabulary. Around a policy swap a
// state and a policy can differ in theirs, and the bits of one mean nothing in
// the other.
func (s *State) In(p *Purposes) *State {
	if s.purposes == p {
		return s
	}
	out := Fold(p, s.record)
	out.Subject, out.Also, out.Unreadable, out.Presented, out.remembered = s.Subject, s.Also, s.Unreadable, s.Presented, s.remembered
	out.Mark = s.Mark
	return out
}
