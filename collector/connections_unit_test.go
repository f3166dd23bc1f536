package collector

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"assent/rate"
)

// TestConnectionTable holds the table against what it promises, over random comings,
// goings and requests.
func TestConnectionTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	evicted := 0
	proxy := netip.MustParseAddr("10.0.0.1")
	table := newConnections(40, func(a netip.Addr) bool { return a == proxy }, func() { evicted++ })
	open := map[*lingerConn]netip.Addr{}
	for step := range 20_000 {
		from := proxy
		if r.IntN(10) > 0 {
			from = netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(1 + step/500))})
		}
		c := &lingerConn{TCPConn: &net.TCPConn{}}
		if table.enter(c, from) {
			open[c] = from
		}
		for c, from := range open {
			switch {
			case c.evicted():
				delete(open, c)
				if from == proxy {
					t.Fatal("a connection that speaks for many was closed")
				}
			case r.IntN(40) == 0:
				table.leave(c)
				table.leave(c)
				delete(open, c)
			case r.IntN(4) == 0:
				c.waits.Store(int64(r.IntN(2)) * table.now())
			}
		}
		count := map[[16]byte]int{}
		for _, from := range open {
			if from != proxy {
				count[rate.AddressKey(from)]++
			}
		}
		if int(table.open.Load()) != len(open) || len(open) > 40 || len(count) != len(table.peers) {
			t.Fatalf("%d open and %d addresses, the table says %d and %d", len(open), len(count), table.open.Load(), len(table.peers))
		}
		most := 0
		for key, n := range count {
			p := table.peers[key]
			if n > 10 || len(p.conns) != n || table.levels[n][p.at] != p {
				t.Fatalf("an address has %d connections, the table says %d", n, len(p.conns))
			}
			for i, c := range p.conns {
				if c.at != i || c.peer != p {
					t.Fatal("a connection is not where it says")
				}
			}
			most = max(most, n)
		}
		if table.most != most {
			t.Fatalf("an address has %d connections, the table says %d at most", most, table.most)
		}
	}
	if evicted < 1000 {
		t.Errorf("only %d were closed for others", evicted)
	}
}
