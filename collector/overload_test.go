package collector_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/collector"
	"assent/sinks"
)

func itoa(n int) string { return strconv.Itoa(n) }

// order is an event that the law of every place lets through in part.
func order(id string) string {
	return fmt.Sprintf(`{"type":"track","event":"Order Completed","messageId":%q,"properties":{"order_id":"o"}}`, id)
}

const choice = `{"purposes":{"analytics":"denied"},"method":"banner"}`

// TestAdmission: while the sink takes nothing, events are refused before their
// body is read, in every way a body can come, and choices and pages are not.
func TestAdmission(t *testing.T) {
	sink := &fakeSink{admit: map[string]error{"": errFull}}
	s := serve(t, sink)
	for _, raw := range []string{
		post("/v1/events", order("a")),
		"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n{", // and no more of it
		"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\nExpect: 100-continue\r\n\r\n",
		"POST /v1/events?k=x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET /v1/pixel.gif?e=x HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		r, body := s.send(raw)
		refused(t, r, body, 503, "sink_unavailable")
	}
	if r, body := s.send(post("/v1/consent", choice)); r.StatusCode != 201 {
		t.Errorf("a choice is answered %d %s", r.StatusCode, body)
	}
	if r, _ := s.send("GET /v1/consent HTTP/1.1\r\nHost: a\r\n\r\n"); r.StatusCode != 200 {
		t.Errorf("the state is answered %d", r.StatusCode)
	}
	if sink.commits != 0 {
		t.Errorf("%d commits", sink.commits)
	}
	// A sender that goes on sending sees the answer all the same.
	r, body := s.send(post("/v1/events", strings.Repeat(" ", 3<<20)))
	refused(t, r, body, 503, "sink_unavailable")
	if !r.Close {
		t.Error("the connection is not closed though its body was not read")
	}
	sink.set(func(s *fakeSink) { s.admit = nil })
	if r, body := s.send(post("/v1/events", order("a"))); r.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", r.StatusCode, body)
	}
}

// TestAdmissionOfOneSource: what one source may not, another may.
func TestAdmissionOfOneSource(t *testing.T) {
	sink := &fakeSink{admit: map[string]error{"flood": errFull}}
	s := serve(t, sink, func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "flood", Key: "f"}, {ID: "calm", Key: "c"}}
	})
	for _, f := range []func(key string) (*http.Response, string){
		func(key string) (*http.Response, string) { return s.send(post("/v1/events?k="+key, order("a"))) },
		func(key string) (*http.Response, string) {
			return s.send(post("/v1/events", `{"writeKey":"`+key+`","batch":[`+order("a")+`]}`))
		},
		func(key string) (*http.Response, string) {
			return s.send(post("/v1/events?k="+key, `[`+order("a")+strings.Repeat(" ", 100<<10)+`]`))
		},
	} {
		r, body := f("f")
		refused(t, r, body, 503, "sink_unavailable")
		if r, body := f("c"); r.StatusCode != 200 {
			t.Errorf("the other source is answered %d %s", r.StatusCode, body)
		}
	}
}

// TestContinue: a sender that asks first is told to go on only where it may.
func TestContinue(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) { o.Sources = []*collector.Source{{ID: "a", Key: "k"}} })
	head := func(query string, n int) string {
		return "POST /v1/events" + query + " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: " + itoa(n) + "\r\n\r\n"
	}
	r, body := s.send(head("?k=wrong", 100))
	refused(t, r, body, 401, "source_unknown")
	r, body = s.send(head("?k=k", 5<<20))
	refused(t, r, body, 413, "body_too_large")
	r, body = s.send(strings.Replace(head("", 70<<10), "/v1/events", "/v1/consent", 1))
	refused(t, r, body, 413, "body_too_large")

	conn := s.dial()
	br := bufio.NewReader(conn)
	event := "[" + order("a") + strings.Repeat(" ", 100<<10) + "]"
	for range 2 {
		_, _ = io.WriteString(conn, head("?k=k", len(event)))
		if line, err := br.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Fatalf("told %q %v", line, err)
		}
		_, _ = br.ReadString('\n')
		_, _ = io.WriteString(conn, event)
		if r, body := answer(t, br); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, body)
		}
	}
}

