package collector_test

import (
	"strings"
	"testing"

	"assent/collector"
)

// TestQuestionsToPagesAreRated: a POST to a page takes from its address's rate,
// before its body is read; reading pages does not.
func TestQuestionsToPagesAreRated(t *testing.T) {
	asked := 0
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Now = newClock().Now
		o.Limits.AddressRate, o.Limits.AddressBurst = 1, 3
		o.Handlers = map[string]collector.Handler{"/page": func(r *collector.Request, a *collector.Answer) {
			asked++
			a.Status = 200
		}}
	})
	taken := func(n int, address string) (got int) {
		for range n {
			r, body := s.send(strings.Replace(post("/page", `{}`), "80.10.0.1", address, 1))
			if r.StatusCode == 200 {
				got++
				continue
			}
			refused(t, r, body, 429, "rate_limited")
		}
		return got
	}
	if got := taken(8, "12.0.0.1"); got != 3 {
		t.Errorf("%d questions of one address are answered, want 3", got)
	}
	if got := taken(8, "12.0.0.2"); got != 3 || asked != 6 {
		t.Errorf("%d questions of another address are answered, %d in all; want 3 and 6", got, asked)
	}
	for range 5 {
		if r, body := s.send("GET /page HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 12.0.0.1\r\n\r\n"); r.StatusCode != 200 {
			t.Errorf("reading the page: %d %s", r.StatusCode, body)
		}
	}
}
