package collector

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A connection that is closed with bytes unread is reset, and a reset can take
// the answer away from a sender that is still sending (RFC 9112, 9.6). After a
// request refused before all of it was read, what is on its way is thrown away,
// within these bounds.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 16 << 20
)

// listener bounds the open connections and makes them such that can be told to
// linger. A tenth of them is spare: while the others are in use, they take no
// events, so that a choice gets through.
type listener struct {
	net.Listener
	max     int64
	open    *atomic.Int64
	refused func(net.Conn) // answers for a connection that is one too many
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, err
		}
		if n := l.open.Add(1); n <= l.max {
			return &lingerConn{TCPConn: tcp, of: l, spare: n > l.shared()}, nil
		}
		l.open.Add(-1)
		l.refused(tcp)
		_ = tcp.Close()
	}
}

// shared is how many connections may be open for events to be taken on any.
func (l *listener) shared() int64 { return l.max - l.max/10 }

// lingerConn is read and told to linger by one goroutine, that of its server.
type lingerConn struct {
	*net.TCPConn
	of     *listener
	spare  bool
	closed atomic.Bool
	linger bool
	eof    bool
}

// Read remembers where the sender ended the connection.
func (c *lingerConn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if err != nil && errors.Is(err, io.EOF) {
		c.eof = true
	}
	return n, err
}

// ended reports whether the sender has ended the connection. A chunked body that
// is not over by then is cut short (RFC 9112, 8).
func (c *lingerConn) ended() bool { return c != nil && c.eof }

// crowded reports whether the connection is a spare one, and needed as such. It
// then serves one request, so that there soon is one for the next choice.
func (c *lingerConn) crowded() bool {
	return c != nil && c.spare && c.of.open.Load() > c.of.shared()
}

// Close ends the connection; one that was told to linger ends in order first.
func (c *lingerConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	defer c.of.open.Add(-1)
	if c.linger && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	return c.TCPConn.Close()
}
