package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"assent/uuid7"
)

// ErrNothingNewer says that a choice that was made elsewhere changes nothing.
var ErrNothingNewer = errors.New("nothing newer than what is on record")

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
	// Token holds both for a device without cookies. After a link of a tracker's id, the
	// token proves who linked it, even where no id cookie is set.
	Token string
}

// Record makes a choice effective: it is durable, and in every answer that starts
// after Record returns. Purposes not named keep their state. A ChoiceError is
// the sender's to repair and has changed nothing.
//
// Of a choice that was made elsewhere, what is not newer than the record changes nothing,
// nor does one of somebody who proves nobody and whom it needs no id for: ErrNothingNewer.
//
// A grant goes to one subject that the request proves, a denial to each that it proves
// or names. A grant that is no affirmative act does not undo a denial. If the request
// shows a choice that does not verify, the purposes not named are denied: the choice may
// have denied them. A choice after which nothing needs an id, and which names no
// tracker's id, is kept in the choice cookie alone; its receipt names nobody.
func (r *Registry) Record(ctx context.Context, c Choice) (*Outcome, error) {
	w, err := r.begin(&c)
	if err != nil {
		return nil, err
	}
	d, err := r.commit(ctx, w)
	if err != nil {
		return nil, err
	}
	if !w.needs && !w.subject.IsZero() {
		w.needs = w.needsID(d.asked)
	}
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
	// Of several people, none answers for the others from now on.
	w.apart = c.Account.IsZero() && (c.NewID || len(c.Visitor.device.proven) > 0)
	if w.subject = c.Account; w.subject.IsZero() && !w.apart {
		w.subject = c.Visitor.Subject
	}
	if !w.subject.IsZero() {
		return w, nil
	}
	w.needs = w.needsID(w.decide(Version{Time: w.now.UnixMicro()}).asked)
	if !c.Made.IsZero() && !w.needs {
		return nil, ErrNothingNewer
	}
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
	if w.idle() {
		return nil, ErrNothingNewer
	}
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
	w.others = w.others[:0]
	for _, l := range a.links {
		others = append(others, l.Holder)
		know(l.Version)
	}
	for _, s := range others {
		record, err := read(s)
		if err != nil {
			return err
		}
		if record != nil {
			w.others = append(w.others, record)
		}
		if w.apart && s.Kind == Visitor && (s == w.c.Visitor.Subject || slices.Contains(w.c.Visitor.device.proven, s)) {
			w.proven = append(w.proven, record)
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

// Fold makes a change effective that another process made, or this one before its store
// was lost: when Fold returns nil the change is in the store, and in every answer that
// starts later. The policy's purposes must be in use: see worthKeeping.
func (r *Registry) Fold(ctx context.Context, c *Change) error {
	unlock := r.lock(c.subjects())
	defer unlock()
	return r.foldLocked(ctx, c)
}

// foldLocked is Fold for whoever holds the locks of all whose record or link changes.
func (r *Registry) foldLocked(ctx context.Context, c *Change) error {
	whole, err := r.mergeLocked(c)
	if err != nil {
		return err
	}
	err = r.o.Store.Put(ctx, whole)
	// After a failure too: what a failed write left behind is for the store to say.
	for _, s := range c.subjects() {
		r.epochs.raise(s)
	}
	if err != nil {
		return fmt.Errorf("storing a change: %w", err)
	}
	return nil
}

// mergeLocked is a change with what the store holds of all whom it touches. Of whoever
// chose, what is no longer worth keeping is left out.
func (r *Registry) mergeLocked(c *Change) (*Change, error) {
	whole := *c
	whole.Records, whole.Links = make([]*Record, len(c.Records)), nil
	for i, record := range c.Records {
		stored, err := r.stored(record.Subject)
		if err != nil {
			return nil, err
		}
		merged := Merge(stored, record)
		if merged.Subject = record.Subject; merged.Subject == c.About {
			merged = merged.where(r.Purposes().worthKeeping(merged))
		}
		whole.Records[i] = merged
	}
	for _, l := range c.Links {
		stored, err := r.linked(l.Alias)
		if err != nil {
			return nil, err
		}
		whole.Links = mergeLinks(whole.Links, mergeLinks(stored, []Link{l}))
	}
	return &whole, nil
}

// subjects are those whose record or links a change touches.
func (c *Change) subjects() (out []Subject) {
	for _, r := range c.Records {
		out = append(out, r.Subject)
	}
	for _, l := range c.Links {
		out = append(out, l.Alias)
	}
	return out
}

// lock locks the writers of these subjects, nobody aside. Locks are taken in order, so
// that two writers never wait for each other.
func (r *Registry) lock(subjects []Subject) (unlock func()) {
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

// stored is what the store holds of a subject; nil when that is nothing.
func (r *Registry) stored(s Subject) (*Record, error) {
	record, err := r.o.Store.Get(s)
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	return record, nil
}

// linked are the links of a tracker's own id, sorted by holder.
func (r *Registry) linked(alias Subject) ([]Link, error) {
	if alias.IsZero() {
		return nil, nil
	}
	links, err := r.o.Store.Links(alias)
	if err != nil {
		return nil, fmt.Errorf("reading links: %w", err)
	}
	return links, nil
}
