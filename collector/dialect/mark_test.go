package dialect

import (
	"strings"
	"testing"

	"assent/collector"
)

// TestMarkIsNoContent: a byte order mark before a body changes nothing of what is
// read, and none within it is passed over.
func TestMarkIsNoContent(t *testing.T) {
	const mark = "\ufeff"
	read := func(contentType, body string) ([]collector.Event, error) {
		p := collector.NewPayload(10)
		err := Native{}.Events(&collector.Request{ContentType: []byte(contentType), Body: []byte(body)}, p)
		return p.Events, err
	}
	for _, c := range []struct {
		contentType, body string
		events            int
	}{
		{"application/json", `{"type":"page"}`, 1},
		{"application/json", "\n [{\"type\":\"page\"},{\"type\":\"page\"}]", 2},
		{"application/json", `{"batch":[{"type":"page"},{"type":"page"}]}`, 2},
		{"application/json", `{"batch":[{"type":"page"},{"type":}]}`, 2},
		{"text/plain", `{"type":"page"}`, 1},
		{"application/x-ndjson", "{\"type\":\"page\"}\n{\"type\":\"page\"}\n", 2},
		{"application/x-ndjson", "\n{\"type\":\"page\"}", 1},
	} {
		for _, body := range []string{c.body, mark + c.body} {
			events, err := read(c.contentType, body)
			if err != nil || len(events) != c.events {
				t.Errorf("%s %q: %d events, %v; want %d", c.contentType, body, len(events), err, c.events)
			}
			for _, e := range events {
				if strings.Contains(string(e.Raw), mark) {
					t.Errorf("%s %q: the mark is in an event", c.contentType, body)
				}
			}
		}
	}
	if _, err := read("application/json", mark+mark+`{}`); err == nil {
		t.Error("two marks are passed over")
	}
	if events, err := read("application/json", mark); err != nil || len(events) != 0 {
		t.Errorf("a mark alone: %d events, %v", len(events), err)
	}
}
