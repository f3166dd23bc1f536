package consent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
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
	Token    string // the same for a device without cookies
	// Linked: the tracker's own id now stands for this person. False when the choice
	// named none or the id is another's; then only its denials reached that id.
	Linked bool
}

// Record makes a choice effective: it is durable, and in every answer that starts
// after Record returns. Purposes not named keep their state. A ChoiceError is
// the sender's to repair and has changed nothing.
//
// A grant that is no affirmative act does not undo a denial. A choice that leaves
// nothing to identify for is remembered in the choice cookie alone: its receipt is
// kept under its own id and names nobody.
func (r *Registry) Record(ctx context.Context, c Choice) (*Outcome, error) {
	p := r.vocab.Load().purposes
	named, err := c.named(p)
	if err != nil {
		return nil, err
	}
	subject := c.Account
	if subject.IsZero() && c.Visitor != nil {
		subject = c.Visitor.Subject
	}
	held, unlock, err := r.hold(subject, c.AnonymousID)
	if err != nil {
		return nil, err
	}
	defer unlock()

	now := r.o.Now()
	id, err := newUUID(r.o.Rand, now)
	if err != nil {
		return nil, err
	}
	record, err := r.known(subject, &c)
	if err != nil {
		return nil, err
	}
	version := r.clock.Next(now, newest(record.Newest(), held.own.Newest(), held.record.Newest(), held.link.Version))
	record = r.chosen(p, record, named, &c, version, now, id)
	state := Fold(p, record)
	needs := c.Account.IsZero() && c.NeedsID != nil && c.NeedsID(state)
	if needs && subject.IsZero() {
		visitor, err := r.NewVisitor()
		if err != nil {
			return nil, err
		}
		subject = Subject{Visitor, visitor}
	}
	record.Subject = subject
	state = Fold(p, record)

	w := &Write{}
	if !subject.IsZero() {
		w.Records = append(w.Records, record)
	}
	linked := held.write(w, record, &c, version)
	proof := r.receipt(p, named, record, &c, now, id)
	signed, err := signReceipt(&r.o.ReceiptKeys[0], proof)
	if err != nil {
		return nil, err
	}
	w.Receipts = map[string][]byte{id: signed}
	err = r.o.Store.Put(ctx, w)
	// After a failure too: what a failed write left behind is for the store to say.
	for _, rec := range w.Records {
		r.epochs.raise(rec.Subject)
	}
	for alias := range w.Links {
		r.epochs.raise(alias)
	}
	if err != nil {
		return nil, fmt.Errorf("storing a choice: %w", err)
	}
	return r.outcome(id, signed, state, needs, linked), nil
}

