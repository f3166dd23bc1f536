package rate

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// TestBucket: the burst at once, then the rate.
func TestBucket(t *testing.T) {
	var b Bucket
	r := NewLimit(10, 3)
	f := func(at time.Duration, want bool) {
		t.Helper()
		if got := b.Take(r, int64(at)); got != want {
			t.Errorf("at %s: %v", at, got)
		}
	}
	f(0, true)
	f(0, true)
	f(0, true)
	f(0, false)
	f(99*time.Millisecond, false)
	f(100*time.Millisecond, true)
	f(100*time.Millisecond, false)
	f(time.Hour, true) // full again, and no fuller
	f(time.Hour, true)
	f(time.Hour, true)
	f(time.Hour, false)
	b = Bucket{}
	for range 1000 {
		if !b.Take(NewLimit(0, 0), 0) {
			t.Fatal("no rate refuses")
		}
	}
	taken := 0
	r = NewLimit(7, 0)
	for at := range int64(60_000) {
		if b.Take(r, at*int64(time.Millisecond)) {
			taken++
		}
	}
	if taken < 7*60 || taken > 7*61 {
		t.Errorf("%d in a minute at 7 a second", taken)
	}
}

// TestDebt: a full bucket takes a request that costs more than it holds, in one
// piece or as its cost becomes known, and is in debt for the rest of it.
func TestDebt(t *testing.T) {
	r := NewLimit(10, 20)
	const second = int64(time.Second)
	for _, steps := range [][]int{{100}, {1, 100}, {1, 50, 100, 100}} {
		var b Bucket
		var of Bill
		for _, n := range steps {
			if wait := b.Pay(r, second, &of, n); wait != 0 || of.paid != n {
				t.Fatalf("%v: wait %s for %d", steps, wait, n)
			}
		}
		// 100 tokens are 10 s; there is a token as soon as no more than 19 are missing.
		if wait := b.Pay(r, 2*second, &Bill{}, 1); wait != 7*time.Second+100*time.Millisecond {
			t.Errorf("%v: one token is there in %s", steps, wait)
		}
		if wait := b.Pay(r, 2*second, &Bill{}, 100); wait != 9*time.Second {
			t.Errorf("%v: the same again may come in %s", steps, wait)
		}
		if wait := b.Pay(r, 11*second, &Bill{}, 100); wait != 0 {
			t.Errorf("%v: a full bucket refuses: %s", steps, wait)
		}
	}
	// What is no longer full takes what it holds: the refusal takes nothing.
	var b Bucket
	var of Bill
	b.Take(r, second)
	if b.Pay(r, second, &of, 5) != 0 || b.Pay(r, second, &of, 20) != 100*time.Millisecond || of.paid != 5 {
		t.Error("a bucket from which something was taken overdraws")
	}
	if b.Pay(r, second, &of, 19) != 0 {
		t.Error("a refusal took tokens")
	}
}

// TestAddresses: many more addresses than the table holds do not change what one
// of them may, but for those that share its set; and none costs memory.
func TestAddresses(t *testing.T) {
	a, r := NewAddresses(), NewLimit(1, 2)
	take := func(addr netip.Addr) bool { return a.Pay(addr, r, 1, &Bill{}, 1) == 0 }
	one := netip.MustParseAddr("203.0.113.9")
	for _, want := range []bool{true, true, false} {
		if take(one) != want {
			t.Fatalf("not %v", want)
		}
	}
	if !take(netip.MustParseAddr("203.0.113.10")) || take(netip.MustParseAddr("::ffff:203.0.113.9")) {
		t.Error("a neighbour is refused, or the same address in another form is not")
	}
	if !take(netip.Addr{}) {
		t.Error("no address is refused")
	}
	var ip [4]byte
	refused := 0
	for n := range uint32(20_000) { // a third of the table
		binary.BigEndian.PutUint32(ip[:], 0x0a000000+n)
		addr := netip.AddrFrom4(ip)
		take(addr)
		take(addr)
		if !take(addr) {
			refused++
		}
	}
	if refused < 19_000 {
		t.Errorf("only %d of 20,000 addresses are held to their rate", refused)
	}
	if n := testing.AllocsPerRun(100, func() { take(one) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRatesHoldAtTheirBounds: the largest rate still limits, and the largest burst,
// doubled for denials, does not overflow.
func TestRatesHoldAtTheirBounds(t *testing.T) {
	if r := NewLimit(MaxPerSecond, MaxBurst); r.every < 1000 || r.full < r.every {
		t.Errorf("%+v", r)
	}
	r := NewLimit(1, MaxBurst).Doubled()
	if r.full < r.every {
		t.Fatalf("%+v", r)
	}
	var b Bucket
	if b.Pay(r, 1, &Bill{}, 2*MaxBurst) != 0 || !(b.Pay(r, 1, &Bill{}, 1) > 0) {
		t.Error("a bucket of the largest burst does not hold")
	}
}
