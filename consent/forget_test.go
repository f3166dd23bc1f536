package consent

import (
	"context"
	"testing"
)

// TestForget: no answer of before holds once anything in the store may have changed.
func TestForget(t *testing.T) {
	f := setup(t)
	anna := f.choose(t, nil, `{"all":"granted"}`)
	identify := func() *State { return f.Identify([]byte(anna.ChoiceCookie), []byte(anna.IDCookie), nil) }
	before := identify()
	if !f.Unchanged(before.Snapshot) || identify() != before {
		t.Fatal("not cached")
	}
	f.Forget()
	if f.Unchanged(before.Snapshot) {
		t.Error("the snapshot is unchanged")
	}
	if identify() == before {
		t.Error("the cached state is answered")
	}
}

// lastChange keeps what was put last.
type lastChange struct {
	Store
	w *Change
}

func (l *lastChange) Put(ctx context.Context, c *Change) error {
	l.w = c
	return l.Store.Put(ctx, c)
}

// TestWhoseChange: a change says whose its receipt is and whether something is granted by
// it: not whether something was before.
func TestWhoseChange(t *testing.T) {
	store := &lastChange{}
	f := setup(t, func(o *Options) { store.Store, o.Store = o.Store, store })
	anna := f.choose(t, nil, `{"all":"granted"}`)
	if store.w.About != anna.State.Subject || store.w.Narrows {
		t.Errorf("a grant: %+v", store.w)
	}
	f.choose(t, anna.State, `{"purposes":{"ads":"denied"}}`)
	if store.w.About != anna.State.Subject || !store.w.Narrows {
		t.Errorf("a denial beside a grant: %+v", store.w)
	}
	f.choose(t, nil, `{"all":"denied"}`)
	if !store.w.About.IsZero() || !store.w.Narrows {
		t.Errorf("a denial of nobody: %+v", store.w)
	}
}
