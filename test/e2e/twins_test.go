package e2e

import (
	"fmt"
	"sync"
	"testing"
)

// TestTwins is twins with the file sink.
func TestTwins(t *testing.T) {
	t.Parallel()
	twins(t, (*proxy).count)
}

const twinSources = `
kafka: {create_topics: true}
sources:
  - {id: one, key: one}
  - {id: two, key: two}
`

// twins sends an event again: after its answer, at the same time, and after kill -9
// of a program that may have answered. It is stored once. Another source's event
// with that id is another event.
func twins(t *testing.T, stored func(*proxy) map[string]int, args ...string) {
	t.Helper()
	data := t.TempDir()
	args = append(args, "-c", save(t, "assent.yaml", twinSources))
	p := startIn(t, data, args...)
	send := func(key, id string) {
		r, err := p.try("POST", "/v1/events?k="+key, order(id), inFrance)
		if err != nil || r.status != 200 || r.body != accepted(1) {
			t.Errorf("%s of source %s: %v %d %s", id, key, err, r.status, r.body)
		}
	}
	send("one", "twin-later")
	send("one", "twin-later")
	send("one", "twin-of-sources")
	send("two", "twin-of-sources")
	r := p.send("POST", "/v1/events?k=one", "["+order("twin-within")+","+order("twin-within")+"]", inFrance)
	if r.body != accepted(2) {
		t.Errorf("twins in a request: %d %s", r.status, r.body)
	}
	for n := range 10 {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { send("one", fmt.Sprintf("twin-together-%d", n)) })
		}
		all.Wait()
	}
	p.Kill()
	p = startIn(t, data, args...)
	send("one", "twin-later")
	send("two", "twin-of-sources")
	for n := range 10 {
		send("one", fmt.Sprintf("twin-together-%d", n))
	}
	send("one", "twin-last")
	want := map[string]int{"twin-later": 1, "twin-of-sources": 2, "twin-within": 1, "twin-last": 1}
	for n := range 10 {
		want[fmt.Sprintf("twin-together-%d", n)] = 1
	}
	got := stored(p)
	for id, times := range want {
		if got[id] != times {
			t.Errorf("event %s is there %d times, want %d", id, got[id], times)
		}
	}
	p.stop()
}
