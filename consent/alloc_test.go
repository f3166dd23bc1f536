//go:build !race

package consent

import (
	"testing"
	"time"
)

// TestHotPathAllocatesNothing pins what happens for every event.
func TestHotPathAllocatesNothing(t *testing.T) {
	f := setup(t, sealing("j"))
	f.o.Now = time.Now // the fixture's clock is not what is measured
	o := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"X"}}`)
	choice, id, token := []byte(o.ChoiceCookie), []byte(o.IDCookie), []byte(o.Token)
	s := f.Identify(choice, id, nil)
	now := time.Now()
	var sig Signals
	random := chance(1)
	ref := f.SealSubjects(nil, []Subject{s.Subject}, random)
	for name, fn := range map[string]func(){
		"identify cookies": func() { f.Identify(choice, id, nil) },
		"identify token":   func() { f.Identify(nil, nil, token) },
		"identify nobody":  func() { f.Identify(nil, nil, nil) },
		"lookup linked":    func() { f.Lookup(Subject{Anonymous, "X"}) },
		"lookup unknown":   func() { f.Lookup(Subject{Anonymous, "Y"}) },
		"combine":          func() { Combine(f.Identify(nil, nil, nil), f.Lookup(Subject{Anonymous, "X"})) },
		"resolve":          func() { resolved = Resolve(Rules{OptOut: 3}, s, &sig, now, now) },
		"seal":             func() { ref = f.SealSubjects(ref[:0], []Subject{s.Subject}, random) },
		"unchanged":        func() { unchanged = f.Unchanged(s.Snapshot) },
		"snapshot":         func() { unchanged = f.Unchanged(f.Snapshot(s.Subject)) },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

var (
	resolved  Resolution
	unchanged bool
)
