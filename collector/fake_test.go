package collector_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/collector"
	"assent/sinks"
)

// fakeSink keeps what is committed and refuses what a test tells it to.
type fakeSink struct {
	mu      sync.Mutex
	admit   map[string]error // by source; under "" for all
	fail    error
	hold    chan struct{} // commits wait until it is closed
	entered chan struct{} // told of each commit that waits
	values  []string
	ids     []sinks.ID
	promise sinks.Promise
	commits int
	breaks  bool // commits panic
}

func (s *fakeSink) Commit(ctx context.Context, b *sinks.Batch) error {
	s.mu.Lock()
	hold, entered := s.hold, s.entered
	s.mu.Unlock()
	if entered != nil {
		entered <- struct{}{}
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return &sinks.Error{Reason: sinks.ReasonCanceled, Err: ctx.Err()}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits++
	if s.breaks {
		panic("BUG: made for a test")
	}
	s.promise = b.Promise
	if s.fail != nil {
		return s.fail
	}
	n := 0
	for i := range b.Events {
		n += b.Events[i].Records
		if b.Events[i].Records > 0 {
			s.ids = append(s.ids, b.Events[i].ID)
		}
	}
	if n != len(b.Records) {
		panic("events and records do not agree")
	}
	for i := range b.Records {
		s.values = append(s.values, string(b.Records[i].Value))
	}
	return nil
}

func (s *fakeSink) Admit(source string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admit[""]; err != nil {
		return err
	}
	return s.admit[source]
}

func (s *fakeSink) Ready() error                { return nil }
func (s *fakeSink) Close(context.Context) error { return nil }

// awaits waits for a commit. A test whose events are refused must not wait for ever.
func (s *fakeSink) awaits(t testing.TB) {
	t.Helper()
	select {
	case <-s.entered:
	case <-time.After(time.Minute):
		t.Fatal("nothing is committed: are the events refused?")
	}
}

// set changes the sink's behaviour.
func (s *fakeSink) set(f func(*fakeSink)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// take gives what was stored since it was last asked.
func (s *fakeSink) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.values
	s.values = nil
	return out
}

var errFull = &sinks.Error{Reason: sinks.ReasonOverloaded}

// served is a collector on a socket.
type served struct {
	t    testing.TB
	c    *collector.Collector
	addr string
}

func serve(t testing.TB, sink sinks.Committer, change ...func(*collector.Options)) *served {
	t.Helper()
	c, _ := newCollector(t, sink, change...)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.Shutdown(ctx); err != nil {
			t.Errorf("shutting down: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return &served{t, c, ln.Addr().String()}
}

func (s *served) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// answer is the next answer on a connection. Its body is in the detail.
func answer(t testing.TB, br *bufio.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatalf("reading an answer: %v", err)
	}
	defer r.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(r.Body).WriteTo(&b); err != nil {
		t.Fatalf("reading an answer: %v", err)
	}
	return r, b.String()
}

// send sends raw bytes on a connection of their own and returns the first answer.
func (s *served) send(raw string) (*http.Response, string) {
	s.t.Helper()
	conn := s.dial()
	if _, err := conn.Write([]byte(raw)); err != nil {
		s.t.Fatal(err)
	}
	return answer(s.t, bufio.NewReader(conn))
}

// post is a request with a body, in JSON.
func post(path, body string, headers ...string) string {
	h := append([]string{"POST " + path + " HTTP/1.1", "Host: shop.example", "Content-Type: application/json", "X-Forwarded-For: 80.10.0.1"}, headers...)
	if !strings.Contains(strings.Join(headers, "\n"), "Transfer-Encoding") {
		h = append(h, "Content-Length: "+itoa(len(body)))
	}
	return strings.Join(h, "\r\n") + "\r\n\r\n" + body
}

// refused checks a refusal and that it says when to come again.
func refused(t testing.TB, r *http.Response, body string, status int, reason string) {
	t.Helper()
	if r.StatusCode != status || !strings.Contains(body, "urn:assent:problem:"+reason+`"`) {
		t.Errorf("got %d %s, want %d %s", r.StatusCode, body, status, reason)
	}
	if after := r.Header.Get("Retry-After"); (status == 429 || status == 503) && (len(after) != 1 || after < "1" || after > "8") {
		t.Errorf("Retry-After is %q", after)
	}
}
