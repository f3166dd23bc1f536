package collector_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"assent/collector"
)

// crowd is a collector of 40 connections, of which an address may have 10, for every
// peer but 127.0.0.1.
func crowd(t *testing.T, sink *fakeSink) *served {
	t.Helper()
	s := serve(t, sink, func(o *collector.Options) {
		o.Limits.Connections, o.Limits.ReadTimeout = 40, time.Minute
	})
	s.c.Exempt(func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") })
	return s
}

// from opens a connection from another loopback address and sends something on it.
func (s *served) from(address, raw string) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := d.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, raw)
	return conn
}

// works checks that an event is taken from an address, on a connection that may stay.
func (s *served) works(address string) net.Conn {
	s.t.Helper()
	conn := s.from(address, post("/v1/events", order("m")))
	if r, body := answer(s.t, bufio.NewReader(conn)); r.StatusCode != 200 || r.Close {
		s.t.Errorf("from %s: %d %s", address, r.StatusCode, body)
	}
	return conn
}

// ends reads a connection to its end, which is an orderly one.
func ends(t *testing.T, conn net.Conn) string {
	t.Helper()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("the connection does not end in order: %v, after %q", err, got)
	}
	return string(got)
}

// TestSilentConnectionsOfOneAddress: whatever way its connections are silent, one
// address holds its share of them, and others do not notice.
func TestSilentConnectionsOfOneAddress(t *testing.T) {
	for name, k := range map[string]struct{ raw, end string }{ // or none, where it was closed before it was read
		"nothing sent":  {"", ""},
		"half a head":   {"POST /v1/events HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 503 "},
		"half a body":   {"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat(" ", 20<<10), "HTTP/1.1 503 "},
		"half a chunk":  {"POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{", "HTTP/1.1 503 "},
		"idle answered": {post("/v1/events", order("m")), "HTTP/1.1 200 "},
	} {
		s := crowd(t, &fakeSink{})
		good := s.works("127.0.0.3")
		ended := make(chan string, 30)
		for i := range 30 {
			conn := s.from("127.0.0.2", k.raw)
			s.connections(1 + min(i+1, 10))
			go func() {
				got, _ := io.ReadAll(conn)
				ended <- string(got)
			}()
		}
		for range 20 {
			if got := <-ended; got != "" && (k.end == "" || !strings.HasPrefix(got, k.end)) {
				t.Errorf("%s: a connection ends with %q", name, got)
			}
		}
		s.connections(11)
		_, _ = io.WriteString(good, post("/v1/events", order("m")))
		if r, _ := answer(t, bufio.NewReader(good)); r.StatusCode != 200 {
			t.Errorf("%s: got %d", name, r.StatusCode)
		}
		s.works("127.0.0.3")
		for range 20 {
			s.works("127.0.0.1") // a trusted proxy speaks for many and is not touched
		}
		s.connections(32)
	}
}

// TestSilentConnectionsOfMany: where many addresses together take nearly all
// connections, a newcomer takes the place of the longest silent one of those that
// have the most, and its events are taken.
func TestSilentConnectionsOfMany(t *testing.T) {
	s := crowd(t, &fakeSink{})
	var silent []net.Conn
	for i := range 36 {
		silent = append(silent, s.from([]string{"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"}[i%4], ""))
		s.connections(i + 1)
	}
	proxies := s.works("127.0.0.1")
	few := s.works("127.0.0.6")
	s.works("127.0.0.7")
	for range 20 {
		_ = s.works("127.0.0.8").Close()
		_ = s.works("127.0.0.1").Close()
	}
	for _, conn := range []net.Conn{proxies, few} {
		_, _ = io.WriteString(conn, post("/v1/events", order("m")))
		if r, _ := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 {
			t.Errorf("got %d", r.StatusCode)
		}
	}
	for i, conn := range silent[:3] {
		if got := ends(t, conn); got != "" {
			t.Errorf("connection %d ends with %q", i, got)
		}
	}
}

// TestIdleConnectionsMakeRoom: where idle connections of many visitors fill the table,
// newcomers are served on each of the connections that a browser opens.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	s := crowd(t, &fakeSink{})
	for i := range 36 {
		s.from(fmt.Sprintf("127.0.1.%d", i), "")
		s.connections(i + 1)
	}
	time.Sleep(1100 * time.Millisecond) // they are idle then
	for i := range 12 {
		address := fmt.Sprintf("127.0.2.%d", i)
		first, second := s.from(address, ""), s.from(address, "")
		for _, conn := range []net.Conn{first, second} {
			_, _ = io.WriteString(conn, post("/v1/events", order("m")))
			if r, body := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 {
				t.Errorf("visitor %d: %d %s", i, r.StatusCode, body)
			}
		}
	}
}

// TestLingeringMakesRoom: connections that wait for their sender to close them after a
// refusal keep nobody out, neither with an event nor with a choice.
func TestLingeringMakesRoom(t *testing.T) {
	s := crowd(t, &fakeSink{})
	for i := range 40 {
		conn := s.from(fmt.Sprintf("127.0.0.%d", 2+i%5), "GET /x HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n")
		if r, _ := answer(t, bufio.NewReader(conn)); r.StatusCode != 400 && r.StatusCode != 503 {
			t.Errorf("connection %d: %d", i, r.StatusCode)
		}
	}
	for i := range 20 {
		address := fmt.Sprintf("127.0.3.%d", i)
		s.works(address)
		conn := s.from(address, post("/v1/consent", choice))
		if r, body := answer(t, bufio.NewReader(conn)); r.StatusCode != 201 {
			t.Errorf("a choice: %d %s", r.StatusCode, body)
		}
	}
}

