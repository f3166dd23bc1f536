package rig

import (
	"bytes"
	"encoding/json"
	"strconv"
	"testing"
)

// TestRequests: what is sent is one HTTP request of valid JSON whose length is
// the one announced, with numbers that are found again.
func TestRequests(t *testing.T) {
	single, err := Single("/v1/events", "run-a-", []string{"x=1", "y=2"})
	if err != nil {
		t.Fatal(err)
	}
	batches, mean := Batches("/v1/events", "run-a-", nil)
	if mean < 300 || mean > 1000 {
		t.Errorf("an event of a batch has %.0f bytes", mean)
	}
	for n := range 300 {
		one, many := body(t, single(nil, n)), body(t, batches(nil, n))
		if got := numberOf(one, "run-a-"); got != n {
			t.Errorf("number %d of event %d", got, n)
		}
		var list []json.RawMessage
		if err := json.Unmarshal(many, &list); err != nil || len(list) != BatchSize {
			t.Fatalf("batch %d of %d events: %v\n%s", n, len(list), err, many)
		}
		for k, e := range list {
			if got := numberOf(e, "run-a-"); got != n*BatchSize+k {
				t.Errorf("number %d of event %d in batch %d", got, k, n)
			}
		}
	}
	if numberOf([]byte(`{"messageId":"run-b-000000000001"}`), "run-a-") != -1 || numberOf([]byte(`{"messageId":"run-a-0000"}`), "run-a-") != -1 {
		t.Error("a number in another run's event")
	}
}

func body(t *testing.T, request []byte) []byte {
	t.Helper()
	head, body, _ := bytes.Cut(request, []byte("\r\n\r\n"))
	_, length, _ := bytes.Cut(head, []byte("Content-Length: "))
	if want, err := strconv.Atoi(string(length)); err != nil || want != len(body) || !json.Valid(body) {
		t.Fatalf("a body of %d bytes announced as %q: %s", len(body), length, body)
	}
	return body
}
