package consent

import (
	"testing"
	"time"
)

func vocab(t *testing.T, list ...Purpose) *Purposes {
	p, err := NewPurposes(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestWithdrawalOutlivesItsPurpose: a withdrawal recorded before a purpose is removed reaches what waits.
func TestWithdrawalOutlivesItsPurpose(t *testing.T) {
	f := setup(t, sealing("j"))
	a := f.choose(t, nil, `{"purposes":{"ads":"granted"}}`)
	ref := f.SealSubjects(nil, []Subject{a.State.Subject}, chance(1))
	at := f.time()
	f.turn(time.Minute)
	st := f.Identify([]byte(a.ChoiceCookie), []byte(a.IDCookie), nil)
	f.choose(t, st, `{"purposes":{"ads":"denied"}}`)
	f.Use(vocab(t, Purpose{Name: "orders", Basis: Contract}, Purpose{Name: "analytics", Basis: Consent, Revision: 2}))
	s, _ := f.Withdrawn(ref, at)
	if got := status(t, s.In(f.p), "ads"); got != Denied {
		t.Errorf("after swap, ads is %v, Denied word %b", got, s.Denied)
	}
}

func idless(t *testing.T) *Purposes {
	return vocab(t, Purpose{Name: "orders", Basis: Contract}, Purpose{Name: "stats", Basis: Consent},
		Purpose{Name: "ads", Basis: Consent, KeepsID: true}, Purpose{Name: "news", Basis: Consent})
}

// TestClockSetBack: a clock set back between an event and the withdrawal hides nothing.
func TestClockSetBack(t *testing.T) {
	f := setup(t, sealing("j"))
	f.p = idless(t)
	f.Use(f.p)
	a := f.choose(t, nil, `{"purposes":{"stats":"granted"}}`)
	st := f.Identify([]byte(a.ChoiceCookie), nil, nil)
	f.turn(time.Minute)
	ref := f.SealSubjects(nil, []Subject{st.Classes[0]}, chance(1))
	at := f.time()
	f.turn(-10 * time.Second)
	f.choose(t, st, `{"all":"denied"}`)
	s, _ := f.Withdrawn(ref, at)
	if got := status(t, s, "stats"); got != Denied {
		t.Errorf("stats of what waits: %v after withdrawal", got)
	}
}

// TestJoinedSnapshots: a snapshot that has changed stays so, whatever is joined to it.
func TestJoinedSnapshots(t *testing.T) {
	f := setup(t, sealing("j"))
	a, b, c := Subject{Anonymous, "a"}, Subject{Anonymous, "b"}, Subject{Anonymous, "c"}
	ma, mb, mc := f.Snapshot(a), f.Snapshot(b), f.Snapshot(c)
	f.epochs.raise(a) // a choice of a is recorded meanwhile
	m := f.JoinSnapshots(f.JoinSnapshots(ma, mb), mc)
	if f.Unchanged(m) {
		t.Errorf("the snapshot of all three is unchanged, though a chose since")
	}
}

// TestEachShownCookieNamesWhatWaits: of several choice cookies each finds what waits.
func TestEachShownCookieNamesWhatWaits(t *testing.T) {
	f := setup(t, sealing("j"))
	f.p = idless(t)
	f.Use(f.p)
	a := f.choose(t, nil, `{"purposes":{"stats":"granted"}}`)
	other := f.choose(t, nil, `{"purposes":{"stats":"granted","news":"granted"}}`)
	st := f.Identify([]byte(a.ChoiceCookie), nil, nil)
	f.turn(time.Minute)
	ref := f.SealSubjects(nil, []Subject{st.Classes[0]}, chance(1))
	at := f.time()
	f.turn(time.Minute)
	both := f.Identify([]byte("!"+other.ChoiceCookie+";"+a.ChoiceCookie), nil, nil)
	f.choose(t, both, `{"all":"denied"}`)
	s, _ := f.Withdrawn(ref, at)
	if got := status(t, s, "stats"); got != Denied {
		t.Errorf("stats of what waits: %v after withdrawal", got)
	}
}

// TestFutureGrant: a grant signed by a clock that is ahead beats no refusal on record, however often it is shown.
func TestFutureGrant(t *testing.T) {
	ahead := setup(t)
	f := setup(t)
	ahead.turn(time.Hour) // same keys, another node whose clock runs ahead
	a := ahead.choose(t, nil, `{"purposes":{"ads":"granted"}}`)
	f.turn(time.Minute)
	st := f.Identify([]byte(a.ChoiceCookie), []byte(a.IDCookie), nil)
	f.choose(t, st, `{"all":"denied"}`)
	f.turn(time.Minute)
	st = f.Identify([]byte(a.ChoiceCookie), []byte(a.IDCookie), nil) // the answer's cookie was lost
	if got := status(t, st, "ads"); got != Denied {
		t.Errorf("ads: %v, though the store holds a later denial", got)
	}
}

// TestRefusalOutlivesItsPurpose: a refusal held by the cookie alone is there when its purpose comes back.
func TestRefusalOutlivesItsPurpose(t *testing.T) {
	f := setup(t)
	full := idless(t)
	f.Use(full)
	a := f.choose(t, nil, `{"purposes":{"ads":"denied","news":"denied"}}`)
	f.turn(time.Hour)
	f.Use(vocab(t, Purpose{Name: "orders", Basis: Contract}, Purpose{Name: "stats", Basis: Consent}, Purpose{Name: "news", Basis: Consent}))
	b := f.choose(t, f.Identify([]byte(a.ChoiceCookie), nil, nil), `{"purposes":{"stats":"denied"}}`)
	f.turn(time.Hour)
	f.Use(full)
	st := f.Identify([]byte(b.ChoiceCookie), nil, nil)
	if got := status(t, st, "ads"); got != Denied {
		t.Errorf("ads: %v, once refused", got)
	}
}

// TestGrantCoversNothingBefore: a grant whose time was rounded down covers no event before it was given.
func TestGrantCoversNothingBefore(t *testing.T) {
	f := setup(t)
	f.p = idless(t)
	f.Use(f.p)
	f.turn(5 * time.Minute)
	d := f.choose(t, nil, `{"purposes":{"stats":"denied"}}`) // 9:05
	f.turn(45 * time.Minute)
	g := f.choose(t, f.Identify([]byte(d.ChoiceCookie), nil, nil), `{"purposes":{"stats":"granted"}}`) // 9:50
	f.turn(5 * time.Minute)
	st := f.Identify([]byte(g.ChoiceCookie), nil, nil)
	res := Resolve(Rules{}, st, nil, day0.Add(20*time.Minute), f.time()) // an event of 9:20, refused then
	i, _ := f.p.Index("stats")
	if res.Granted.Has(i) {
		t.Errorf("an event of 9:20, when stats was refused, is covered by the grant of 9:50: %v", res.Why[i])
	}
	// and it spreads to a record with an id
	f.choose(t, st, `{"purposes":{"stats":"granted","ads":"granted"},"link":{"anonymousId":"x"}}`)
	res = Resolve(Rules{}, f.Lookup(Subject{Anonymous, "x"}), nil, day0.Add(20*time.Minute), f.time())
	if res.Granted.Has(i) {
		t.Errorf("by link too: since %v", f.Lookup(Subject{Anonymous, "x"}).Entry(i).SinceTime())
	}
}

// TestAllDeniedReachesUndeclared: all denied denies what was granted under another policy too.
func TestAllDeniedReachesUndeclared(t *testing.T) {
	f := setup(t, sealing("j"))
	a := f.choose(t, nil, `{"purposes":{"ads":"granted"}}`)
	ref := f.SealSubjects(nil, []Subject{a.State.Subject}, chance(1))
	at := f.time()
	f.turn(time.Minute)
	f.Use(vocab(t, Purpose{Name: "orders", Basis: Contract}))
	f.choose(t, f.Identify([]byte(a.ChoiceCookie), []byte(a.IDCookie), nil), `{"all":"denied"}`)
	s, _ := f.Withdrawn(ref, at)
	if s.In(f.p).Denied == 0 && s.Denied == 0 {
		t.Errorf("nothing is denied of what waits after {all:denied}")
	}
}

// TestTwoIDsGoOnAsNeither: of two people in one browser neither answers for the other from now on.
func TestTwoIDsGoOnAsNeither(t *testing.T) {
	f := setup(t)
	victim := f.choose(t, nil, `{"purposes":{"analytics":"granted","ads":"denied"}}`)
	stranger := f.choose(t, nil, `{"all":"granted"}`)
	both := f.Identify(nil, []byte(stranger.IDCookie+";"+victim.IDCookie), nil)
	out := f.choose(t, both, `{"purposes":{"analytics":"granted"}}`)
	next := f.Identify([]byte(out.ChoiceCookie), []byte(out.IDCookie), nil)
	if a, b := status(t, out.State, "ads"), status(t, next, "ads"); a != b || b != Denied {
		t.Errorf("ads: the answer says %v, the next request %v", a, b)
	}
	if next.Subject == stranger.State.Subject {
		t.Error("the victim goes on under the stranger's id")
	}
}
