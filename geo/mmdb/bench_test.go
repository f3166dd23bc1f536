package mmdb

import (
	"math/rand/v2"
	"net/netip"
	"testing"
)

// randomAddrs are n public IPv4 addresses, the same at every run.
func randomAddrs(n int) []netip.Addr {
	random := rand.New(rand.NewPCG(3, 4))
	addrs := make([]netip.Addr, n)
	for i := range addrs {
		v := random.Uint32()
		addrs[i] = netip.AddrFrom4([4]byte{1 + byte(v>>24)%223, byte(v >> 16), byte(v >> 8), byte(v)})
	}
	return addrs
}

func BenchmarkLocate(b *testing.B) {
	r, err := Embedded()
	if err != nil {
		b.Fatal(err)
	}
	addrs := randomAddrs(1 << 16)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := r.Locate(addrs[i&(len(addrs)-1)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEmbedded(b *testing.B) {
	for b.Loop() {
		if _, err := Embedded(); err != nil {
			b.Fatal(err)
		}
	}
}
