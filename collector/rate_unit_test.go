package collector

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// TestBucket: the burst at once, then the rate, whatever the clock does.
func TestBucket(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var b bucket
	r := newRate(10, 3)
	f := func(at time.Duration, want bool) {
		t.Helper()
		if got := b.take(r, start.Add(at)); got != want {
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
	f(0, false) // the clock was set back
	f(100*time.Millisecond, true)
	b = bucket{}
	for range 1000 {
		if !b.take(newRate(0, 0), start) {
			t.Fatal("no rate refuses")
		}
	}
	taken := 0
	r = newRate(7, 0)
	for at := range 60_000 {
		if b.take(r, start.Add(time.Duration(at)*time.Millisecond)) {
			taken++
		}
	}
	if taken < 7*60 || taken > 7*61 {
		t.Errorf("%d in a minute at 7 a second", taken)
	}
}

// TestAddresses: many more addresses than the table holds do not change what one
// of them may, but for those that share its set; and none costs memory.
func TestAddresses(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	a := newAddresses(newRate(1, 2))
	one := netip.MustParseAddr("203.0.113.9")
	for _, want := range []bool{true, true, false} {
		if a.take(one, now) != want {
			t.Fatalf("not %v", want)
		}
	}
	if !a.take(netip.MustParseAddr("203.0.113.10"), now) || a.take(netip.MustParseAddr("::ffff:203.0.113.9"), now) {
		t.Error("a neighbour is refused, or the same address in another form is not")
	}
	if !a.take(netip.Addr{}, now) {
		t.Error("no address is refused")
	}
	var ip [4]byte
	refused := 0
	for n := range uint32(20_000) { // a third of the table
		binary.BigEndian.PutUint32(ip[:], 0x0a000000+n)
		addr := netip.AddrFrom4(ip)
		a.take(addr, now)
		a.take(addr, now)
		if !a.take(addr, now) {
			refused++
		}
	}
	if refused < 19_000 {
		t.Errorf("only %d of 20,000 addresses are held to their rate", refused)
	}
	if n := testing.AllocsPerRun(100, func() { a.take(one, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRetryAfter: senders are not all sent to the same instant.
func TestRetryAfter(t *testing.T) {
	for status, want := range map[int][2]int{429: {1, 2}, 503: {4, 8}, 400: {0, 0}, 500: {0, 0}} {
		seen := map[int]bool{}
		for range 500 {
			s := retryAfter(status)
			if s < want[0] || s > want[1] {
				t.Errorf("%d: %d s", status, s)
			}
			seen[s] = true
		}
		if len(seen) != want[1]-want[0]+1 {
			t.Errorf("%d: %v", status, seen)
		}
	}
}
