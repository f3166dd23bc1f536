package collector

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
)

// wanting is a listener that has no descriptors left for a while.
type wanting struct {
	net.Listener
	wants int
}

func (w *wanting) Accept() (net.Conn, error) {
	if w.wants > 0 {
		w.wants--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return w.Listener.Accept()
}

// TestAcceptErrorsPass: a connection that cannot be accepted ends nothing; it is said
// once, and counted each time. A listener that is closed ends.
func TestAcceptErrorsPass(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	said, counted := 0, 0
	l := &listener{Listener: &wanting{ln, 3}, table: newConnections(4, func(netip.Addr) bool { return true }, func() {}), extra: &atomic.Int64{}, failed: func(err error, first bool) {
		if counted++; first {
			said++
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Error(err)
		}
	}}
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got, err := l.Accept()
	if err != nil || said != 1 || counted != 3 {
		t.Fatalf("%v, said %d times, counted %d", err, said, counted)
	}
	_ = got.Close()
	_ = ln.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
}
