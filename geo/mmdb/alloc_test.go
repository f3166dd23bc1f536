//go:build !race

package mmdb

import "testing"

func TestLocateAllocs(t *testing.T) {
	r, err := Open(Options{Anonymous: saved(t, "anonymous.mmdb", anonymousFixture(t))})
	if err != nil {
		t.Fatal(err)
	}
	addrs := randomAddrs(1000)
	n := testing.AllocsPerRun(10, func() {
		for _, addr := range addrs {
			if _, err := r.Locate(addr); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations in %d look-ups", n, len(addrs))
	}
}