// TestBodies: each way a body can come and end, on connections that are used again.
func TestBodies(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) { o.Limits.Body = 300 << 10 })
	chunked := func(chunks ...string) string {
		var b strings.Builder
		for _, c := range chunks {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(c), c)
		}
		return "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nX-Forwarded-For: 80.10.0.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b.String() + "0\r\n\r\n"
	}
	pad := func(n int) string { return strings.Repeat(" ", n) }
	conn := s.dial()
	br := bufio.NewReader(conn)
	for i, raw := range []string{
		post("/v1/events", order("1")),
		post("/v1/events", order("2")+pad(prefetch-len(order("2")))),
		post("/v1/events", order("3")+pad(prefetch+1-len(order("3")))),
		post("/v1/events", order("4")+pad(200<<10)),
		post("/v1/events", order("5")+pad(300<<10-len(order("5")))),
		chunked(order("6")),
		chunked(order("7"), pad(100), pad(70<<10)),
		chunked(order("8")[:20], order("8")[20:], pad(290<<10)),
		post("/v1/events", order("9")),
	} {
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		if r, body := answer(t, br); r.StatusCode != 200 || !strings.Contains(body, `"accepted":1`) {
			t.Errorf("body %d: %d %s", i+1, r.StatusCode, body)
		}
	}
	if got := len(sink.take()); got != 9 {
		t.Errorf("%d of 9 are stored", got)
	}
	// Two requests in one go.
	if _, err := io.WriteString(conn, post("/v1/events", order("10")+pad(9<<10))+chunked(order("11"))+post("/v1/events", "{}")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if r, _ := answer(t, br); r.StatusCode != 200 {
			t.Errorf("got %d", r.StatusCode)
		}
	}
	sink.take()

	for _, c := range []struct {
		raw    string
		status int
		reason string
	}{
		{post("/v1/events", order("a")+pad(300<<10)), 413, "body_too_large"},
		{chunked(order("a"), pad(300<<10)), 413, "body_too_large"},
		{chunked(order("a"), pad(150<<10), pad(150<<10)), 413, "body_too_large"},
		{post("/v1/consent", choice+pad(64<<10)), 413, "body_too_large"},
		{strings.TrimSuffix(chunked(order("a")), "0\r\n\r\n") + "zz\r\n", 400, "body_unreadable"},
	} {
		r, body := s.send(c.raw)
		refused(t, r, body, c.status, c.reason)
	}
	// What is cut short is no body, though what came of it would be one.
	for _, raw := range []string{
		strings.TrimSuffix(chunked(order("cut")), "0\r\n\r\n"),
		strings.TrimSuffix(chunked(order("cut")), "\r\n0\r\n\r\n"),
		post("/v1/events", order("cut")+pad(20<<10))[:15<<10],
		post("/v1/events", order("cut")+pad(20))[:200],
	} {
		conn := s.dial()
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(conn); strings.HasPrefix(string(got), "HTTP/1.1 2") {
			t.Errorf("%.30q: %s", raw[len(raw)-30:], got)
		}
	}
	if got := sink.take(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
	if used := s.c.MemoryUsed(); used != 0 {
		t.Errorf("%d bytes were not given back", used)
	}
}

const prefetch = 8 << 10