func (r *Registry) outcome(id string, signed []byte, s *State, needs, linked bool) *Outcome {
	identified := needs && s.Subject.Kind == Visitor
	s.remembered = s.record
	out := &Outcome{
		ReceiptID: id, Receipt: signed, State: s, Linked: linked,
		ChoiceCookie: r.ChoiceCookie(s, identified),
		Token:        r.Token(s, identified),
	}
	if identified {
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

// known is all that is recorded of the person before this choice.
func (r *Registry) known(subject Subject, c *Choice) (*Record, error) {
	var stored, remembered *Record
	if !subject.IsZero() {
		var err error
		if stored, err = r.o.Store.Get(subject); err != nil {
			return nil, fmt.Errorf("reading a record: %w", err)
		}
	}
	if c.Account.IsZero() && c.Visitor != nil {
		remembered = c.Visitor.remembered
	}
	return Merge(stored, remembered), nil
}

// chosen returns the record with the named purposes set.
func (r *Registry) chosen(p *Purposes, record *Record, named []Status, c *Choice, v Version, now time.Time, receipt string) *Record {
	for i, status := range named {
		if status == Unknown {
			continue
		}
		u := p.At(i)
		e := Entry{
			Purpose: u.Name, Status: status, Version: v, Since: v.Time, Revision: u.Revision,
			Method: c.Method, Notice: c.Notice.Version, Receipt: receipt,
		}
		if status == Granted {
			old := record.Find(u.Name)
			if old != nil && old.Status == Denied && !c.Method.Affirmative() {
				continue
			}
			if old != nil && old.Status == Granted && old.Revision == u.Revision && now.UnixMicro() < old.Until &&
				(old.Method.Affirmative() || !c.Method.Affirmative()) {
				e.Since = min(old.Since, v.Time)
			}
			e.Until = now.Add(r.o.GrantLife).UnixMicro()
		}
		record = record.with(e)
	}
	return record
}

func newest(vs ...Version) Version { return slices.MaxFunc(vs, Version.Compare) }

// alias is a tracker's own id that a choice names, as the store knows it.
type alias struct {
	subject Subject // zero: the choice names none
	own     *Record // recorded for the id itself
	link    Link
	held    bool
	record  *Record // of the holder
	taken   bool    // the id is some visitor's own
}

// hold locks the writers of the subject, of the alias and of its holder, and reads
// what is known of the alias. Locks are taken in order, so that two choices
// never wait for each other.
func (r *Registry) hold(subject Subject, anonymousID string) (*alias, func(), error) {
	a := &alias{}
	if anonymousID != "" {
		a.subject = Subject{Anonymous, anonymousID}
	}
	for {
		link, held, err := r.linked(a.subject)
		if err != nil {
			return nil, nil, err
		}
		unlock := r.lock(subject, a.subject, link.Holder)
		again, stillHeld, err := r.linked(a.subject)
		if err == nil && (again != link || held != stillHeld) {
			unlock()
			continue
		}
		a.link, a.held = link, held
		if err == nil {
			err = r.read(a, subject)
		}
		if err != nil {
			unlock()
			return nil, nil, err
		}
		return a, unlock, nil
	}
}

func (r *Registry) linked(s Subject) (Link, bool, error) {
	if s.IsZero() {
		return Link{}, false, nil
	}
	link, held, err := r.o.Store.Linked(s)
	if err != nil {
		return Link{}, false, fmt.Errorf("reading a link: %w", err)
	}
	return link, held, nil
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

func (r *Registry) read(a *alias, subject Subject) (err error) {
	if a.subject.IsZero() {
		return nil
	}
	if a.own, err = r.o.Store.Get(a.subject); err != nil {
		return fmt.Errorf("reading a record: %w", err)
	}
	if a.held {
		if a.record, err = r.o.Store.Get(a.link.Holder); err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
	}
	visitor := Subject{Visitor, a.subject.ID}
	if visitor != subject {
		other, err := r.o.Store.Get(visitor)
		if err != nil {
			return fmt.Errorf("reading a record: %w", err)
		}
		a.taken = other != nil
	}
	return nil
}

// write adds to w what the choice means for the tracker's own id, and reports
// whether the id now stands for the person. Free: nobody holds it, or this person
// does. Of a free id the person becomes the holder; without an identifier the
// record is the id's own. On another's id only denials fall, with this choice's
// version, so that the holder cannot answer for whoever refused. An id that somebody
// without an identifier refused for stays refused: nothing such a person could show
// later would tell them from everybody who refused in the same hour.
func (a *alias) write(w *Write, record *Record, c *Choice, v Version) (linked bool) {
	if a.subject.IsZero() {
		return false
	}
	mine := a.held && a.link.Holder == record.Subject
	named := record.Subject == Subject{Visitor, a.subject.ID} // the chooser's own id
	switch {
	case a.taken, a.held && !mine, !a.held && !named && a.refused():
		denied := record.denials()
		for i := range denied.Entries {
			denied.Entries[i].Version, denied.Entries[i].Since = v, v.Time
		}
		a.put(w, Merge(a.own, denied))
		return false
	case mine:
		return true
	case !record.Subject.IsZero():
		w.Links = map[Subject]Link{a.subject: {Holder: record.Subject, Version: v}}
		return true
	}
	a.put(w, Merge(a.own, record))
	return true
}

func (a *alias) put(w *Write, record *Record) {
	record.Subject = a.subject
	if len(record.Entries) > 0 {
		w.Records = append(w.Records, record)
	}
}

// refused reports whether a denial is on record for the id itself.
func (a *alias) refused() bool {
	return a.own != nil && slices.ContainsFunc(a.own.Entries, func(e Entry) bool { return e.Status == Denied })
}

// receipt writes down what the choice did.
func (r *Registry) receipt(p *Purposes, named []Status, record *Record, c *Choice, now time.Time, id string) *Receipt {
	out := &Receipt{
		ID: id, SchemaVersion: ReceiptSchema,
		SubjectKind: record.Subject.Kind.String(), Subject: record.Subject.ID,
		Controller: r.o.Controller, Source: c.Source, Jurisdiction: c.Jurisdiction,
		Regimes: append([]string{}, c.Regimes...), Policy: c.Policy, PolicyHash: c.PolicyHash,
		Method: c.Method.String(), Preferences: c.Preferences, Signals: c.Signals.Names(),
		Purposes: []ReceiptPurpose{}, CollectedAt: now.UTC().Truncate(time.Microsecond),
	}
	if c.Notice != (Notice{}) {
		out.Notice = &c.Notice
	}
	if !c.AssertedAt.IsZero() {
		at := c.AssertedAt.UTC()
		if at.After(out.CollectedAt) {
			at = out.CollectedAt
		}
		out.AssertedAt = &at
	}
	for i, status := range named {
		if status == Unknown {
			continue
		}
		u := p.At(i)
		e := record.Find(u.Name)
		rp := ReceiptPurpose{
			Name: u.Name, Status: e.Status.String(), Basis: u.Basis.String(),
			Revision: e.Revision, Since: e.SinceTime(),
		}
		if e.Until != 0 {
			until := e.UntilTime()
			rp.Until = &until
		}
		out.Purposes = append(out.Purposes, rp)
	}
	return out
}
