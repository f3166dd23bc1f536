package consent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"assent/uuid7"
)

// Outcome is what a recorded choice leads to.
type Outcome struct {
	ReceiptID string
	Receipt   []byte // signed, JSON: see VerifyReceipt
	State     *State // what Identify answers from now on
	// ChoiceCookie is to be set; its value names nobody.
	ChoiceCookie string
	// IDCookie is to be set until IDEnds when not empty; else the id cookie, if there
	// was one, is to be expired: nothing allowed needs it.
	IDCookie string
	IDEnds   time.Time
	// Token is the same for a device without cookies. Whoever links a tracker's id
	// gets one that proves who linked it, whatever the id cookie.
	Token string
}

// recording is one choice on its way into the store.
type recording struct {
	c     *Choice
	p     *Purposes
	named []Status // by purpose; Unknown: the choice does not name it
	now   time.Time
	id    string // of the receipt

	subject Subject // whose record the choice goes to; zero: nobody's
	fresh   bool    // subject was made for this choice
	apart   bool    // it goes to none of those that the request proves
	stored  *Record // of the subject, before
	others  []*Record
	alias   alias
	version Version
}

// Record makes a choice effective: it is durable, and in every answer that starts
// after Record returns. Purposes not named keep their state. A ChoiceError is
// the sender's to repair and has changed nothing.
//
// A grant goes to one subject that the request proves, a denial to each that it proves
// or names. A grant that is no affirmative act does not undo a denial. After a choice
// that came and did not verify, what is not named is denied: it may have been. A choice
// that leaves nothing to identify for, and names no tracker's id, is remembered in the
// choice cookie alone: its receipt is kept under its own id and names nobody.
func (r *Registry) Record(ctx context.Context, c Choice) (*Outcome, error) {
	w := &recording{c: &c, p: r.vocab.Load().purposes, now: r.o.Now()}
	var err error
	if w.named, err = c.named(w.p); err != nil {
		return nil, err
	}
	if err := c.checkAsserted(w.now); err != nil {
		return nil, err
	}
	if c.Visitor == nil {
		c.Visitor = Fold(w.p, nil)
	}
	if w.id, err = uuid7.New(r.o.Rand, w.now); err != nil {
		return nil, err
	}
	// Of several people none can be asked to answer for the others from now on.
	w.apart = c.Account.IsZero() && (c.NewID || len(c.Visitor.device.proven) > 0)
	if w.subject = c.Account; w.subject.IsZero() && !w.apart {
		w.subject = c.Visitor.Subject
	}
	if w.subject.IsZero() && c.AnonymousID != "" {
		if err := r.identifyNow(w); err != nil {
			return nil, err
		}
	}
	unlock, err := r.hold(w)
	if err != nil {
		return nil, err
	}
	defer unlock()

	w.version = r.clock.Next(w.now, w.newest())
	before, record := w.merged()
	record = w.chosen(record, before, r.o.GrantLife)
	rest := w.rest(record)
	needs := c.Account.IsZero() && c.NeedsID != nil && c.NeedsID(w.state(beside(record, rest)))
	if needs && w.subject.IsZero() {
		if err := r.identifyNow(w); err != nil {
			return nil, err
		}
	}
	if w.fresh {
		record = record.denied(rest) // an id is born with what this browser refused before
	}
	full := beside(record, rest).with()
	record.Subject, full.Subject = w.subject, w.subject
	write := w.write(record, full)
	signed, err := signReceipt(&r.o.ReceiptKeys[0], r.receipt(w, full))
	if err != nil {
		return nil, err
	}
	write.Receipts, write.About = map[string][]byte{w.id: signed}, w.subject
	write.Narrows = !slices.Contains(w.named, Granted)
	err = r.o.Store.Put(ctx, write)
	// After a failure too: what a failed write left behind is for the store to say.
	for _, rec := range write.Records {
		r.epochs.raise(rec.Subject)
	}
	for alias := range write.Links {
		r.epochs.raise(alias)
	}
	if err != nil {
		return nil, fmt.Errorf("storing a choice: %w", err)
	}
	return r.outcome(w, signed, w.after(full), needs), nil
}

// identifyNow makes an id for whoever has none.
func (r *Registry) identifyNow(w *recording) error {
	visitor, err := r.NewVisitor()
	w.subject, w.fresh = Subject{Visitor, visitor}, true
	return err
}

