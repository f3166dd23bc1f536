//go:build !race

package collector_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/valyala/fasthttp"

	"assent/sinks"
)

// TestAllocs pins the road of an event, from a parsed HTTP request to the answer,
// at no allocation once its memory is warm: identity body, subject cached.
func TestAllocs(t *testing.T) {
	event, err := os.ReadFile("../redact/testdata/event.json")
	if err != nil {
		t.Fatal(err)
	}
	event = bytes.TrimSpace(event)
	order := []byte(`{"type":"track","event":"Order Completed","messageId":"m","anonymousId":"tracker-9","properties":{"order_id":"o","email":"ann@example.com"}}`)
	page := []byte(`{"type":"page","name":"Home"}`)
	c, _ := newCollector(t, sinks.Discard{})
	for _, k := range []struct {
		name   string
		body   []byte
		answer string
		change func(*fasthttp.Request)
	}{
		{"one event of 1 kB, granted", event, `{"accepted":1,"withheld":0`, nil},
		{"with a keyed hash", order, `{"accepted":1,"withheld":0`, nil},
		{"a batch of 20", batchOf(event, 20), `{"accepted":20,"withheld":0`, nil},
		{"an array of 20", arrayOf(order, 20), `{"accepted":20,"withheld":0`, nil},
		{"lines", bytes.Repeat(append(bytes.Clone(order), '\n'), 20), `{"accepted":20,"withheld":0`, func(r *fasthttp.Request) {
			r.Header.SetContentType("application/x-ndjson")
		}},
		{"nothing chosen, withheld", page, `{"accepted":1,"withheld":1`, func(r *fasthttp.Request) { r.Header.DelAllCookies() }},
		{"nothing chosen, an order of a tracker nobody linked", order, `{"accepted":1,"withheld":0`, func(r *fasthttp.Request) { r.Header.DelAllCookies() }},
		{"United States, two recipients, Sec-GPC", event, `{"accepted":1,"withheld":0`, func(r *fasthttp.Request) {
			r.Header.Set("X-Forwarded-For", "12.0.0.1")
			r.Header.Set("Sec-GPC", "1")
		}},
		{
			"category preferences", []byte(`{"type":"page","name":"Home","context":{"consent":{"categoryPreferences":{"Analytics":true,"Advertising":false}}}}`),
			`{"accepted":1,"withheld":0`, nil,
		},
	} {
		ctx := consented(t, c, k.body)
		if k.change != nil {
			k.change(&ctx.Request)
		}
		run := func() {
			ctx.Response.Reset()
			c.Handle(ctx)
		}
		run()
		if got := ctx.Response.Body(); ctx.Response.StatusCode() != 200 || !bytes.HasPrefix(got, []byte(k.answer)) {
			t.Errorf("%s: got %d %s", k.name, ctx.Response.StatusCode(), got)
		}
		if n := testing.AllocsPerRun(200, run); n != 0 {
			t.Errorf("%s: %v allocations a request", k.name, n)
		}
	}
}

func arrayOf(event []byte, n int) []byte {
	return append(append([]byte{'['}, bytes.Join(repeat(event, n), []byte{','})...), ']')
}

func batchOf(event []byte, n int) []byte {
	return append(append([]byte(`{"batch":`), arrayOf(event, n)...), '}')
}

func repeat(event []byte, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = event
	}
	return out
}
