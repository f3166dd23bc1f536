package e2e

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// TestShapes sends events in every shape and coding the contract names.
func TestShapes(t *testing.T) {
	t.Parallel()
	p := start(t)
	one := func(a, _ string) string { return a }
	array := func(a, b string) string { return "[" + a + ", " + b + "]" }
	ndjson := func(a, b string) string { return a + "\n" + b }
	packing := func(coding string, body func(a, b string) string) func(a, b string) string {
		return func(a, b string) string { return packed(t, coding, body(a, b)) }
	}
	for i, c := range []struct {
		name    string
		body    func(a, b string) string // of two events
		headers []string
		events  int // that it holds
	}{
		{"single", one, nil, 1},
		{"no content type", one, []string{"Content-Type: "}, 1},
		{"array", array, []string{"Content-Type: application/json"}, 2},
		{"batch", func(a, b string) string {
			return `{"sentAt":"2020-01-01T00:00:00Z","batch":` + array(a, b) + `,"context":{}}`
		}, nil, 2},
		{"escaped batch", func(a, b string) string { return `{"b\u0061tch":` + array(a, b) + `}` }, nil, 2},
		{"ndjson", func(a, b string) string { return a + "\n\n" + b + "\r\n" }, []string{"Content-Type: application/x-ndjson; charset=utf-8"}, 2},
		{"ndjson without last line feed", ndjson, []string{"Content-Type: application/x-ndjson"}, 2},
		{"beacon", one, []string{"Content-Type: text/plain;charset=UTF-8"}, 1},
		{"form type", func(a, _ string) string { return "[" + a + "]" }, []string{"Content-Type: application/x-www-form-urlencoded"}, 1},
		{"white space around", func(a, _ string) string { return " \r\n\t" + a + "\n " }, nil, 1},
		{"gzip", packing("gzip", one), []string{"Content-Encoding: gzip"}, 1},
		{"gzip of two members", func(a, _ string) string { return packed(t, "gzip", a[:20]) + packed(t, "gzip", a[20:]) }, []string{"Content-Encoding: GZIP"}, 1},
		{"br", packing("br", array), []string{"Content-Encoding: br"}, 2},
		{"zstd", packing("zstd", one), []string{"Content-Encoding: zstd"}, 1},
		{"deflate, zlib", packing("zlib", one), []string{"Content-Encoding: deflate"}, 1},
		{"deflate, raw", packing("flate", one), []string{"Content-Encoding: deflate"}, 1},
		{"identity", one, []string{"Content-Encoding: identity"}, 1},
		{"ndjson, zstd", packing("zstd", ndjson), []string{"Content-Encoding: zstd", "Content-Type: application/x-ndjson"}, 2},
	} {
		before := len(p.records("events"))
		first, last := fmt.Sprintf("%d-a", i), fmt.Sprintf("%d-b", i)
		body := c.body(order(first), order(last))
		if c.events == 1 {
			last = first
		}
		r := p.send("POST", "/v1/events", body, append(c.headers, inFrance)...)
		if r.status != 200 || r.body != accepted(c.events) {
			t.Errorf("%s: got %d %s", c.name, r.status, r.body)
		}
		if r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: content type %q", c.name, r.header.Get("Content-Type"))
		}
		got := p.records("events")[before:]
		if len(got) != c.events || !strings.Contains(string(got[0].Value), `"messageId":"`+first+`"`) ||
			!strings.Contains(string(got[c.events-1].Value), `"messageId":"`+last+`"`) {
			t.Errorf("%s: the files hold %d more records, not the %d sent in their order", c.name, len(got), c.events)
		}
	}
	if bad := p.records("events.bad"); len(bad) != 0 {
		t.Errorf("%d bad rows of good events", len(bad))
	}
	p.stop()
}

