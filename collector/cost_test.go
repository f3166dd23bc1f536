package collector_test

import (
	"strings"
	"testing"

	"assent/collector"
)

// TestStoredBytes: what one request may commit is bounded, whatever multiplies its
// events; past it the request is refused whole, and is no repeat when it comes again
// in parts.
func TestStoredBytes(t *testing.T) {
	const events, decompressed = 300, 36 << 10
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 1000), func(o *collector.Options) { o.Limits.Decompressed = decompressed })
	var all []string
	for i := range events {
		all = append(all, order("m-"+itoa(i)))
	}
	send := func(part []string) (int, string) {
		r, body := s.send(post("/v1/events", packed(t, "["+strings.Join(part, ",")+"]"), "Content-Encoding: gzip"))
		return r.StatusCode, body
	}
	if status, body := send(all); status != 413 || !strings.Contains(body, `"urn:assent:problem:body_too_large"`) {
		t.Errorf("%d %s", status, body)
	}
	if got := sink.take(); len(got) != 0 || sink.commits != 0 {
		t.Errorf("%d records of a refused request are stored", len(got))
	}
	for len(all) > 0 {
		if status, body := send(all[:50]); status != 200 || !strings.Contains(body, `"accepted":50,`) {
			t.Errorf("a part: %d %s", status, body)
		}
		all = all[50:]
	}
	if got := sink.take(); len(got) != events {
		t.Errorf("%d of %d events are stored", len(got), events)
	}
}
