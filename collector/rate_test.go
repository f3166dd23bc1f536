package collector_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strconv"
	"strings"
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
	for i := range 50 {
		if r, _ := s.send(post("/v1/consent?k=a", choice)); r.StatusCode != 201 {
			t.Fatalf("choice %d is answered %d", i, r.StatusCode)
		}
	}
	at.pass(time.Minute)
	r, body := s.send(post("/v1/events?k=wrong", order("m")))
	refused(t, r, body, 401, "source_unknown")
}

// TestRatesCountEventsAndBytes: a token is an event of up to 4 KiB, however many
// share a request and however well they are compressed; what is too much is refused
// before it costs memory or disk, and may come once the bucket is full.
func TestRatesCountEventsAndBytes(t *testing.T) {
	at := newClock()
	sink := &fakeSink{}
	limits := map[string]func(*collector.Limits){
		"source":  func(l *collector.Limits) { l.SourceRate, l.SourceBurst = 10, 50 },
		"address": func(l *collector.Limits) { l.AddressRate, l.AddressBurst = 10, 50 },
	}
	few := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(order("m")+",", n), ",") + "]" }
	long := func(n int) string { return order("m") + strings.Repeat(" ", n<<12-len(order("m"))) }
	chunked := func(body string) string {
		return post("/v1/events?k=a", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body), "Transfer-Encoding: chunked")
	}
	zipped := func(body string) string {
		return post("/v1/events?k=a", packed(t, body), "Content-Encoding: gzip")
	}
	for name, limit := range limits {
		for _, k := range []struct {
			name string
			raw  func(tokens int) string
		}{
			{"events", func(n int) string { return post("/v1/events?k=a", few(n)) }},
			{"events, compressed", func(n int) string { return zipped(few(n)) }},
			{"lines", func(n int) string {
				return post("/v1/events?k=a", strings.Repeat(order("m")+"\n", n), "Content-Type: application/x-ndjson")
			}},
			{"bytes", func(n int) string { return post("/v1/events?k=a", long(n)) }},
			{"bytes, in chunks", func(n int) string { return chunked(long(n)) }},
			{"bytes, compressed", func(n int) string { return zipped(long(n)) }},
			{"a key in the body", func(n int) string { return post("/v1/events", `{"writeKey":"a","batch":`+few(n)+`}`) }},
		} {
			s := serve(t, sink, func(o *collector.Options) {
				o.Now, o.Sources = at.Now, []*collector.Source{{ID: "a", Key: "a"}}
				limit(&o.Limits)
			})
			send := func(tokens, status int) {
				t.Helper()
				sink.take()
				r, body := s.send(k.raw(tokens))
				if r.StatusCode != status || status == 429 && !strings.Contains(body, "rate_limited") {
					t.Errorf("%s, %s: %d tokens: %d %s", name, k.name, tokens, r.StatusCode, body)
				}
				if stored := sink.take(); (len(stored) > 0) != (status == 200) {
					t.Errorf("%s, %s: %d tokens: stored %d", name, k.name, tokens, len(stored))
				}
			}
			send(20, 200)
			send(29, 200)
			send(20, 429)
			at.pass(time.Minute)
			send(500, 200) // more than ever fits: a full bucket takes it, once
			send(1, 429)
			at.pass(40 * time.Second)
			send(1, 429)
			at.pass(time.Minute)
			send(1, 200)
		}
	}
	// A body that unfolds a thousandfold is paid for while it does: it is refused as
	// soon as there is nothing left to pay with, and what it took is gone.
	s := serve(t, sink, func(o *collector.Options) {
		o.Now, o.Sources = at.Now, []*collector.Source{{ID: "a", Key: "a"}}
		o.Limits.SourceRate, o.Limits.SourceBurst = 10, 50
	})
	s.send(post("/v1/events?k=a", few(10)))
	for _, k := range []struct { // of the 40 that are left the first takes 32
		raw    string
		status int
	}{{zipped(long(2000)), 429}, {zipped(few(8)), 200}, {zipped(few(1)), 429}} {
		if r, body := s.send(k.raw); r.StatusCode != k.status {
			t.Errorf("%d %s", r.StatusCode, body)
		}
	}
	// What is announced is refused unread, and told when there is enough again.
	s = serve(t, sink, func(o *collector.Options) {
		o.Now = at.Now
		o.Limits.SourceRate, o.Limits.SourceBurst = 10, 50
	})
	s.send(post("/v1/events", order("m")))
	r, _ := s.send("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + strings.Repeat(" ", 40<<10))
	if after := r.Header.Get("Retry-After"); r.StatusCode != 429 || after != "1" && after != "2" || s.c.MemoryUsed() != 0 {
		t.Errorf("%d, come again in %s s", r.StatusCode, after)
	}
	s.send(post("/v1/events", few(40)))
	r, _ = s.send(post("/v1/events", few(40)))
	if after, _ := strconv.Atoi(r.Header.Get("Retry-After")); r.StatusCode != 429 || after < 4 || after > 8 {
		t.Errorf("%d, come again in %d s", r.StatusCode, after)
	}
}

// TestStrangersLeaveTheServerItsRate: who knows the public key of a server's source
// uses up no token of the server that shows its secret, and the other way round.
func TestStrangersLeaveTheServerItsRate(t *testing.T) {
	at := newClock()
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Now = at.Now
		o.Sources = []*collector.Source{{ID: "s", Kind: collector.KindServer, Key: "public", Bearer: "secret"}}
		o.Limits.SourceRate, o.Limits.SourceBurst = 1, 3
	})
	for _, sender := range []string{"Bearer public", "Bearer secret"} {
		for i := range 5 {
			r, body := s.send(post("/v1/events", order("m"), "Authorization: "+sender))
			if i >= 3 {
				refused(t, r, body, 429, "rate_limited")
			} else if r.StatusCode != 200 {
				t.Errorf("%s, request %d: %d %s", sender, i, r.StatusCode, body)
			}
		}
	}
}

// TestRatesCountWhatIsStored: a sender pays for what its request would store, where
// that is more than what it sent, and nothing of what it cannot pay for is stored.
func TestRatesCountWhatIsStored(t *testing.T) {
	const events = 100
	at, sink := newClock(), &fakeSink{}
	for name, limit := range map[string]func(l *collector.Limits, burst int){
		"source":  func(l *collector.Limits, burst int) { l.SourceRate, l.SourceBurst = 1, burst },
		"address": func(l *collector.Limits, burst int) { l.AddressRate, l.AddressBurst = 1, burst },
	} {
		for _, k := range []struct{ burst, status, stored int }{{1 + events, 429, 0}, {1 + 2*events, 200, events}} {
			s := serve(t, sink, withWindow(t, 1000), func(o *collector.Options) {
				o.Now = at.Now
				limit(&o.Limits, k.burst)
			})
			s.send(post("/v1/events", order("first"))) // the bucket is no longer full
			sink.take()
			var all []string
			for i := range events {
				all = append(all, strings.Replace(order("m-"+itoa(i)), `"o"`, `"`+strings.Repeat("o", 3950)+`"`, 1))
			}
			r, body := s.send(post("/v1/events", "["+strings.Join(all, ",")+"]"))
			if got := len(sink.take()); r.StatusCode != k.status || got != k.stored {
				t.Errorf("%s, a burst of %d: %d events are stored, %d %.200s", name, k.burst, got, r.StatusCode, body)
			}
		}
	}
}