func (r *Registry) outcome(w *recording, signed []byte, s *State, needs bool) *Outcome {
	proven := s.Subject.Kind == Visitor && (needs || w.c.AnonymousID != "")
	out := &Outcome{
		ReceiptID: w.id, Receipt: signed, State: s,
		ChoiceCookie: r.ChoiceCookie(s, needs),
		Token:        r.Token(s, proven),
	}
	if needs && s.Subject.Kind == Visitor {
		out.IDCookie, out.IDEnds = r.IDCookie(s.Subject.ID), r.IDEnds(s.Subject.ID)
	}
	return out
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

// newest is the highest version that the store holds of whoever the choice touches. No
// version of a device's is asked: it would put off every later choice here.
func (w *recording) newest() Version {
	all := []Version{w.stored.Newest(), w.alias.own.Newest(), w.alias.record.Newest(), w.alias.link.Version}
	for _, o := range w.others {
		all = append(all, o.Newest())
	}
	return slices.MaxFunc(all, Version.Compare)
}

// merged is what stood before the choice: with all that the device remembers, and what
// of that may be written to the subject.
func (w *recording) merged() (before, record *Record) {
	if w.apart {
		before = w.c.Visitor.record
		return before, before.where(func(e *Entry) bool { return !e.Carried }).with()
	}
	if w.c.Account.IsZero() {
		record = Merge(w.stored, w.c.Visitor.device.bound)
		return beside(record, w.c.Visitor.device.unbound), record
	}
	record = Merge(w.stored, nil)
	return record, record
}

// rest is what the device remembers bound to nobody of purposes that the choice leaves
// as they are.
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

// state is the person's with this record, as if an id were proven.
func (w *recording) state(r *Record) *State {
	s := Fold(w.p, r)
	if s.Subject.IsZero() {
		s.Subject.Kind = Visitor
	}
	return s
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

// chosen returns the record with the named purposes set.
func (w *recording) chosen(record, before *Record, life time.Duration) *Record {
	c := w.c
	for i, status := range w.named {
		u := w.p.At(i)
		method := c.Method
		if status == Unknown {
			if !c.Visitor.device.unread || !u.Basis.Chooses() {
				continue
			}
			status, method = Denied, NoMethod
		}
		e := Entry{
			Purpose: u.Name, Status: status, Version: w.version, Since: min(w.version.Time, w.now.UnixMicro()), Revision: u.Revision,
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
			e.Until = w.now.Add(life).UnixMicro()
		}
		record = record.with(e)
	}
	if c.All == Denied {
		// What the policy does not declare now waits for nobody's leave either.
		for _, e := range record.entries() {
			if _, declared := w.p.Index(e.Purpose); !declared && e.Status == Granted {
				record = record.with(Entry{Purpose: e.Purpose, Status: Denied, Version: w.version, Since: w.version.Time, Revision: e.Revision, Method: c.Method, Receipt: w.id})
			}
		}
	}
	return record.where(w.p.worthKeeping(record))
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

// write is what the choice changes in the store.
func (w *recording) write(record, full *Record) *Write {
	out := &Write{}
	if !w.subject.IsZero() {
		out.Records = append(out.Records, record)
	}
	said := full.where(func(e *Entry) bool { return e.Status == Denied && e.Receipt == w.id })
	if len(said.Entries) > 0 {
		for i, o := range w.others {
			w.others[i] = Merge(o, said)
			out.Records = append(out.Records, w.others[i])
		}
	}
	w.alias.write(out, full, w.version)
	return out
}

// hold locks the writers of all whom the choice touches and reads what is known of
// them. Locks are taken in order, so that two choices never wait for each other.
func (r *Registry) hold(w *recording) (unlock func(), err error) {
	a := &w.alias
	if w.c.AnonymousID != "" {
		a.subject = Subject{Anonymous, w.c.AnonymousID}
	}
	for {
		link, held, err := r.linked(a.subject)
		if err != nil {
			return nil, err
		}
		unlock := r.lock(append(w.also(), w.subject, a.subject, link.Holder)...)
		again, stillHeld, err := r.linked(a.subject)
		if err == nil && (again != link || held != stillHeld) {
			unlock()
			continue
		}
		a.link, a.held = link, held
		if err == nil {
			err = r.read(w)
		}
		if err != nil {
			unlock()
			return nil, err
		}
		return unlock, nil
	}
}

func (r *Registry) lock(subjects ...Subject) (unlock func()) {
	var slots []int
	for _, s := range subjects {
		if !s.IsZero() {
			slots = append(slots, int(r.epochs.slot(s))%len(r.locks))
		}
	}
	slices.Sort(slots)
	slots = slices.Compact(slots)
	for _, i := range slots {
		r.locks[i].Lock()
	}
	return func() {
		for _, i := range slots {
			r.locks[i].Unlock()
		}
	}
}

// also are those beside the subject whom the request proves, the second person first,
// and whoever shows the same choice cookie without an id. Denials reach them all.
func (w *recording) also() (out []Subject) {
	proven := slices.Clone(w.c.Visitor.device.proven)
	if w.apart && len(proven) == 0 {
		proven = append(proven, w.c.Visitor.Subject)
	}
	for _, s := range append(proven, w.c.Visitor.Classes...) {
		if !s.IsZero() && s != w.subject {
			out = append(out, s)
		}
	}
	return out
}

func (r *Registry) read(w *recording) (err error) {
	get := func(s Subject) (*Record, error) {
		record, err := r.o.Store.Get(s)
		if err != nil {
			return nil, fmt.Errorf("reading a record: %w", err)
		}
		return record, nil
	}
	if !w.subject.IsZero() && !w.fresh {
		if w.stored, err = get(w.subject); err != nil {
			return err
		}
	}
	w.others = nil
	for _, s := range w.also() {
		record, err := get(s)
		if err != nil {
			return err
		}
		record = Merge(record, nil)
		record.Subject = s
		w.others = append(w.others, record)
	}
	a := &w.alias
	if a.subject.IsZero() {
		return nil
	}
	if a.own, err = get(a.subject); err != nil {
		return err
	}
	if a.held {
		if a.record, err = get(a.link.Holder); err != nil {
			return err
		}
	}
	if visitor := (Subject{Visitor, a.subject.ID}); visitor != w.subject {
		other, err := get(visitor)
		if err != nil {
			return err
		}
		a.taken = other != nil
	}
	return nil
}
