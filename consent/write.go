package consent

import (
	"context"
	"slices"
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
	w, err := r.begin(&c)
	if err != nil {
		return nil, err
	}
	d, err := r.commit(ctx, w)
	if err != nil {
		return nil, err
	}
	w.needs = w.needs || w.needsID(d.asked)
	return r.outcome(w, d), nil
}

// begin checks a choice and finds whose record it goes to. Whoever has no id is given
// one where the choice names a tracker's id or leaves something that needs an id: what
// the store holds has no part in that.
func (r *Registry) begin(c *Choice) (w *recording, err error) {
	w = &recording{c: c, p: r.Purposes(), now: r.o.Now(), life: r.o.GrantLife}
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
	if !w.subject.IsZero() {
		return w, nil
	}
	w.needs = w.needsID(w.decide(Version{Time: w.now.UnixMicro()}).asked)
	if w.needs || c.AnonymousID != "" {
		visitor, err := r.NewVisitor()
		if err != nil {
			return nil, err
		}
		w.subject, w.fresh = Subject{Visitor, visitor}, true
	}
	return w, nil
}

// commit decides what the choice changes and makes the change effective, while nobody
// else can change what the choice touches. The change is whole before it is folded: a
// log that is to hold it takes it in between.
func (r *Registry) commit(ctx context.Context, w *recording) (*decision, error) {
	unlock, err := r.hold(w)
	if err != nil {
		return nil, err
	}
	defer unlock()
	d := w.decide(r.clock.Next(w.now, w.newest))
	if d.change.Receipt, err = signReceipt(&r.o.ReceiptKeys[0], r.receipt(w, d.full)); err != nil {
		return nil, err
	}
	return d, r.foldLocked(ctx, d.change)
}

func (r *Registry) outcome(w *recording, d *decision) *Outcome {
	s := w.after(d.full)
	proven := s.Subject.Kind == Visitor && (w.needs || w.c.AnonymousID != "")
	out := &Outcome{
		ReceiptID: w.id, Receipt: d.change.Receipt, State: s,
		ChoiceCookie: r.ChoiceCookie(s, w.needs),
		Token:        r.Token(s, proven),
	}
	if w.needs && s.Subject.Kind == Visitor {
		out.IDCookie, out.IDEnds = r.IDCookie(s.Subject.ID), r.IDEnds(s.Subject.ID)
	}
	return out
}

// hold locks the writers of all whom the choice touches and reads what is known of
// them.
func (r *Registry) hold(w *recording) (unlock func(), err error) {
	a := &w.alias
	if w.c.AnonymousID != "" {
		a.subject = Subject{Anonymous, w.c.AnonymousID}
	}
	for {
		if a.links, err = r.linked(a.subject); err != nil {
			return nil, err
		}
		touched := append(w.also(), w.subject, a.subject)
		for _, l := range a.links {
			touched = append(touched, l.Holder)
		}
		unlock := r.lock(touched)
		links, err := r.linked(a.subject)
		if err == nil && !slices.Equal(links, a.links) {
			unlock()
			continue
		}
		if err == nil {
			err = r.readLocked(w)
		}
		if err != nil {
			unlock()
			return nil, err
		}
		return unlock, nil
	}
}

// readLocked reads what the store holds of all whom the choice touches. Only what the
// store holds makes the choice's version higher: a device's versions would put off
// every later choice here.
func (r *Registry) readLocked(w *recording) error {
	a := &w.alias
	know := func(v Version) {
		if v.Compare(w.newest) > 0 {
			w.newest = v
		}
	}
	read := func(s Subject) (record *Record, err error) {
		if !s.IsZero() {
			record, err = r.stored(s)
			know(record.Newest())
		}
		return record, err
	}
	var err error
	if !w.fresh {
		if w.stored, err = read(w.subject); err != nil {
			return err
		}
	}
	if a.own, err = read(a.subject); err != nil {
		return err
	}
	others := w.also()
	for _, l := range a.links {
		others = append(others, l.Holder)
		know(l.Version)
	}
	for _, s := range others {
		if _, err := read(s); err != nil {
			return err
		}
	}
	if visitor := (Subject{Visitor, a.subject.ID}); !a.subject.IsZero() && visitor != w.subject {
		record, err := r.stored(visitor)
		if err != nil {
			return err
		}
		a.taken = record != nil
	}
	return nil
}
