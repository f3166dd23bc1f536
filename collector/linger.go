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
// linger.
type listener struct {
	net.Listener
	max     int64
	open    atomic.Int64
	refused func(net.Conn) // answers for a connection that is one too many
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, err
		}
		if l.open.Add(1) <= l.max {
			return &lingerConn{TCPConn: tcp, open: &l.open}, nil
		}
		l.open.Add(-1)
		l.refused(tcp)
		_ = tcp.Close()
	}
}

// lingerConn is read and told to linger by one goroutine, that of its server.
type lingerConn struct {
	*net.TCPConn
	open   *atomic.Int64
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

// Close ends the connection; one that was told to linger ends in order first.
func (c *lingerConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	defer c.open.Add(-1)
	if c.linger && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
	}
	return c.TCPConn.Close()
}
