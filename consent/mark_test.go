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

// TestMarks: a mark stands until something is recorded for whoever the answer
// rested on, and for no other reason than a shared epoch.
func TestMarks(t *testing.T) {
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
	is := func(what string, mark uint64, want bool) {
		t.Helper()
		if got := f.Stands(mark); got != want {
			t.Errorf("%s: stands %v, want %v", what, got, want)
		}
	}
	is("zero", 0, false)
	is("nobody", f.Identify(nil, nil, nil).Mark, false)
	is("only a choice remembered", f.Identify([]byte(anna.ChoiceCookie), nil, nil).Mark, true)

	a, ax, b, ny := identify(anna), f.Lookup(x), identify(bob), f.Lookup(y)
	is("a visitor", a.Mark, true)
	is("a visitor, cached", identify(anna).Mark, true)
	is("in another vocabulary", a.In(shop(t)).Mark, true)
	is("a linked id", ax.Mark, true)
	is("an id nobody linked", ny.Mark, true)
	if ny.Mark == f.Identify(nil, nil, nil).Mark {
		t.Error("an id nobody linked has the mark of nobody")
	}

	bob = f.choose(t, b, `{"purposes":{"ads":"denied"}}`)
	is("whoever chose", b.Mark, false)
	is("whoever chose, asked again", identify(bob).Mark, true)
	is("somebody else", a.Mark, true)
	is("somebody else's id", ax.Mark, true)

	f.choose(t, identify(bob), fmt.Sprintf(`{"purposes":{"ads":"denied"},"link":{"anonymousId":%q}}`, y.ID))
	is("an id that was linked since", ny.Mark, false)
	ny = f.Lookup(y)
	f.choose(t, identify(bob), `{"all":"denied"}`)
	is("an id whose holder chose", ny.Mark, false)

	f.choose(t, nil, fmt.Sprintf(`{"all":"denied","link":{"anonymousId":%q}}`, x.ID))
	is("an id that a stranger refused for", ax.Mark, false)
	is("its holder", a.Mark, true)

	// Nobody can know what a failed write left behind.
	f.store.fail(errDisk)
	if f.Lookup(Subject{Visitor, "unread"}).Mark != 0 {
		t.Error("who cannot be read has a mark")
	}
	f.store.fail(nil)

	v := Subject{Visitor, "new"}
	m := f.Mark(v)
	is("a new visitor", m, true)
	if f.Lookup(v).Mark != m {
		t.Error("a new visitor's mark is not the one its state would have")
	}
	f.epochs.raise(v)
	is("a new visitor who chose", m, false)
}

// TestMarkOfAnotherProcess: where slots and epochs agree, marks do not.
func TestMarkOfAnotherProcess(t *testing.T) {
	a, b := setup(t), setup(t)
	b.epochs.seed = a.epochs.seed
	s := Subject{Visitor, "v"}
	if m := a.Mark(s); !a.Stands(m) || b.Stands(m) {
		t.Errorf("stands in its process %v, in another %v", a.Stands(m), b.Stands(m))
	}
}

// TestTwoRestUponOneMark: of the two that an answer rests on, either breaks it, and
// their epochs cannot make up for each other.
func TestTwoRestUponOneMark(t *testing.T) {
	f := setup(t)
	x := Subject{Anonymous, "X"}
	y := f.apart(Visitor, x)
	for _, raised := range []Subject{x, y} {
		m := f.epochs.mark([]dep{f.epochs.of(x), f.epochs.of(y)})
		if !f.Stands(m) {
			t.Fatal("does not stand at once")
		}
		f.epochs.raise(raised)
		if f.Stands(m) {
			t.Errorf("stands though %v changed", raised)
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
// answer made of it is not in the answer, and the answer's mark does not stand.
func TestChosenWhileRead(t *testing.T) {
	store := &meanwhile{memStore: newMemStore()}
	f := setup(t, func(o *Options) { o.Store = store })
	o := f.choose(t, nil, `{"all":"granted"}`)
	linked := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"X"}}`)
	deny := func(who *State) { f.choose(t, who, `{"purposes":{"ads":"denied"}}`) }
	is := func(what string, s *State) {
		t.Helper()
		if f.Stands(s.Mark) {
			t.Errorf("%s: the mark stands", what)
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
	if s := f.Lookup(Subject{Anonymous, "Y"}); f.Stands(s.Mark) {
		t.Error("an id nobody linked: the mark stands")
	}
}

// TestRaceAcknowledgedBeforeStands: whoever reads a state while it is being changed
// either reads the change or holds a mark that no longer stands once the change is
// acknowledged.
func TestRaceAcknowledgedBeforeStands(t *testing.T) {
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
					if n := len(seen[i]); n == 0 || seen[i][n-1].Mark != s.Mark {
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
				if s.record.Newest().Compare(newest) < 0 && f.Stands(s.Mark) {
					t.Fatalf("round %d: a state without the acknowledged choice stands", round)
				}
			}
		}
		if !f.Stands(f.Lookup(x).Mark) {
			t.Fatalf("round %d: nothing changed, and it does not stand", round)
		}
	}
}