// packed compresses.
func packed(t *testing.T, coding, body string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, err = zstd.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	case "flate":
		w, err = flate.NewWriter(&b, 6)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestItems puts every kind of bad event between two good ones: it is answered
// by its index and id, leaves a bad row, and costs the others nothing.
func TestItems(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, c := range []struct {
		name, item, id, reason string
		ndjsonOnly             bool // would change where the items of an array end
	}{
		{"no type", `{"messageId":"x1"}`, `"x1"`, "type_missing", false},
		{"type of another kind", `{"type":7,"messageId":"x2"}`, `"x2"`, "type_invalid", false},
		{"empty type", `{"type":"","messageId":"x2"}`, `"x2"`, "type_invalid", false},
		{"null type", `{"type":null}`, "null", "type_invalid", false},
		{"event of another kind", `{"type":"track","event":{"a":1},"messageId":"x3"}`, `"x3"`, "event_name_invalid", false},
		{"too large", `{"type":"track","event":"Order Completed","pad":"` + strings.Repeat("x", 300<<10) + `"}`, "null", "event_too_large", false},
		{"a number", `7`, "null", "not_an_object", false},
		{"a string", `"track"`, "null", "not_an_object", false},
		{"null", `null`, "null", "not_an_object", false},
		{"an array", `[{"type":"track"}]`, "null", "not_an_object", false},
		{"type said twice", `{"type":"track","type":"page"}`, "null", "duplicate_key", false},
		{"type said twice, escaped", `{"type":"track","ty\u0070e":"page"}`, "null", "duplicate_key", false},
		{"invalid UTF-8", "{\"type\":\"track\",\"event\":\"\xff\"}", "null", "invalid_utf8", false},
		{"invalid UTF-8 in a key", "{\"type\":\"track\",\"a\xc3\":1}", "null", "invalid_utf8", false},
		{"control character", "{\"type\":\"track\",\"a\":\"\x01\"}", "null", "control_character", false},
		{"bad escape", `{"type":"track","a":"\q"}`, "null", "bad_escape", false},
		{"lone surrogate", `{"type":"track","a":"\ud800"}`, "null", "lone_surrogate", false},
		{"bad number", `{"type":"track","a":01}`, "null", "bad_number", false},
		{"bad literal", `{"type":"track","a":nul}`, "null", "bad_literal", false},
		{"missing comma", `{"type":"track" "a":1}`, "null", "unexpected_byte", false},
		{"trailing comma", `{"type":"track",}`, "null", "unexpected_byte", false},
		{"too deep", `{"type":"track","a":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, "null", "too_deep", false},
		{"cut", `{"type":"track","a":`, "null", "unexpected_end", true},
		{"trailing bytes", `{"type":"track"} x`, "null", "trailing_bytes", true},
		{"byte order mark", "\xef\xbb\xbf" + `{"type":"track"}`, "null", "bom", true},
	} {
		for _, form := range []string{"array", "batch", "ndjson"} {
			if c.ndjsonOnly && form != "ndjson" {
				continue
			}
			good, bad := len(p.records("events")), len(p.records("events.bad"))
			body, media := "["+anOrder()+","+c.item+","+anOrder()+"]", "application/json"
			switch form {
			case "batch":
				body = `{"batch":` + body + `}`
			case "ndjson":
				body, media = anOrder()+"\n"+c.item+"\n"+anOrder(), "application/x-ndjson"
			}
			r := p.send("POST", "/v1/events", body, "Content-Type: "+media, inFrance)
			want := fmt.Sprintf(`{"accepted":2,"withheld":0,"refused":[{"index":1,"id":%s,"reason":"%s"}]}`+"\n", c.id, c.reason)
			if r.status != 200 || r.body != want {
				t.Errorf("%s in %s: got %d %swant 200 %s", c.name, form, r.status, r.body, want)
				continue
			}
			if got := p.records("events")[good:]; len(got) != 2 {
				t.Errorf("%s in %s: %d records of two good events", c.name, form, len(got))
			}
			rows := p.records("events.bad")[bad:]
			if len(rows) != 1 || rows[0].Key != nil || !strings.Contains(string(rows[0].Value), `"reason":"`+c.reason+`","size":`+fmt.Sprint(len(c.item))) {
				t.Errorf("%s in %s: bad rows %v", c.name, form, rows)
			}
		}
	}
	// The type of an event is the sender's text and may be anything; its header may not.
	if r := p.send("POST", "/v1/events", `{"type":"x\r\ny","event":"Order Completed"}`, inFrance); r.status != 200 {
		t.Errorf("a type with line ends: %d %s", r.status, r.body)
	}
	p.stop()
}

// TestPixel takes events out of a query.
func TestPixel(t *testing.T) {
	t.Parallel()
	p := start(t)
	data := func() string { return "data=" + base64.RawURLEncoding.EncodeToString([]byte(anOrder())) }
	for _, query := range []string{
		"type=track&event=Order+Completed&messageId=p-1&properties.order_id=o%221&properties.total=5&undeclared=secret&k=key",
		data(), data() + "==", data() + url.QueryEscape("==") + "&type=page",
	} {
		before := len(p.records("events"))
		r := p.send("GET", "/v1/pixel.gif?"+query, "", inFrance)
		if r.status != 200 || r.header.Get("Content-Type") != "image/gif" || r.header.Get("Cache-Control") != "no-store" ||
			len(r.body) != 43 || !strings.HasPrefix(r.body, "GIF89a\x01\x00\x01\x00") {
			t.Errorf("%s: got %d %v %q", query, r.status, r.header, r.body)
		}
		if got := p.records("events")[before:]; len(got) != 1 || strings.Contains(string(got[0].Value), "secret") {
			t.Errorf("%s: records %v", query, got)
		}
	}
	if got := string(p.records("events")[0].Value); !strings.Contains(got, `"properties":{"order_id":"o\"1","total":"5"}`) {
		t.Errorf("the fields by argument: %s", got)
	}
	p.send("GET", "/v1/pixel.gif?data=%21%21", "", inFrance).problem(t, 400, "body_unreadable")
	p.send("GET", "/v1/pixel.gif?type=track&properties=x&properties.a=y", "", inFrance).problem(t, 400, "body_unreadable")
	p.send("GET", "/v1/pixel.gif?a.b.c.d.e.f.g.h.i.j=x", "", inFrance).problem(t, 400, "body_unreadable")
	p.send("GET", "/v1/pixel.gif", "", inFrance).problem(t, 400, "body_empty")
	p.stop()
}

// TestProtocol asks in every wrong way.
func TestProtocol(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.send("GET", "/v1/nothing", "").problem(t, 404, "not_found")
	for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
		r := p.send(method, "/v1/events", "")
		r.problem(t, 405, "method_not_allowed")
		if allow := r.header.Get("Allow"); allow != "OPTIONS, POST" {
			t.Errorf("%s: Allow %q", method, allow)
		}
	}
	if r := p.send("HEAD", "/v1/events", ""); r.status != 405 || r.body != "" {
		t.Errorf("HEAD of a route to post to: %d %q", r.status, r.body)
	}
	if r := p.send("HEAD", "/v1/consent", "", inFrance); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
	p.send("POST", "/v1/events", "").problem(t, 400, "body_empty")
	p.send("POST", "/v1/events", "[]").problem(t, 400, "body_empty")
	p.send("POST", "/v1/events", `{"batch":[]}`).problem(t, 400, "body_empty")
	p.send("POST", "/v1/events", "hello").problem(t, 400, "body_unreadable")
	p.send("POST", "/v1/events", order("a"), "Content-Encoding: compress").problem(t, 415, "encoding_unsupported")
	p.send("POST", "/v1/events", order("a"), "Content-Encoding: gzip, br").problem(t, 415, "encoding_unsupported")
	p.send("POST", "/v1/events", order("a"), "Content-Encoding: gzip").problem(t, 400, "decompression_failed")
	if got := p.raw("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n" + strings.Repeat("x", 8<<10)); !strings.HasPrefix(got, "HTTP/1.1 413 ") ||
		!strings.Contains(got, `"urn:assent:problem:body_too_large"`) {
		t.Errorf("a body announced too large: %s", got)
	}
	// A sender that does not look up while it sends gets the answer all the same.
	for range 20 {
		p.send("POST", "/v1/events", order("a"), "X-Long: "+strings.Repeat("x", 40<<10)).problem(t, 431, "header_too_large")
		p.send("POST", "/v1/events", strings.Repeat("x", 6<<20)).problem(t, 413, "body_too_large")
	}
	p.send("POST", "/v1/events", "["+strings.Repeat("1,", 2000)+"1]").problem(t, 413, "too_many_events")
	p.send("POST", "/v1/consent", `{"all":"denied"}`, "Origin: "+p.URL, "Content-Type: text/plain").problem(t, 415, "media_type_unsupported")
	p.send("POST", "/v1/consent", `{"all":"denied"}`, "Sec-Fetch-Site: cross-site", "Content-Type: application/json").problem(t, 403, "origin_not_allowed")
	if r := p.send("GET", "/.well-known/gpc.json", ""); r.status != 200 || !strings.HasPrefix(r.body, `{"gpc":true,`) {
		t.Errorf("gpc.json: %d %s", r.status, r.body)
	}
	p.works()
	p.stop()
}
