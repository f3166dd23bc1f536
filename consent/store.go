package consent

import (
	"context"
	"fmt"
	"slices"
)

// Store keeps the newest state of every subject. Safe for concurrent use.
//
// A failure is an error, never an absence: who cannot be read is answered as
// unreadable, which nothing may rest on.
type Store interface {
	// Get returns a subject's record; nil, nil when nothing is recorded. The
	// caller does not change it.
	Get(s Subject) (*Record, error)
	// Links returns the links of a tracker's own id, sorted by holder.
	Links(alias Subject) ([]Link, error)
	// Receipt returns a receipt's bytes; nil, nil when there is none of this id.
	Receipt(id string) ([]byte, error)
	// Put applies a change as one: all of it is visible or none, and when it returns
	// nil, all of it survives a power cut. Records and links take the place of what is
	// stored for their subjects and aliases: the Registry merged them before.
	Put(ctx context.Context, c *Change) error
	// Ready reports why the store cannot answer; nil when it can.
	Ready() error
	Close() error
}

// Fold makes a change effective that another process made, or this one before its store
// was lost: when Fold returns nil the change is in the store, and in every answer that
// starts later.
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
