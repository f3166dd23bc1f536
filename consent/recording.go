package consent

import (
	"slices"
	"strings"
	"time"
)

// recording is one choice on its way into the store. Its methods read nothing: they
// decide by what was read before.
type recording struct {
	c     *Choice
	p     *Purposes
	named []Status // by purpose; Unknown: the choice does not name it
	now   time.Time
	life  time.Duration // of a grant
	id    string        // of the receipt

	subject Subject // whose record the choice goes to; zero: nobody's
	fresh   bool    // subject was made for this choice
	apart   bool    // it goes to none of those that the request proves
	needs   bool    // an allowed purpose needs an id, as far as known

	// Read under the locks of all whom the choice touches.
	stored *Record // of the subject, before
	alias  alias
	others []*Record // of whom else the request shows, and of choice cookies without an id
	proven []*Record // apart: of those whom the request proves
	newest Version   // of all that is stored of them
}

// named gives the status the choice asks for each purpose; Unknown where it asks
// none.
func (c *Choice) named(p *Purposes) ([]Status, error) {
	out := make([]Status, p.Len())
	any := c.AnonymousID != "" || len(c.Preferences) > 0 || c.All != Unknown
	for i := range out {
		u := p.At(i)
		if c.All == Granted && u.Basis.Asks() || c.All == Denied && u.Basis.Chooses() {
			out[i] = c.All
		}
	}
	for name, s := range c.Purposes {
		i, ok := p.Index(name)
		switch {
		case !ok:
			return nil, refuse("purposes: one is not declared; a choice may name %s", strings.Join(p.Names(p.named), ", "))
		case !p.named.Has(i):
			return nil, refuse("purposes: %s rests on %s, which is not a choice", p.At(i).Name, p.At(i).Basis)
		case s != Granted && s != Denied:
			return nil, refuse("purposes: %s is neither granted nor denied", p.At(i).Name)
		}
		out[i], any = s, true
	}
	if !any {
		return nil, refuse("purposes: nothing is chosen; name purposes, or all")
	}
	return out, nil
}

// decision is what a choice comes to.
type decision struct {
	asked  *Record // decides whether an id is needed
	full   *Record // the person's from now on, with what the device remembers
	change *Change // but for the receipt
}

// decide works out what the choice comes to at a version.
func (w *recording) decide(version Version) *decision {
	before, record := w.merged()
	record = w.chosen(record, before, version)
	rest := w.rest(record)
	d := &decision{asked: beside(record, rest)}
	if w.fresh {
		record = record.denied(rest) // an id is born with what this browser refused before
	}
	d.full = beside(record, rest).with()
	record.Subject, d.full.Subject = w.subject, w.subject
	d.change = w.change(record, d.full, version)
	return d
}

// change is what the choice changes on record. What it denies reaches all whom the
// request proves.
func (w *recording) change(record, full *Record, version Version) *Change {
	out := &Change{ReceiptID: w.id, About: w.subject, Narrows: !slices.Contains(w.named, Granted)}
	if !w.subject.IsZero() {
		out.Records = append(out.Records, record)
	}
	said := full.where(func(e *Entry) bool { return e.Status == Denied && e.Receipt == w.id })
	if len(said.Entries) > 0 {
		for _, s := range w.also() {
			out.Records = append(out.Records, &Record{s, said.Entries})
		}
	}
	w.alias.change(out, full, version)
	return out
}

// merged is what stood before the choice: before with all that the device remembers,
// record without what must not be written to the subject.
func (w *recording) merged() (before, record *Record) {
	if w.apart {
		before = w.c.Visitor.record.denied(w.proven...) // refused since the request came, perhaps
		return before, before.where(func(e *Entry) bool { return !e.Carried }).with()
	}
	if w.c.Account.IsZero() {
		record = Merge(w.stored, w.c.Visitor.device.bound)
		return beside(record, w.c.Visitor.device.unbound), record
	}
	record = Merge(w.stored, nil)
	return record, record
}