// TestUnreadBodyIsNoRequest: what follows a request refused unread is not taken
// for the next one (request smuggling).
func TestUnreadBodyIsNoRequest(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) { o.Sources = []*collector.Source{{ID: "a", Key: "k"}} })
	inner := post("/v1/events?k=k", order("smuggled"))
	for _, path := range []string{"/v1/events?k=wrong", "/nowhere", "/v1/consent?k=wrong"} {
		for _, body := range []string{strings.Repeat(" ", 20<<10) + inner, inner} {
			conn := s.dial()
			_, _ = io.WriteString(conn, post(path, body))
			time.Sleep(20 * time.Millisecond)
			_ = conn.(*net.TCPConn).CloseWrite()
			got, _ := io.ReadAll(conn)
			if n := strings.Count(string(got), "HTTP/1.1 "); n != 1 {
				t.Errorf("%s: %d answers: %s", path, n, got)
			}
		}
	}
	if got := sink.take(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

// TestMemory: bodies above 64 KiB share a budget; what does not fit is refused
// before it is read, and all of it comes back, however a request ends.
func TestMemory(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) {
		o.Limits.Memory = 1 << 20
		o.Limits.ReadTimeout = 5 * time.Second
	})
	half := "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 600000\r\n\r\n" + strings.Repeat(" ", 20<<10)
	most := half + strings.Repeat(" ", 570_000)
	first := s.dial()
	_, _ = io.WriteString(first, most)
	waitFor(t, func() bool { return s.c.MemoryUsed() == 600000 })

	r, body := s.send(half)
	refused(t, r, body, 503, "overloaded")
	r, body = s.send(strings.TrimSpace(half) + "\r\nExpect: 100-continue\r\n\r\n")
	refused(t, r, body, 503, "overloaded")
	r, body = s.send("POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s", 600000, strings.Repeat(" ", 600000)))
	refused(t, r, body, 503, "overloaded")
	r, body = s.send(post("/v1/events", packed(t, strings.Repeat(" ", 600000)), "Content-Encoding: gzip"))
	refused(t, r, body, 503, "overloaded")
	// What is small needs none, a choice in particular.
	if r, body := s.send(post("/v1/events", order("a")+strings.Repeat(" ", 60<<10))); r.StatusCode != 200 {
		t.Errorf("a small body: %d %s", r.StatusCode, body)
	}
	if r, _ := s.send(post("/v1/consent", choice)); r.StatusCode != 201 {
		t.Errorf("a choice: %d", r.StatusCode)
	}

	// The slow one is cut off and its memory is there again.
	r, body = answer(t, bufio.NewReader(first))
	refused(t, r, body, 408, "request_timeout")
	waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
	for range 3 { // one that is reset in the middle, then one that is good
		conn := s.dial()
		_, _ = io.WriteString(conn, most)
		waitFor(t, func() bool { return s.c.MemoryUsed() == 600000 })
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
		waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
	}
	if r, body := s.send(post("/v1/events", order("a")+strings.Repeat(" ", 600000))); r.StatusCode != 200 {
		t.Errorf("afterwards: %d %s", r.StatusCode, body)
	}
	waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
}

// TestSilentBodies: who announces a long body and does not send it takes the memory
// of what came, and leaves others theirs.
func TestSilentBodies(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Limits.Memory, o.Limits.ReadTimeout = 1<<20, time.Minute
	})
	for i := range 4 {
		_, _ = io.WriteString(s.dial(), "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n"+strings.Repeat(" ", 70_000))
		waitFor(t, func() bool { return s.c.MemoryUsed() == int64(i+1)*128<<10 })
	}
	if r, body := s.send(post("/v1/events", order("a")+strings.Repeat(" ", 400_000))); r.StatusCode != 200 {
		t.Errorf("another's body: %d %s", r.StatusCode, body)
	}
}

// TestManyLargeBodies: 4,000 connections that announce 4 MiB each and send some of
// it take no more than the budget and what connections cost.
func TestManyLargeBodies(t *testing.T) {
	const connections = 4000
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Limits.Connections, o.Limits.ReadTimeout = connections+connections/8, 5*time.Minute
	})
	before := heap()
	head := "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n" + strings.Repeat(" ", 80<<10)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range connections / 16 {
				_, _ = io.WriteString(s.dial(), head)
			}
		})
	}
	all.Wait()
	// Each of them waits for the rest of its body with 128 KiB of the budget, or is refused.
	refusals := 0
	waitFor(t, func() bool {
		refusals = s.metric(`assent_collector_refused_total{reason="overloaded"}`)
		return refusals+int(s.c.MemoryUsed()/(128<<10)) == connections
	})
	if grown := heap() - before; grown > 256<<20+connections*48<<10 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	if used := s.c.MemoryUsed(); used > 256<<20 || used < 200<<20 {
		t.Errorf("%d MiB of the budget are used", used>>20)
	}
	if refusals < connections/3 {
		t.Errorf("%d refusals", refusals)
	}
	if r, body := s.send(post("/v1/events", order("a"))); r.StatusCode != 200 {
		t.Errorf("a small one meanwhile: %d %s", r.StatusCode, body)
	}
}

