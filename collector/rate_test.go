package collector_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"sync"
	"testing"
	"time"

	"assent/collector"
)

func packed(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// TestRates: each source and each address has its burst and then its rate; what
// is beyond is told to come again; choices are not counted.
func TestRates(t *testing.T) {
	at := newClock()
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) {
		o.Now = at.Now
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "b", Key: "b"}, {ID: "s", Kind: collector.KindServer, Bearer: "secret"}}
		o.Limits.SourceRate, o.Limits.SourceBurst = 10, 20
		o.Limits.AddressRate = 5
	})
	// count sends n requests and returns how many were taken.
	count := func(n int, path, address string, headers ...string) (taken int) {
		t.Helper()
		for range n {
			raw := post(path, order("m"), headers...)
			raw = string(bytes.Replace([]byte(raw), []byte("80.10.0.1"), []byte(address), 1))
			switch r, body := s.send(raw); r.StatusCode {
			case 200:
				taken++
			default:
				refused(t, r, body, 429, "rate_limited")
			}
		}
		return taken
	}
	f := func(got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%d were taken, want %d", got, want)
		}
	}
	f(count(8, "/v1/events?k=a", "12.0.0.1"), 5)
	f(count(8, "/v1/events?k=a", "12.0.0.2"), 5)
	f(count(3, "/v1/events?k=b", "12.0.0.1"), 0) // another source, the same address
	f(count(8, "/v1/events?k=a", "2001:db8::1"), 5)
	f(count(3, "/v1/events?k=a", "2001:db8::ffff:2"), 0) // the same network
	f(count(8, "/v1/events?k=a", "2001:db8:0:1::1"), 5)  // another one, and the last of 20
	f(count(3, "/v1/events?k=a", "12.0.0.3"), 0)
	f(count(3, "/v1/events?k=b", "12.0.0.4"), 3)
	f(count(3, "/v1/events", "12.0.0.4", "Authorization: Bearer secret"), 3)
	f(count(30, "/v1/events", "12.0.0.4", "Authorization: Bearer secret"), 17) // no address of its own
	at.pass(time.Second)
	f(count(8, "/v1/events?k=a", "12.0.0.1"), 5)
	f(count(8, "/v1/events?k=a", "12.0.0.2"), 5)
	f(count(8, "/v1/events?k=a", "12.0.0.5"), 0)
	at.pass(-time.Hour) // a clock set back costs a bucket, not an hour
	f(count(3, "/v1/events?k=a", "12.0.0.6"), 0)
	at.pass(3 * time.Second)
	f(count(3, "/v1/events?k=a", "12.0.0.6"), 3)
	for i := range 50 {
		if r, _ := s.send(post("/v1/consent?k=a", choice)); r.StatusCode != 201 {
			t.Fatalf("choice %d is answered %d", i, r.StatusCode)
		}
	}
	at.pass(time.Minute)
	r, body := s.send(post("/v1/events?k=wrong", order("m")))
	refused(t, r, body, 401, "source_unknown")
}