// TestRefusalsAfterALongWait: on a connection that was idle for longer than an answer
// may take, what is written before an answer still arrives.
func TestRefusalsAfterALongWait(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) { o.Limits.WriteTimeout = time.Second })
	for raw, want := range map[string]int{
		"POST /v1/events HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n": 100,
		"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("x", 100<<10) + "\r\n\r\n": 431,
	} {
		conn := s.works("127.0.0.2")
		time.Sleep(1100 * time.Millisecond) // until the last answer's deadline is over
		_, _ = io.WriteString(conn, raw)
		if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || r.StatusCode != want {
			t.Errorf("want %d, got %v, %v", want, r, err)
		}
	}
}

// TestSilentWithinABody: who is silent in the middle of a body is told that the
// connection is needed by others; nothing of what came is stored.
func TestSilentWithinABody(t *testing.T) {
	sink := &fakeSink{}
	half := order("m") + strings.Repeat(" ", 80<<10)
	for _, head := range []string{"Content-Length: 90000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n15f90\r\n"} {
		s := crowd(t, sink)
		silent := s.from("127.0.0.2", "POST /v1/events HTTP/1.1\r\nHost: a\r\n"+head+half)
		waitFor(t, func() bool { return s.c.MemoryUsed() > 0 })
		for range 10 {
			s.from("127.0.0.2", "")
		}
		if got := ends(t, silent); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "urn:assent:problem:overloaded") {
			t.Errorf("got %q", got)
		}
		waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
	}
	if got := sink.take(); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

// TestBusyConnections: a request under way is never cut off for another connection.
// Past its share an address is refused then, and reads the answer though it goes on
// sending.
func TestBusyConnections(t *testing.T) {
	sink := &fakeSink{hold: make(chan struct{}), entered: make(chan struct{}, 10)}
	s := crowd(t, sink)
	var busy []net.Conn
	for range 10 {
		busy = append(busy, s.from("127.0.0.2", post("/v1/events", order("m"))))
		sink.awaits(t)
	}
	for range 20 {
		conn := s.from("127.0.0.2", post("/v1/events", order("m")+strings.Repeat(" ", 3<<20)))
		_ = conn.(*net.TCPConn).CloseWrite()
		if got := ends(t, conn); !strings.HasPrefix(got, "HTTP/1.1 503 ") || !strings.Contains(got, "urn:assent:problem:overloaded") {
			t.Errorf("got %q", got)
		}
	}
	sink.set(func(f *fakeSink) { f.entered = nil })
	close(sink.hold)
	for _, conn := range busy {
		if r, _ := answer(t, bufio.NewReader(conn)); r.StatusCode != 200 {
			t.Errorf("got %d", r.StatusCode)
		}
	}
}

// longAnswer is a short request whose answer is longer than 90 kB.
func longAnswer(t testing.TB, key string) string {
	t.Helper()
	return post("/v1/events?k="+key, packed(t, "["+strings.Repeat("{},", 1999)+"{}]"), "Content-Encoding: gzip")
}

// unread opens a connection that asks for long answers and reads none.
func (s *served) unread(address, key, kind string) net.Conn {
	s.t.Helper()
	conn := s.from(address, "")
	_ = conn.SetDeadline(time.Time{})
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	raw := strings.Repeat(longAnswer(s.t, key), 100)
	go func() { _, _ = io.WriteString(conn, raw) }()
	waitFor(s.t, func() bool {
		var m strings.Builder
		s.c.WriteMetrics(&m)
		return !strings.Contains(m.String(), `assent_collector_events_total{kind="`+kind+`",outcome="refused"} 0`+"\n")
	})
	return conn
}

// TestAnswersThatNobodyReads: an address whose connections wait for their answers to be
// read gives them up for newcomers like silent ones.
func TestAnswersThatNobodyReads(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Limits.Connections, o.Limits.WriteTimeout = 8, time.Hour
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "b", Key: "b", Kind: collector.KindApp}}
	})
	s.c.Exempt(func(netip.Addr) bool { return false })
	s.unread("127.0.0.2", "a", "web")
	s.unread("127.0.0.2", "b", "app")
	for range 2 {
		waitFor(t, func() bool {
			conn := s.from("127.0.0.2", post("/v1/events?k=a", order("m")))
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || r.StatusCode != 200 {
				_ = conn.Close()
			}
			return err == nil && r.StatusCode == 200
		})
	}
}

// TestLongAnswersCount: an answer has its part of the memory budget until it is written
// or its connection is closed.
func TestLongAnswersCount(t *testing.T) {
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Limits.WriteTimeout = time.Hour
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "b", Key: "b", Kind: collector.KindApp}}
	})
	for range 3 {
		if r, body := s.send(longAnswer(t, "a")); r.StatusCode != 200 || len(body) < 90_000 {
			t.Fatalf("%d, %d bytes", r.StatusCode, len(body))
		}
	}
	waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
	conn := s.unread("127.0.0.2", "b", "app")
	for end, steady := time.Now().Add(30*time.Second), 0; steady < 20; steady++ {
		if used := s.c.MemoryUsed(); used == 0 || used > 200_000 {
			steady = 0 // it is still at work
		}
		if time.Now().After(end) {
			t.Fatalf("%d bytes are used", s.c.MemoryUsed())
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	waitFor(t, func() bool { return s.c.MemoryUsed() == 0 })
}
