package consent

import (
	"fmt"
	"time"
)

// State is what a person has chosen, folded for one vocabulary: the recorded
// facts, before signals, law and the clock have their say (Resolve). Immutable
// and shared between requests.
type State struct {
	Granted PurposeSet // recorded grants of the purpose's present revision; Resolve looks at their expiry
	Denied  PurposeSet // recorded denials; a purpose neither granted nor denied is unknown
	Implied PurposeSet // of Granted: not by an affirmative act
	Stale   PurposeSet // a grant was recorded, for another revision: unknown
	// Unreadable: the store failed, or the request brought a choice that does not
	// verify. Nothing may rest on a choice then.
	Unreadable bool
	// Subject is who this is about; zero when only a choice is remembered.
	Subject Subject
	// Also is a second person whom the request proved, zero mostly: either of the two
	// may take back what both had to grant.
	Also Subject
	// Classes are the subjects of choice cookies that came without an id, so that a
	// withdrawal with one of these cookies finds the records that wait. None beside an id.
	Classes []Subject
	// Receipt is the id of the newest receipt in force; empty when there is none.
	Receipt string
	// Presented says what became of each credential of the request.
	Presented Presented
	// Snapshot is of what the store held for this answer: see Registry.Unchanged.
	// Zero where it was not asked. Combine does not join snapshots.
	Snapshot uint64

	purposes *Purposes
	record   *Record // what the sets are folded from
	device   device
	spans    []span
}

// device is what the request itself brought of choices.
type device struct {
	bound   *Record   // bound to the subject: as good as the store's
	unbound *Record   // bound to nobody or somebody else, as far as it counts here; never written to a subject
	unread  bool      // something came that does not verify
	bonded  bool      // a choice came that is bound to some id
	mixed   bool      // a choice came that is not bound to the id beside it
	proven  []Subject // all of them, where there is more than one
}

func (d *device) denies(purpose string) bool {
	for _, r := range []*Record{d.bound, d.unbound} {
		if e := r.Find(purpose); e != nil && e.Status == Denied {
			return true
		}
	}
	return false
}

type span struct{ given, since, until int64 }

// Presented is the fate of what a request showed, for counting.
type Presented struct{ Choice, ID, Token Credential }

// Credential is the fate of one cookie or token. An id that does not verify proves
// nobody; a choice that does not verify may have been a refusal, so that nothing
// rests on choices any more.
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

// AnyDenied reports whether any denial is recorded, also of a purpose that the
// vocabulary does not declare.
func (s *State) AnyDenied() bool { return len(s.record.denials().entries()) > 0 }

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
			s.spans[i] = span{e.given(), e.Since, e.Until}
			if e.Carried {
				s.spans[i].since += blur // its time was rounded down: it may be that much later
			}
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

// Combine joins two states that one request shows, such as the choice that a browser
// remembers and the record of its tracker's own id. A denial on either side denies. A
// grant on one side counts, unless the two are different people: then both must have
// granted. Neither state is changed.
func Combine(a, b *State) *State {
	if a.purposes == b.purposes {
		if b.Empty() && (b.Subject.IsZero() || b.Subject == a.Subject) {
			return a
		}
		if a.Empty() && a.Subject.IsZero() {
			return withPresented(b, a.Presented)
		}
	}
	r := Merge(a.record, b.record).denied(a.record, b.record)
	if !a.Subject.IsZero() && !b.Subject.IsZero() && a.Subject != b.Subject {
		r = strictest(a.record, b.record)
	}
	r.Subject = a.Subject
	if r.Subject.IsZero() {
		r.Subject = b.Subject
	}
	return a.folded(r, a.Unreadable || b.Unreadable)
}

// Narrow is a state with the denials of another one added: that of an id which the
// request names and does not prove.
func Narrow(s, by *State) *State {
	adds := by.Unreadable && !s.Unreadable
	for _, e := range by.record.entries() {
		old := s.record.Find(e.Purpose)
		adds = adds || e.Status == Denied && (old == nil || old.Status != Denied)
	}
	if !adds {
		return s
	}
	return s.folded(beside(s.record, by.record.denials()), s.Unreadable || by.Unreadable)
}

// folded is the state with another record behind it.
func (s *State) folded(r *Record, unreadable bool) *State {
	out := Fold(s.purposes, r)
	out.Unreadable = unreadable
	out.Subject, out.Also, out.Classes, out.Presented, out.device, out.Snapshot = s.Subject, s.Also, s.Classes, s.Presented, s.device, s.Snapshot
	if out.Subject.IsZero() && r != nil {
		out.Subject = r.Subject
	}
	return out
}

// denied returns the record with every denial that one of the others holds.
func (r *Record) denied(others ...*Record) *Record {
	for _, o := range others {
		for _, e := range o.denials().entries() {
			if old := r.Find(e.Purpose); old == nil || old.Status != Denied {
				r = r.with(e)
			}
		}
	}
	return r
}

func (r *Record) entries() []Entry {
	if r == nil {
		return nil
	}
	return r.Entries
}

func withPresented(s *State, p Presented) *State {
	if s.Presented == p {
		return s
	}
	c := *s
	c.Presented = p
	return &c
}

// In is the same state folded for another vocabulary. Around a policy swap a state and
// a policy can differ in vocabulary, and the bits of one mean nothing in the other.
func (s *State) In(p *Purposes) *State {
	if s.purposes == p {
		return s
	}
	out := *s
	out.purposes = p
	if s.Subject.IsZero() {
		return out.folded(p.idless(s.record), s.Unreadable)
	}
	return out.folded(s.record, s.Unreadable)
}

// idless returns what of a record may count where no id is proven: no grant of a
// purpose that keeps an id.
func (p *Purposes) idless(r *Record) *Record {
	return r.where(func(e *Entry) bool {
		i, ok := p.Index(e.Purpose)
		return e.Status != Granted || !ok || !p.At(i).KeepsID
	})
}

// Remembers reports whether a choice counts that is bound to no id. Beside an id its
// grants would not count, and its refusals would not be the id's.
func (s *State) Remembers() bool { return s.Subject.IsZero() && len(s.device.unbound.entries()) > 0 }

// Bonded reports whether a choice came that is bound to some id.
func (s *State) Bonded() bool { return s.device.bonded }

// Mixed reports whether a choice came that is not bound to the id beside it.
func (s *State) Mixed() bool { return s.device.mixed }

// Imagine is the state of a person who made these choices just before now, by an
// affirmative act and for the present revisions, and who has an id if they made any. For
// explanations, never for judging a real event. A name that is not declared is an error.
func Imagine(p *Purposes, choices map[string]Status, now time.Time) (*State, error) {
	r := &Record{}
	for name, status := range choices {
		i, ok := p.Index(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("purpose %q is not declared by the policy", name)
		case !p.At(i).Basis.Chooses():
			return nil, fmt.Errorf("purpose %q rests on %s, which is not a choice", name, p.At(i).Basis)
		}
		if status == Unknown {
			continue
		}
		at := now.Add(-time.Second)
		e := Entry{
			Purpose: name, Status: status, Version: Version{Time: at.UnixMicro()}, Since: at.UnixMicro(),
			Revision: p.At(i).Revision, Method: API,
		}
		if status == Granted {
			e.Until = now.AddDate(1, 0, 0).UnixMicro()
		}
		r = r.with(e)
	}
	if len(r.Entries) > 0 {
		r.Subject = Subject{Visitor, "imagined"}
	}
	return Fold(p, r), nil
}
