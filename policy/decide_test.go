package policy

import (
	"sync"
	"testing"
	"time"

	"assent/consent"
	"assent/geo"
	"assent/redact"
)

// TestEventRules: the first rule that matches holds.
func TestEventRules(t *testing.T) {
	p := mustCompile(t, "p.yaml", []byte(`
policy: p
version: 1
controller: {name: n, contact: c}
purposes: {a: {basis: contract}, b: {basis: contract}, c: {basis: contract}, d: {basis: contract}, e: {basis: contract}}
recipients: {r: {topic: t, role: own, purposes: [a, b, c, d, e]}}
events:
  - {match: {type: track, event: X}, purposes: [a]}
  - {match: {event: X}, purposes: [b]}
  - {match: {event: Y}, purposes: [b]}
  - {match: {type: track}, purposes: [c]}
  - {match: {type: page, event: Z}, purposes: [d]}
  - {match: {}, purposes: [e]}
fields: {}
`))
	f := func(kind, event, want string, line int) {
		t.Helper()
		var d Decision
		p.Decide(Source{General}, nil, nil, EventKind{[]byte(kind), []byte(event)}, &d)
		if got := p.Purposes().Names(d.Event)[0]; got != want || d.Rule != line {
			t.Errorf("%s %s: for %s by line %d, want %s by %d", kind, event, got, d.Rule, want, line)
		}
	}
	f("track", "X", "a", 8)
	f("page", "X", "b", 9)
	f("", "X", "b", 9)
	f("track", "Y", "b", 10)
	f("track", "Z", "c", 11)
	f("track", "", "c", 11)
	f("page", "Z", "d", 12)
	f("page", "", "e", 13)
	f("", "", "e", 13)
	f("Track", "x", "e", 13)
}

// TestAbsentIsStrict: without a resolution, a regime or an audience the answer is
// the strictest.
func TestAbsentIsStrict(t *testing.T) {
	p := mustCompileWith(t, "rules.yaml", []byte(allBases), testTable(t))
	r := p.Regime(place(t, "US"), frozen)
	all := resolve(r, p, p.Purposes().All(), 0, false)
	f := func(s Source, r *Regime, res *consent.Resolution, want string) {
		t.Helper()
		if got := p.Allowed(s, r, res); got != set(t, p, want) {
			t.Errorf("allowed %v, want %s", p.Purposes().Names(got), want)
		}
	}
	f(Source{General}, r, all, "consent sale explicit interest adinterest contract vital")
	f(Source{}, r, all, "consent interest contract vital")
	f(Source{Mixed}, r, all, "consent interest contract vital")
	f(Source{General}, r, nil, "contract")
	f(Source{General}, r, &consent.Resolution{Unreadable: true, Granted: p.Purposes().All()}, "contract")
	f(Source{General}, nil, &consent.Resolution{}, "interest adinterest contract vital")
	f(Source{General}, nil, nil, "contract")
}

// TestNarrowedTwice: the mask is right also where the resolution was made without
// the regime's rules, and what falls takes its share of the device with it.
func TestNarrowedTwice(t *testing.T) {
	p := mustCompileWith(t, "rules.yaml", []byte(allBases), testTable(t))
	r := p.Regime(place(t, "US"), frozen)
	res := &consent.Resolution{Granted: p.Purposes().All(), OptOut: true}
	if got := p.Allowed(Source{General}, r, res); got != set(t, p, "consent explicit interest contract vital") {
		t.Errorf("signal: allowed %v", p.Purposes().Names(got))
	}
	var d Decision
	p.Decide(Source{Children}, r, resolve(r, p, 0, 0, false), EventKind{}, &d)
	if device := p.layout.deviceBits["adinterest"]; device == 0 || d.Allowed&device != 0 {
		t.Errorf("children: the device's share %b of the interest in ads is in %b", device, d.Allowed)
	}
}

// TestRules: what the law asks of choices.
func TestRules(t *testing.T) {
	p := mustCompileWith(t, "rules.yaml", []byte(allBases), testTable(t))
	f := func(code, affirmative, optOut string) {
		t.Helper()
		got := p.Regime(place(t, code), frozen).Rules
		if got.Affirmative != set(t, p, affirmative) || got.OptOut != set(t, p, optOut) {
			t.Errorf("%q: affirmative %v, opt-out %v", code, p.Purposes().Names(got.Affirmative), p.Purposes().Names(got.OptOut))
		}
	}
	f("FR", "consent sale explicit", "adinterest")
	f("US", "explicit", "sale adinterest")
	f("JP", "explicit", "")
	f("NZ", "explicit", "sale adinterest")
	f("", "consent sale explicit", "sale adinterest")
}

