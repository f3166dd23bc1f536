package dialect_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"assent/collector"
	"assent/collector/dialect"
	"assent/redact"
)

var update = flag.Bool("update", false, "rewrite events and answers of testdata/*.txtar")

// TestTraffic reads each request of testdata as the dialect of its route does, and holds
// the events and the answer against what stands there. An archive has
//
//	request  as it is sent, with LF and without Content-Length; of a body that ends
//	         with a line the last line feed is the archive's
//	events   the source key and the time of sending that stand beside the events, then
//	         a line for each event, as the dialect makes it, or why all are refused
//	answer   status, type and body, where all events that are JSON objects are accepted
func TestTraffic(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d archives, %v", len(files), err)
	}
	routed := map[string]bool{}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			asked, _, _ := strings.Cut(string(want), "-- events --\n")
			_, text, ok := strings.Cut(asked, "-- request --\n")
			if !ok {
				t.Fatal("no request")
			}
			route, r := parseRequest(t, text)
			routed[route.Method+" "+route.Path] = true
			events, answer := exchange(route.Dialect, r)
			got := asked + "-- events --\n" + events + "-- answer --\n" + answer
			switch {
			case *update:
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			case got != string(want):
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	for _, r := range dialect.Routes() {
		if !routed[r.Method+" "+r.Path] {
			t.Errorf("testdata has no request for %s %s", r.Method, r.Path)
		}
	}
}

// exchange reads a request by its dialect, and has it answer.
func exchange(d collector.Dialect, r *collector.Request) (events, answer string) {
	var out strings.Builder
	p := collector.NewPayload(3)
	err := d.Events(r, p)
	if p.Key != nil {
		fmt.Fprintf(&out, "key %s\n", p.Key)
	}
	if p.SentAt != nil {
		fmt.Fprintf(&out, "sent %s\n", p.SentAt)
	}
	results := make([]collector.Result, len(p.Events))
	for i, e := range p.Events {
		if results[i] = resultOf(e); e.Reason != "" {
			fmt.Fprintf(&out, "%s: ", e.Reason)
		}
		fmt.Fprintf(&out, "%s\n", bytes.ReplaceAll(e.Raw, []byte("\n"), nil))
	}
	if err != nil {
		var own *collector.RequestError
		if !errors.As(err, &own) {
			own = &collector.RequestError{Reason: collector.ReasonUnreadable, Detail: err.Error()}
		}
		fmt.Fprintf(&out, "refused %s\n", own)
		return out.String(), ""
	}
	a := collector.Answer{Status: 200}
	d.Answer(r, &a, results)
	body := string(a.Body)
	if !strings.HasSuffix(body, "\n") {
		body = strconv.QuoteToASCII(body) + "\n" // an image
	}
	return out.String(), fmt.Sprintf("%d %s\n%s", a.Status, a.ContentType, body)
}

// resultOf stands in for the steps after receive.
func resultOf(e collector.Event) (res collector.Result) {
	var members map[string]json.RawMessage
	if json.Unmarshal(e.Raw, &members) == nil {
		res.ID = members["messageId"]
	}
	_, err := collector.PeekObject(e.Raw)
	var syntax *redact.SyntaxError
	if res.Reason = e.Reason; errors.As(err, &syntax) && res.Reason == "" {
		res.Reason = collector.Reason(syntax.Reason.String())
	}
	if res.Reason != "" {
		res.Outcome = collector.Refused
	}
	return res
}

// parseRequest reads a request as it stands in an archive, and finds its route.
func parseRequest(t *testing.T, text string) (collector.Route, *collector.Request) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	hr, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\n\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range dialect.Routes() {
		if r.Method == hr.Method && r.Path == hr.URL.Path {
			return r, &collector.Request{
				Method: []byte(hr.Method), Path: []byte(hr.URL.Path), Host: []byte(hr.Host), Query: query(hr.URL.RawQuery),
				ContentType: []byte(hr.Header.Get("Content-Type")), Body: []byte(strings.TrimSuffix(body, "\n")),
			}
		}
	}
	t.Fatalf("no dialect has %s %s", hr.Method, hr.URL.Path)
	return collector.Route{}, nil
}

// query is a raw query string.
type query string

func (q query) Peek(key string) []byte {
	for k, v := range q.All() {
		if string(k) == key {
			return v
		}
	}
	return nil
}

func (q query) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for pair := range strings.SplitSeq(string(q), "&") {
			k, v, _ := strings.Cut(pair, "=")
			k, _ = url.QueryUnescape(k)
			v, _ = url.QueryUnescape(v)
			if pair != "" && !yield([]byte(k), []byte(v)) {
				return
			}
		}
	}
}
