package netfault

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// echo answers each line with itself, and tells what it got.
func echo(t *testing.T) (addr string, got chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got = make(chan string, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for lines := bufio.NewReader(c); ; {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					got <- line
					_, _ = io.WriteString(c, line)
				}
			}()
		}
	}()
	return l.Addr().String(), got
}

func start(t *testing.T) *Proxy {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// client is a connection through the proxy.
type client struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, p *Proxy) *client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr)
	if err != nil {
		return &client{t, broken{err: err}} // it may be cut that soon
	}
	t.Cleanup(func() { c.Close() })
	return &client{t, c}
}

// broken is a connection that was cut while it was opened.
type broken struct {
	net.Conn
	err error
}

func (b broken) Write([]byte) (int, error)       { return 0, b.err }
func (b broken) Read([]byte) (int, error)        { return 0, b.err }
func (b broken) SetReadDeadline(time.Time) error { return nil }

// ask sends a line and returns what comes back in time.
func (c *client) ask(line string, within time.Duration) (string, error) {
	c.t.Helper()
	_, _ = io.WriteString(c, line)
	_ = c.SetReadDeadline(time.Now().Add(within))
	answer, err := bufio.NewReader(c).ReadString('\n')
	return answer, err
}

// works wants an answer.
func (c *client) works() {
	c.t.Helper()
	if answer, err := c.ask("hello\n", 5*time.Second); answer != "hello\n" {
		c.t.Errorf("got %q, %v", answer, err)
	}
}

// ended wants the connection cut, not silent.
func (c *client) ended() {
	c.t.Helper()
	if _, err := c.ask("hello\n", 5*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("the connection is not cut: %v", err)
	}
}

func TestFaults(t *testing.T) {
	p := start(t)
	dial(t, p).ended()
	addr, got := echo(t)
	p.Forward(addr)
	c := dial(t, p)
	c.works()

	p.Cut()
	c.ended()
	c = dial(t, p)
	c.works()
	p.Refuse()
	c.ended()
	dial(t, p).ended()
	p.Allow()

	c = dial(t, p)
	p.Delay(50 * time.Millisecond)
	start := time.Now()
	c.works()
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("an answer within %s, want a delay of 50 ms each way", took)
	}
	p.Delay(0)
	p.Throttle(100)
	start = time.Now()
	c.works()
	if took := time.Since(start); took < 120*time.Millisecond {
		t.Errorf("6 bytes each way within %s at 100 bytes/s", took)
	}
	p.Throttle(0)

	if n := p.Counts(); n.Cut != 2 || n.Refused != 2 || n.Opened != 3 {
		t.Errorf("counted %+v", n)
	}
	for len(got) > 0 {
		<-got
	}
	p.Hold()
	late := dial(t, p)
	for _, c := range []*client{c, late} {
		if answer, err := c.ask("held\n", 300*time.Millisecond); answer != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %q, %v, want silence", answer, err)
		}
	}
	p.Release()
	c.ended()
	late.ended()
	dial(t, p).works()
	if line := <-got; line != "hello\n" {
		t.Errorf("%q arrived, though it was held", line)
	}
}

// TestLoseAnswer: the request arrives, its answer does not, and small ones are
// spared.
func TestLoseAnswer(t *testing.T) {
	p := start(t)
	addr, got := echo(t)
	p.Forward(addr)
	c := dial(t, p)
	p.LoseAnswer(3, 100)
	c.works()
	large := strings.Repeat("x", 200) + "\n"
	if answer, err := c.ask(large, 5*time.Second); answer != "xxx" && answer != "" || err == nil {
		t.Errorf("got %q, %v", answer, err)
	}
	if <-got; <-got != large {
		t.Error("the request did not arrive")
	}
	if n := p.Counts().Lost; n != 1 {
		t.Errorf("%d answers lost", n)
	}
	dial(t, p).works()
}

// TestStorm: after the storm the sea is calm.
func TestStorm(t *testing.T) {
	p := start(t)
	addr, got := echo(t)
	go func() {
		for range got {
		}
	}()
	p.Forward(addr)
	stop := p.Storm(1, 5*time.Millisecond)
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		if c, err := net.Dial("tcp", p.Addr); err == nil {
			(&client{t, c}).ask(strings.Repeat("x", 400)+"\n", 20*time.Millisecond)
			c.Close()
		}
	}
	stop()
	n := p.Counts()
	if n.Cut == 0 || n.Refused == 0 || n.Lost == 0 {
		t.Errorf("a mild storm: %+v", n)
	}
	p.Cut()
	dial(t, p).works()
}