// rest is what the device remembers bound to nobody, of the purposes that the choice
// leaves as they are.
func (w *recording) rest(chosen *Record) *Record {
	if !w.c.Account.IsZero() {
		return nil
	}
	remembered := w.c.Visitor.device.unbound
	if w.apart {
		remembered = w.c.Visitor.record.where(func(e *Entry) bool { return e.Carried })
	}
	return remembered.where(func(e *Entry) bool {
		now := chosen.Find(e.Purpose)
		return now == nil || now.Receipt != w.id
	})
}

// needsID asks whether an id is needed in a state with this record, as if one were
// proven.
func (w *recording) needsID(r *Record) bool {
	if !w.c.Account.IsZero() || w.c.NeedsID == nil {
		return false
	}
	s := Fold(w.p, r)
	if s.Subject.IsZero() {
		s.Subject.Kind = Visitor
	}
	return w.c.NeedsID(s)
}

// after is what Identify answers from now on.
func (w *recording) after(full *Record) *State {
	if w.subject.IsZero() {
		full = w.p.idless(full).carried()
	}
	s := Fold(w.p, full)
	carried := func(e *Entry) bool { return e.Carried || w.subject.IsZero() }
	s.device = device{
		bound:   full.where(func(e *Entry) bool { return !carried(e) }),
		unbound: full.where(carried),
	}
	return s
}

// chosen returns the record with the named purposes set, at a version.
func (w *recording) chosen(record, before *Record, version Version) *Record {
	c := w.c
	for i, status := range w.named {
		u := w.p.At(i)
		method := c.Method
		if status == Unknown {
			if !c.Visitor.device.unread || !c.Account.IsZero() || !u.Basis.Chooses() {
				continue
			}
			status, method = Denied, NoMethod
		}
		made := w.now
		if !c.Made.IsZero() {
			if made = later(c.Made, c.MadeBy, w.now); !w.newer(before.Find(u.Name), status, i) {
				w.named[i] = Unknown
				continue
			}
		}
		e := Entry{
			Purpose: u.Name, Status: status, Version: version, Since: min(version.Time, made.UnixMicro()), Revision: u.Revision,
			Method: method, Notice: c.Notice.Version, Receipt: w.id,
		}
		if status == Granted {
			old := before.Find(u.Name)
			if old != nil && old.Status == Denied && !c.Method.Affirmative() {
				continue
			}
			if old != nil && old.Status == Granted && !old.Carried && old.Revision == u.Revision && w.now.UnixMicro() < old.Until &&
				(old.Method.Affirmative() || !c.Method.Affirmative()) {
				e.Since = min(old.Since, e.Since)
			}
			e.Until = made.Add(w.life).UnixMicro()
		}
		record = record.with(e)
	}
	if c.All == Denied {
		// Also what the policy does not declare now: it may be declared again.
		for _, e := range record.entries() {
			if _, declared := w.p.Index(e.Purpose); !declared && e.Status == Granted {
				record = record.with(Entry{Purpose: e.Purpose, Status: Denied, Version: version, Since: version.Time, Revision: e.Revision, Method: c.Method, Receipt: w.id})
			}
		}
	}
	return record.where(w.p.worthKeeping(record))
}

// newer reports whether a choice that was made elsewhere changes what is on record for
// purpose i: it says something else, still holds, and is newer. Of what was said within
// the same time, as strings that tell the day only, the refusal counts; so does a refusal
// that somebody with the same choice cookie made meanwhile. Nobody can tell for which
// revision of a purpose a string was made: the first, or none.
func (w *recording) newer(old *Entry, status Status, i int) bool {
	u, made := w.p.At(i), w.c.Made.UnixMicro()
	if status == Denied {
		return old == nil || old.Status != Denied && max(made, w.c.MadeBy.UnixMicro()) >= old.latest(w.c.Visitor)
	}
	if w.c.Made.Add(w.life).Compare(w.now) <= 0 || u.Revision > 1 {
		return false
	}
	for _, other := range w.others {
		if e := other.Find(u.Name); e != nil && e.Status == Denied && made <= e.Since {
			return false
		}
	}
	if old == nil {
		return true
	}
	stands := old.Status == Granted && old.Revision == u.Revision && w.now.UnixMicro() < old.Until && old.Method.Affirmative() && !old.Carried
	return !stands && made > old.latest(w.c.Visitor)
}

