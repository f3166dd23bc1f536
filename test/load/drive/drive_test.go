package drive

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// serve answers each request by handler on loopback.
func serve(t *testing.T, handler fasthttp.RequestHandler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &fasthttp.Server{Handler: handler}
	go s.Serve(ln)
	t.Cleanup(func() { s.Shutdown() })
	return ln.Addr().String()
}

func get(dst []byte, _ int) []byte { return append(dst, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"...) }

func TestSchedule(t *testing.T) {
	addr := serve(t, func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("yes") })
	var tally Tally
	took, err := Run(context.Background(), Plan{Addr: addr, Connections: 8, Rate: 1000, For: time.Second, Request: get, Answer: tally.Answer})
	h, not := tally.Take()
	if err != nil || not != 0 || h.Count != 1000 || took < time.Second {
		t.Errorf("%d answers and %d failures in %s, %v; want the 1000 of the schedule", h.Count, not, took, err)
	}
}

// TestStall: a server that stops for 300 ms is charged for each request that was
// due meanwhile, whatever connection it was for.
func TestStall(t *testing.T) {
	stalled := false
	var until time.Time
	addr := serve(t, func(ctx *fasthttp.RequestCtx) {
		if !stalled { // one connection: no two requests are served at once
			stalled, until = true, time.Now().Add(300*time.Millisecond)
		}
		time.Sleep(time.Until(until))
		ctx.SetStatusCode(204)
	})
	var tally Tally
	if _, err := Run(context.Background(), Plan{Addr: addr, Connections: 1, Rate: 1000, For: 600 * time.Millisecond, Request: get, Answer: tally.Answer}); err != nil {
		t.Fatal(err)
	}
	h, not := tally.Take()
	// 300 requests waited 300 ms down to 0, the other 300 as long as the machine let them.
	if q := h.Quantile(0.75); not != 0 || h.Count != 600 || q < 140*time.Millisecond {
		t.Errorf("three quarters of %d answers within %s, %d failures; want the stall charged to the 300 that it met", h.Count, q, not)
	}
}

func TestClosedLoopAndLostConnections(t *testing.T) {
	n := 0
	addr := serve(t, func(ctx *fasthttp.RequestCtx) {
		n++ // one connection
		ctx.SetStatusCode(204)
		if n == 5 {
			ctx.SetStatusCode(503)
			ctx.SetConnectionClose()
		}
	})
	var tally Tally
	statuses := map[int]int{}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Run(ctx, Plan{Addr: addr, Connections: 1, Request: get, Answer: func(i int, took time.Duration, status int) {
		tally.Answer(i, took, status)
		if statuses[status]++; i == 20 {
			cancel()
		}
	}})
	if h, not := tally.Take(); err != nil || not < 1 || h.Count < 19 || statuses[503] != 1 {
		t.Errorf("%d answers, %d failures, %v, %v", h.Count, not, statuses, err)
	}
}

func TestQuantile(t *testing.T) {
	var h, other Histogram
	for i := range 500 {
		h.Add(time.Duration(i+1) * time.Millisecond)
		other.Add(time.Duration(i+501) * time.Millisecond)
	}
	h.Merge(&other)
	for q, want := range map[float64]float64{0.5: 500, 0.99: 990, 1: 1000, 0: 1} {
		if got := h.Millis(q); got < want || got > want*1.02 {
			t.Errorf("quantile %v: %v ms, want %v", q, got, want)
		}
	}
	if (&Histogram{}).Quantile(0.5) != 0 {
		t.Error("a quantile of nothing")
	}
}