// TestEventCost: what requests of very many very small events take is what they
// took of the budget; one for which there is none left is refused, and one of a few
// events is not.
func TestEventCost(t *testing.T) {
	const requests, events = 40, 1480
	body := "[" + strings.TrimSuffix(strings.Repeat(`{"type":"track","event":"Order Completed"},`, events), ",") + "]"
	for _, from := range []string{"80.10.0.1", "12.0.0.1"} { // one record an event, and two
		sink := &fakeSink{hold: make(chan struct{}), entered: make(chan struct{}, requests)}
		s := serve(t, sink, withWindow(t, 10), func(o *collector.Options) { o.Limits.Memory = 5 << 20 * requests })
		raw := strings.Replace(post("/v1/events", body), "80.10.0.1", from, 1)
		before := heap()
		conns := make([]net.Conn, requests)
		for i := range conns {
			conns[i] = s.dial()
			_, _ = io.WriteString(conns[i], raw)
			sink.awaits(t)
		}
		grown, used := heap()-before, s.c.MemoryUsed()
		t.Logf("from %s: an event takes %d bytes, and %d of the budget", from, grown/requests/events, used/requests/events)
		if connections := int64(requests * 128 << 10); grown > used+connections {
			t.Error("that is too little")
		}
		for range (5<<20*requests - used) / (used / requests) {
			conn := s.dial()
			_, _ = io.WriteString(conn, raw)
			conns = append(conns, conn)
			sink.awaits(t)
		}
		r, got := s.send(raw)
		refused(t, r, got, 503, "overloaded")
		few := s.dial()
		_, _ = io.WriteString(few, post("/v1/events", "["+strings.Repeat(order("a")+",", 9)+order("b")+"]"))
		sink.awaits(t)
		if r, _ := s.send(post("/v1/consent", choice)); r.StatusCode != 201 {
			t.Errorf("a choice: %d", r.StatusCode)
		}
		close(sink.hold)
		for _, conn := range append(conns, few) {
			if r, got := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 {
				t.Errorf("got %d %s", r.StatusCode, got)
			}
		}
		waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// TestConnections: one connection too many is answered, and there is room again
// once another is closed.
func TestConnections(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) { o.Limits.Connections = 3 })
	var open []net.Conn
	for range 3 {
		conn := s.dial()
		_, _ = io.WriteString(conn, post("/v1/events", order("a")))
		if r, _ := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 {
			t.Fatalf("got %d", r.StatusCode)
		}
		open = append(open, conn)
	}
	r, body := answer(t, bufio.NewReader(s.dial()))
	refused(t, r, body, 503, "overloaded")
	_ = open[1].Close()
	waitFor(t, func() bool {
		conn := s.dial()
		defer conn.Close()
		_, _ = io.WriteString(conn, post("/v1/events", order("a")))
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && r.StatusCode == 200
	})
}

// TestSpareConnections: while nine tenths of the connections are open, the others
// take choices and pages and refuse events; once there is room they take all.
func TestSpareConnections(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) { o.Limits.Connections = 30 })
	var open []net.Conn
	for i := range 27 {
		conn := s.dial()
		_, _ = io.WriteString(conn, post("/v1/events", order(itoa(i))))
		if r, _ := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 || r.Close {
			t.Fatalf("got %d", r.StatusCode)
		}
		open = append(open, conn)
	}
	late := s.dial() // the first spare one
	s.connections(28)
	for range 10 {
		for _, raw := range []string{
			post("/v1/events", order("a")),
			post("/v1/events", order("a")+strings.Repeat(" ", 40000)),
			"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\nExpect: 100-continue\r\n\r\n",
			"GET /v1/pixel.gif?e=x HTTP/1.1\r\nHost: a\r\n\r\n",
		} {
			conn := s.dial()
			_, _ = io.WriteString(conn, raw)
			r, body := answer(t, bufio.NewReader(conn))
			refused(t, r, body, 503, "overloaded")
			if !r.Close {
				t.Errorf("%.40q: the connection is kept", raw)
			}
			_ = conn.Close()
			s.connections(28)
		}
		if r, body := s.send(post("/v1/consent", choice)); r.StatusCode != 201 || !r.Close {
			t.Errorf("a choice is answered %d %s", r.StatusCode, body)
		}
		s.connections(28)
	}
	// A connection that took events before goes on taking them.
	_, _ = io.WriteString(open[0], post("/v1/events", order("b")))
	if r, _ := answer(t, bufio.NewReader(open[0])); r.StatusCode != 200 {
		t.Errorf("got %d", r.StatusCode)
	}
	for _, conn := range open[1:4] {
		_ = conn.Close()
	}
	s.connections(25)
	_, _ = io.WriteString(late, post("/v1/events", order("c")))
	if r, body := answer(t, bufio.NewReader(late)); r.StatusCode != 200 || r.Close {
		t.Errorf("with room again: %d %s", r.StatusCode, body)
	}
}

