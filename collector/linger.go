package collector

import (
	"io"
	"net"
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

// lingering makes connections that can be told to linger.
type lingering struct{ net.Listener }

func (l lingering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &lingerConn{TCPConn: tcp}, err
	}
	return conn, err
}

// lingerConn is used by one goroutine at a time, as its server does.
type lingerConn struct {
	*net.TCPConn
	linger bool
}

// Close ends the connection; one that was told to linger ends in order first.
func (c *lingerConn) Close() error {
	if c.linger {
		c.linger = false
		if c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes)
		}
	}
	return c.TCPConn.Close()
}