// latest is the latest instant at which an entry of a visitor's state may have been made:
// what stood in a cookie bound to nobody is rounded down.
func (e *Entry) latest(s *State) int64 {
	if u := s.device.unbound.Find(e.Purpose); e.Carried || u != nil && u.Since == e.Since {
		return e.Since + blur
	}
	return e.Since
}

// LatestTime is the latest instant at which what is recorded for purpose i may have been
// chosen; the zero time: nothing is.
func (s *State) LatestTime(i int) time.Time {
	if e := s.Entry(i); e != nil {
		return microTime(e.latest(s))
	}
	return time.Time{}
}

// later is the later of two instants, and no later than now.
func later(a, b, now time.Time) time.Time {
	if b.After(a) {
		a = b
	}
	if a.After(now) {
		a = now
	}
	return a
}

// idle reports whether a choice that was made elsewhere changes nothing.
func (w *recording) idle() bool {
	return !w.c.Made.IsZero() && !slices.ContainsFunc(w.named, func(s Status) bool { return s != Unknown })
}

// worthKeeping tells which entries of a record stay: those of declared purposes, and
// the newest denials of others, which may be declared again.
func (p *Purposes) worthKeeping(r *Record) func(*Entry) bool {
	var gone []Version
	undeclared := func(e *Entry) bool { _, ok := p.Index(e.Purpose); return !ok }
	for i := range r.Entries {
		if e := &r.Entries[i]; undeclared(e) && e.Status == Denied {
			gone = append(gone, e.Version)
		}
	}
	slices.SortFunc(gone, func(a, b Version) int { return b.Compare(a) })
	return func(e *Entry) bool {
		return !undeclared(e) || e.Status == Denied &&
			(len(gone) <= MaxPurposes || e.Version.Compare(gone[MaxPurposes-1]) >= 0)
	}
}

// also are those beside the subject whom denials reach: whom else the request proves,
// then all who show the same choice cookie without an id.
func (w *recording) also() (out []Subject) {
	proven := slices.Clone(w.c.Visitor.device.proven)
	if w.apart && len(proven) == 0 {
		proven = append(proven, w.c.Visitor.Subject)
	}
	for _, s := range append(proven, w.c.Visitor.Classes...) {
		if !s.IsZero() && s != w.subject && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// alias is a tracker's own id that a choice names, as the store knows it.
type alias struct {
	subject Subject // zero: the choice names none
	own     *Record // recorded for the id itself
	links   []Link
	taken   bool // the id is some visitor's own
}

// change adds to a change what the choice means for the tracker's own id. Of an id for
// which nothing is on record, or which is the chooser's own, the chooser becomes the
// holder, whose record answers for it from then on. On any other id only denials fall,
// with this choice's version, so that the holder cannot answer for whoever refused.
func (a *alias) change(out *Change, record *Record, v Version) {
	holds := func(l Link) bool { return l.Holder == record.Subject }
	if a.subject.IsZero() || slices.ContainsFunc(a.links, holds) {
		return
	}
	denied := record.denials()
	free := len(a.own.entries()) == 0 && !a.taken
	own := record.Subject == Subject{Visitor, a.subject.ID}
	if len(a.links) == 0 && (free || own) {
		out.Links = []Link{{Alias: a.subject, Holder: record.Subject, Version: v}}
		denied = denied.where(func(e *Entry) bool { return e.Carried })
	}
	if len(denied.Entries) == 0 {
		return
	}
	for i := range denied.Entries {
		e := &denied.Entries[i]
		e.Version, e.Since, e.Carried = v, v.Time, false
	}
	denied.Subject = a.subject
	out.Records = append(out.Records, denied)
}