// TestThirdParty: what a third party receives is a sale where the law says so.
func TestThirdParty(t *testing.T) {
	p := mustCompileWith(t, "rules.yaml", []byte(allBases), testTable(t))
	f := func(code string, gpc bool, s Source, want string) {
		t.Helper()
		r := p.Regime(place(t, code), frozen)
		var d Decision
		p.Decide(s, r, resolve(r, p, p.Purposes().All(), 0, gpc), EventKind{}, &d)
		if got := d.Plans[1].Purposes; got != set(t, p, want) {
			t.Errorf("%s, gpc %v: third party %v, want %s", code, gpc, p.Purposes().Names(got), want)
		}
		if gpc && d.Plans[1].Allowed&p.layout.deviceBits["interest"] != 0 && !got(d.Plans[1], p, "interest") {
			t.Errorf("%s: the interest is withdrawn and its share of the device is not", code)
		}
		if own := d.Plans[0].Purposes; own&d.Plans[1].Purposes != d.Plans[1].Purposes {
			t.Errorf("%s: the third party has more than the controller", code)
		}
	}
	f("US", false, Source{General}, "consent sale explicit interest adinterest contract vital")
	f("US", true, Source{General}, "explicit contract vital")
	f("JP", true, Source{General}, "consent sale explicit interest adinterest contract vital") // no signal to honour
	f("NZ", true, Source{General}, "consent explicit interest contract vital")                 // not a sale there
	f("FR", true, Source{General}, "consent sale explicit interest contract vital")
	f("", true, Source{General}, "explicit contract vital")
	f("US", false, Source{Children}, "contract vital")
	f("NZ", false, Source{Children}, "consent interest contract vital")
}

func got(pl Plan, p *Policy, purpose string) bool {
	i, _ := p.Purposes().Index(purpose)
	return pl.Purposes.Has(i)
}

// TestNeedsID: the id cookie exists only while a recipient may have the id.
func TestNeedsID(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	f := func(code, granted string, gpc bool, s Source, want bool) {
		t.Helper()
		r := p.Regime(place(t, code), frozen)
		if got := p.NeedsID(s, r, resolve(r, p, set(t, p, granted), 0, gpc)); got != want {
			t.Errorf("%s granted %q: %v, want %v", code, granted, got, want)
		}
	}
	f("FR", "", false, Source{General}, false)
	f("FR", "analytics", false, Source{General}, true)
	f("FR", "ads", false, Source{General}, true)
	f("FR", "ads", false, Source{Children}, false)
	f("US-CA", "", false, Source{General}, true)
	f("", "", false, Source{General}, false)
	f("", "ads", true, Source{General}, false)
	if p.NeedsID(Source{General}, nil, nil) {
		t.Error("an id for somebody of whom nothing can be read")
	}
}

// TestConcurrentUse: one policy serves any number of goroutines across a date on
// which the law changes.
func TestConcurrentUse(t *testing.T) {
	p := mustCompile(t, "default.yaml", Default())
	change := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			var d Decision
			var out []byte
			for i := range 500 {
				now := change.Add(time.Duration(i-250+g) * time.Second)
				r := p.Regime(geo.Jurisdiction{Country: [2]byte{'U', 'S'}}, now)
				want := "CCPA"
				if !now.Before(change) {
					want = "CCPA,US-STATES"
				}
				if r.Header() != want {
					t.Errorf("%v: %s, want %s", now, r.Header(), want)
				}
				res := consent.Resolution{Granted: consent.PurposeSet(i)}
				p.Decide(Source{General}, r, &res, EventKind{Type: []byte("page")}, &d)
				for k := range d.Plans {
					var err error
					if out, err = d.Plans[k].Append(out[:0], []byte(wide), nil, nil); err != nil && err != ErrWithheld {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkDecide(b *testing.B) {
	p := mustCompile(b, "default.yaml", Default())
	r := p.Regime(place(b, "FR"), frozen)
	res := resolve(r, p, set(b, p, "analytics"), 0, true)
	k := EventKind{[]byte("track"), []byte("Order Completed")}
	var d Decision
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(Source{General}, r, res, k, &d)
	}
}

func BenchmarkRegime(b *testing.B) {
	p := mustCompile(b, "default.yaml", Default())
	for _, code := range []string{"FR", "US-CA", "unknown"} {
		b.Run(code, func(b *testing.B) {
			j := place(b, code)
			b.ReportAllocs()
			for b.Loop() {
				p.Regime(j, frozen)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	p := mustCompile(b, "default.yaml", Default())
	r := p.Regime(place(b, "FR"), frozen)
	var d Decision
	p.Decide(Source{General}, r, resolve(r, p, set(b, p, "analytics"), 0, false), EventKind{}, &d)
	var out []byte
	var s redact.Supply
	var t redact.Tally
	event := []byte(wide)
	b.SetBytes(int64(len(wide)))
	b.ReportAllocs()
	for b.Loop() {
		s.Reset()
		s.Set(0, "0193-id")
		out, _ = d.Plans[0].Append(out[:0], event, &s, &t)
	}
}
