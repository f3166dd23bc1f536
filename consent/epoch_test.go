package consent

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// apart is an id of this kind whose epoch none of the others shares.
func (f *fixture) apart(k SubjectKind, others ...Subject) Subject {
	for i := 0; ; i++ {
		s, alone := Subject{k, fmt.Sprintf("id-%d", i)}, true
		for _, o := range others {
			alone = alone && f.epochs.slot(s) != f.epochs.slot(o)
		}
		if alone {
			return s
		}
	}
}

// TestSnapshots: a snapshot is unchanged until something is recorded for whoever the answer
// rested on, and for no other reason than a shared epoch.
func TestSnapshots(t *testing.T) {
	f := setup(t)
	anna := f.choose(t, nil, `{"all":"granted"}`)
	x := f.apart(Anonymous, anna.State.Subject)
	anna = f.choose(t, anna.State, fmt.Sprintf(`{"purposes":{"ads":"granted"},"link":{"anonymousId":%q}}`, x.ID))
	bob := f.choose(t, nil, `{"all":"granted"}`)
	for f.epochs.slot(bob.State.Subject) == f.epochs.slot(anna.State.Subject) || f.epochs.slot(bob.State.Subject) == f.epochs.slot(x) {
		bob = f.choose(t, nil, `{"all":"granted"}`)
	}
	y := f.apart(Anonymous, x, anna.State.Subject, bob.State.Subject)
	identify := func(o *Outcome) *State { return f.Identify([]byte(o.ChoiceCookie), []byte(o.IDCookie), nil) }
	is := func(what string, snapshot uint64, want bool) {
		t.Helper()
		if got := f.Unchanged(snapshot); got != want {
			t.Errorf("%s: unchanged %v, want %v", what, got, want)
		}
	}
	is("zero", 0, false)
	is("nobody", f.Identify(nil, nil, nil).Snapshot, false)
	is("only a choice remembered", f.Identify([]byte(anna.ChoiceCookie), nil, nil).Snapshot, true)

	a, ax, b, ny := identify(anna), f.Lookup(x), identify(bob), f.Lookup(y)
	is("a visitor", a.Snapshot, true)
	is("a visitor, cached", identify(anna).Snapshot, true)
	is("in another vocabulary", a.In(shop(t)).Snapshot, true)
	is("a linked id", ax.Snapshot, true)
	is("an id nobody linked", ny.Snapshot, true)
	if ny.Snapshot == f.Identify(nil, nil, nil).Snapshot {
		t.Error("an id nobody linked has the snapshot of nobody")
	}

	bob = f.choose(t, b, `{"purposes":{"ads":"denied"}}`)
	is("whoever chose", b.Snapshot, false)
	is("whoever chose, asked again", identify(bob).Snapshot, true)
	is("somebody else", a.Snapshot, true)
	is("somebody else's id", ax.Snapshot, true)

	f.choose(t, identify(bob), fmt.Sprintf(`{"purposes":{"ads":"denied"},"link":{"anonymousId":%q}}`, y.ID))
	is("an id that was linked since", ny.Snapshot, false)
	ny = f.Lookup(y)
	f.choose(t, identify(bob), `{"all":"denied"}`)
	is("an id whose holder chose", ny.Snapshot, false)

	f.choose(t, nil, fmt.Sprintf(`{"all":"denied","link":{"anonymousId":%q}}`, x.ID))
	is("an id that a stranger refused for", ax.Snapshot, false)
	is("its holder", a.Snapshot, true)

	// Nobody can know what a failed write left behind.
	f.store.fail(errDisk)
	if f.Lookup(Subject{Visitor, "unread"}).Snapshot != 0 {
		t.Error("who cannot be read has a snapshot")
	}
	f.store.fail(nil)

	v := Subject{Visitor, "new"}
	m := f.Snapshot(v)
	is("a new visitor", m, true)
	if f.Lookup(v).Snapshot != m {
		t.Error("a new visitor's snapshot is not the one its state would have")
	}
	f.epochs.raise(v)
	is("a new visitor who chose", m, false)
}

// TestSnapshotOfAnotherProcess: where slots and epochs agree, snapshots do not.
func TestSnapshotOfAnotherProcess(t *testing.T) {
	a, b := setup(t), setup(t)
	b.epochs.seed = a.epochs.seed
	s := Subject{Visitor, "v"}
	if m := a.Snapshot(s); !a.Unchanged(m) || b.Unchanged(m) {
		t.Errorf("unchanged in its process %v, in another %v", a.Unchanged(m), b.Unchanged(m))
	}
}