// TestWaitingForDelivery: a quarter of the connections may wait for Kafka, those
// that wait for a twin's delivery included; the rest is refused before it is stored
// and is not taken for a repeat later.
func TestWaitingForDelivery(t *testing.T) {
	sink := &fakeSink{hold: make(chan struct{}), entered: make(chan struct{}, 10)}
	s := serve(t, sink, withWindow(t, 10), func(o *collector.Options) {
		o.Limits.Connections = 12
		o.Sources = []*collector.Source{{ID: "a", Key: "a", Promise: sinks.Delivered}, {ID: "b", Key: "b"}}
	})
	var waiting []net.Conn
	wait := func(raw string) {
		conn := s.dial()
		_, _ = io.WriteString(conn, raw)
		waiting = append(waiting, conn)
	}
	wait(post("/v1/events?k=a", order("1")))
	sink.awaits(t)
	wait(post("/v1/events?k=a", order("1")))
	waitFor(t, func() bool { return s.metric("assent_collector_twins_waited_total") == 1 })
	wait(post("/v1/events?k=a", order("2")))
	sink.awaits(t)
	for _, id := range []string{"1", "3"} {
		r, body := s.send(post("/v1/events?k=a", order(id)))
		refused(t, r, body, 503, "overloaded")
	}
	// Who was promised less waits for the disk alone, and a choice for nobody.
	wait(post("/v1/events?k=b", order("1")))
	sink.awaits(t)
	wait(post("/v1/events?k=a", `{"type":7}`))
	sink.awaits(t)
	if r, body := s.send(post("/v1/consent?k=a", choice)); r.StatusCode != 201 {
		t.Errorf("a choice: %d %s", r.StatusCode, body)
	}
	close(sink.hold)
	for _, conn := range waiting {
		if r, body := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 {
			t.Errorf("got %d %s", r.StatusCode, body)
		}
	}
	sink.take()
	r, body := s.send(post("/v1/events?k=a", order("3")))
	if n := len(sink.take()); r.StatusCode != 200 || n != 1 {
		t.Errorf("what was refused and comes again: %d %s, stored %d times", r.StatusCode, body, n)
	}
}

// TestSlowSenders: a head, a body or a reader that takes its time is cut off
// within the bound, and others are served meanwhile.
func TestSlowSenders(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Limits.ReadTimeout, o.Limits.WriteTimeout, o.Limits.IdleTimeout = time.Second, time.Second, time.Second
	})
	// goesOn writes until it may not; the deadline is far beyond every bound.
	goesOn := func(conn net.Conn, what, more string, every time.Duration) {
		t.Helper()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		for {
			if _, err := io.WriteString(conn, more); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%.30q: is not cut off", what)
				return
			} else if err != nil {
				return
			}
			time.Sleep(every)
		}
	}
	drip := func(head, more string) {
		t.Helper()
		conn := s.dial()
		_, _ = io.WriteString(conn, head)
		goesOn(conn, head, more, 50*time.Millisecond)
	}
	var all sync.WaitGroup
	all.Go(func() { drip("POST /v1/events HTTP/1.1\r\nHost: a\r\n", "X-A: b\r\n") })
	all.Go(func() { drip("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n", " ") })
	all.Go(func() { drip("POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", " ") })
	all.Go(func() {
		drip("POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n")
	})
	all.Go(func() { drip("", "\r\n") })
	all.Go(func() {
		conn := s.dial()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		ask := strings.Repeat("GET /.well-known/gpc.json HTTP/1.1\r\nHost: a\r\n\r\n", 1000)
		goesOn(conn, "a reader that reads nothing", ask, 0)
	})
	if r, body := s.send(post("/v1/events", order("a"))); r.StatusCode != 200 {
		t.Errorf("meanwhile: %d %s", r.StatusCode, body)
	}
	all.Wait()
}

// connections waits until the collector sees n open connections.
func (s *served) connections(n int) {
	s.t.Helper()
	waitFor(s.t, func() bool { return s.metric("assent_collector_connections") == n })
}

// metric is the value of a whole number by its name with labels.
func (s *served) metric(name string) int {
	var m strings.Builder
	s.c.WriteMetrics(&m)
	_, after, _ := strings.Cut("\n"+m.String(), "\n"+name+" ")
	value, _, _ := strings.Cut(after, "\n")
	n, err := strconv.Atoi(value)
	if err != nil {
		s.t.Errorf("%s is %q", name, value)
	}
	return n
}

func waitFor(t testing.TB, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come")
		}
	}
}
