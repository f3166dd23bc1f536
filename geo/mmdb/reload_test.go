package mmdb

import (
	"context"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
)

func placeIn(t testing.TB, country string) []byte {
	return fixture(t, "GeoIP2-Country", map[string]mmdbtype.Map{"17.0.0.0/8": city(country)})
}

func TestReload(t *testing.T) {
	path := saved(t, "place.mmdb", placeIn(t, "US"))
	hidden := saved(t, "anonymous.mmdb", anonymousFixture(t))
	r, err := Open(Options{Place: path, Anonymous: hidden})
	if err != nil {
		t.Fatal(err)
	}
	step := func(name string, wantSwap, wantErr bool, want string) {
		t.Helper()
		swapped, err := r.Reload()
		if swapped != wantSwap || (err != nil) != wantErr {
			t.Errorf("%s: swapped %v, %v", name, swapped, err)
		}
		if got := locate(t, r, "17.200.0.1"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	step("nothing changed", false, false, "US")

	write(t, path, placeIn(t, "FR"))
	step("replaced", true, false, "FR")
	step("once is enough", false, false, "FR")

	write(t, path, placeIn(t, "DE")[:100])
	step("broken", false, true, "FR")
	step("reported once", false, false, "FR")

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	step("missing", false, true, "FR")
	step("reported once", false, false, "FR")

	write(t, path, placeIn(t, "JP"))
	step("back", true, false, "JP")

	write(t, path, fixture(t, "GeoLite2-ASN", map[string]mmdbtype.Map{"17.0.0.0/8": {}}))
	step("another kind of data", false, true, "JP")

	write(t, path, cityFixture(t))
	write(t, hidden, []byte("not a database"))
	step("one good, one broken", true, true, "US")
	if got := locate(t, r, "17.1.0.1"); got != "unknown" {
		t.Errorf("the anonymous database in use is gone: %s", got)
	}

	// In place, within the same size, as a careless updater does.
	if err := os.WriteFile(path, placeIn(t, "BR"), 0o600); err != nil {
		t.Fatal(err)
	}
	step("overwritten", true, false, "BR")
	data := placeIn(t, "CH")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, built, built); err != nil {
		t.Fatal(err)
	}
	step("overwritten, same size", true, false, "CH")
}

// While files good and bad come and go, every look-up is answered, and by one of the
// good ones.
func TestWatchUnderLoad(t *testing.T) {
	good := [][]byte{placeIn(t, "US"), placeIn(t, "FR")}
	path := saved(t, "place.mmdb", good[0])
	r, err := Open(Options{Place: path, Interval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reports := make(chan error)
	var all sync.WaitGroup
	all.Go(func() {
		r.Watch(ctx, func(err error) { reports <- err })
		close(reports)
	})
	addr := netip.MustParseAddr("17.1.1.1")
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				j, err := r.Locate(addr)
				if s := j.String(); err != nil || s != "US" && s != "FR" {
					t.Errorf("%s, %v", s, err)
					return
				}
				_, _ = r.Built(), r.Kind()
			}
		})
	}
	for i := range 20 {
		write(t, path, good[i%2])
		if err := <-reports; err != nil {
			t.Errorf("a good file: %v", err)
		}
		write(t, path, good[0][:200])
		if err := <-reports; err == nil {
			t.Error("a broken file was put in use")
		}
	}
	cancel()
	for range reports {
	}
	all.Wait()
}