// TestTwoRestUponOneSnapshot: of the two that an answer rests on, either breaks it, and
// their epochs cannot make up for each other.
func TestTwoRestUponOneSnapshot(t *testing.T) {
	f := setup(t)
	x := Subject{Anonymous, "X"}
	y := f.apart(Visitor, x)
	for _, raised := range []Subject{x, y} {
		m := f.epochs.snapshot([]dep{f.epochs.of(x), f.epochs.of(y)})
		if !f.Unchanged(m) {
			t.Fatal("does not stand at once")
		}
		f.epochs.raise(raised)
		if f.Unchanged(m) {
			t.Errorf("unchanged though %v changed", raised)
		}
	}
}

// meanwhile is a store in which something happens while it is read.
type meanwhile struct {
	*memStore
	happens func()
}

func (m *meanwhile) Get(s Subject) (*Record, error) {
	record, err := m.memStore.Get(s)
	if f := m.happens; f != nil {
		m.happens = nil
		f()
	}
	return record, err
}

// TestChosenWhileRead: a choice acknowledged between the reading of a record and the
// answer made of it is not in the answer, and the answer's snapshot has changed.
func TestChosenWhileRead(t *testing.T) {
	store := &meanwhile{memStore: newMemStore()}
	f := setup(t, func(o *Options) { o.Store = store })
	o := f.choose(t, nil, `{"all":"granted"}`)
	linked := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"X"}}`)
	deny := func(who *State) { f.choose(t, who, `{"purposes":{"ads":"denied"}}`) }
	is := func(what string, s *State) {
		t.Helper()
		if f.Unchanged(s.Snapshot) {
			t.Errorf("%s: the snapshot is unchanged", what)
		}
		if status(t, s, "ads") == Denied {
			t.Errorf("%s: the choice came before the reading", what)
		}
	}
	store.happens = func() { deny(o.State) }
	is("a visitor", f.Identify(nil, []byte(o.IDCookie), nil))
	// The id itself is read first, then its holder.
	store.happens = func() { store.happens = func() { deny(linked.State) } }
	is("a holder", f.Lookup(Subject{Anonymous, "X"}))
	store.happens = func() { f.choose(t, nil, `{"all":"denied","link":{"anonymousId":"Y"}}`) }
	if s := f.Lookup(Subject{Anonymous, "Y"}); f.Unchanged(s.Snapshot) {
		t.Error("an id nobody linked: the snapshot is unchanged")
	}
}

// TestRaceAcknowledgedBeforeUnchanged: whoever reads a state while it is being changed
// either reads the change or holds a snapshot that has changed once the change is
// acknowledged.
func TestRaceAcknowledgedBeforeUnchanged(t *testing.T) {
	f := setup(t)
	o := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"X"}}`)
	visitor := o.State
	x := Subject{Anonymous, "X"}
	for round := range 200 {
		stop := make(chan struct{})
		var readers sync.WaitGroup
		seen := make([][]*State, 3)
		for i := range seen {
			readers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					s := f.Lookup(x)
					if i == 0 {
						s = f.Identify([]byte(o.ChoiceCookie), []byte(o.IDCookie), nil)
					}
					if n := len(seen[i]); n == 0 || seen[i][n-1].Snapshot != s.Snapshot {
						seen[i] = append(seen[i], s)
					}
				}
			})
		}
		want := []string{"denied", "granted"}[round%2]
		c, err := ParseChoice([]byte(`{"purposes":{"ads":"` + want + `"}}`))
		if err != nil {
			t.Fatal(err)
		}
		c.Visitor, c.NeedsID = visitor, needsID
		out, err := f.Record(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		newest := out.State.record.Newest()
		close(stop)
		readers.Wait()
		visitor = out.State
		for _, states := range seen {
			for _, s := range states {
				if s.record.Newest().Compare(newest) < 0 && f.Unchanged(s.Snapshot) {
					t.Fatalf("round %d: a state without the acknowledged choice is unchanged", round)
				}
			}
		}
		if !f.Unchanged(f.Lookup(x).Snapshot) {
			t.Fatalf("round %d: nothing changed, and it does not stand", round)
		}
	}
}
