package collector

import (
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
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

// answerTime is how long an answer may wait to be taken before its connection counts
// as silent.
const answerTime = time.Second

// The pause after a connection could not be accepted grows from one to the other.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

func (l *listener) Accept() (net.Conn, error) {
	for pause := time.Duration(0); ; {
		conn, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil, err
			}
			// Whatever else it is, mostly a want of descriptors, passes or does not:
			// those who are connected are served meanwhile.
			l.failed(err, pause == 0)
			pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
			time.Sleep(pause)
			continue
		}
		pause = 0
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, nil
		}
		var from netip.Addr
		if addr, ok := tcp.RemoteAddr().(*net.TCPAddr); ok {
			from = addr.AddrPort().Addr()
		}
		c := &lingerConn{TCPConn: tcp, of: l}
		if l.table.enter(c, from) {
			return c, nil
		}
		l.refused(tcp)
		if l.mayLinger() {
			go func() {
				defer l.extra.Add(-1)
				linger(tcp)
				_ = tcp.Close()
			}()
			continue
		}
		_ = tcp.Close()
	}
}

// mayLinger reports whether one more connection may linger beside those that count:
// an eighth as many, so that a flood is not served by lingering.
func (l *listener) mayLinger() bool {
	if l.extra.Add(1) <= int64(max(8, l.table.max/8)) {
		return true
	}
	l.extra.Add(-1)
	return false
}

// linger ends a connection in order: nothing more is sent, and what the other side
// still sends is thrown away.
func linger(conn *net.TCPConn) { lingerUntil(conn, func() {}) }

// lingerUntil is linger; it calls waits once the deadline stands, which whoever needs
// the place may then bring forward.
func lingerUntil(conn *net.TCPConn, waits func()) {
	if conn.CloseWrite() == nil && conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		waits()
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
}

// Read remembers where the sender ended the connection. One that is closed for
// another ends there too.
func (c *lingerConn) Read(p []byte) (n int, err error) {
	// 0 becomes something else here alone; a new connection waits already.
	if c.waits.Load() == 0 {
		c.waits.Store(c.table.now())
	}
	if !c.evicted() {
		n, err = c.TCPConn.Read(p)
		if c.waits.Swap(0) != gone {
			c.eof = c.eof || err != nil && errors.Is(err, io.EOF)
			return n, err
		}
		c.waits.Store(gone)
	}
	c.eof = true
	return 0, io.EOF
}

// SetReadDeadline is called when the wait for a request begins. What fasthttp writes
// before the answer to that request, 100 Continue or a refusal of its own, would have
// the deadline of the last answer, which may be over.
func (c *lingerConn) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		if err := c.SetWriteDeadline(t.Add(c.of.writing)); err != nil {
			return err
		}
	}
	return c.TCPConn.SetReadDeadline(t)
}

// Write lets an answer that nobody reads be given up for another connection. An answer
// that is being read is not: it has answerTime before its connection counts as silent.
func (c *lingerConn) Write(p []byte) (int, error) {
	if c.evicted() {
		return c.TCPConn.Write(p) // why it is closed
	}
	c.writing = true
	c.waits.Store(c.table.now() + int64(answerTime))
	n, err := c.TCPConn.Write(p)
	c.settle(int64(n))
	if c.waits.Swap(0) == gone {
		c.waits.Store(gone)
		return n, net.ErrClosed
	}
	c.writing = false
	return n, err
}

// owe keeps memory that a request took for as long as its answer is not written. It was
// taken for the events: an answer is shorter than what they become.
func (c *lingerConn) owe(n int) { c.owed.Add(int64(n)) }

// settle gives back the memory of n bytes that were written.
func (c *lingerConn) settle(n int64) {
	for {
		owed := c.owed.Load()
		n = min(n, owed)
		if n == 0 {
			return
		}
		if c.owed.CompareAndSwap(owed, owed-n) {
			c.of.memory.used.Add(-n)
			return
		}
	}
}

// ended reports whether the sender has ended the connection. A chunked body that
// is not over by then is cut short (RFC 9112, 8).
func (c *lingerConn) ended() bool { return c != nil && c.eof }

// evicted reports whether the connection is closed for another.
func (c *lingerConn) evicted() bool { return c != nil && c.waits.Load() == gone }

// crowded reports whether the connection is a spare one, and needed as such. It
// then serves one request, so that there soon is one for the next choice.
func (c *lingerConn) crowded() bool {
	return c != nil && c.spare && c.table.open.Load() > c.table.shared()
}

// Close ends the connection; one that was told to linger ends in order first.
func (c *lingerConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	defer c.table.leave(c)
	defer c.settle(math.MaxInt64)
	switch {
	case !c.linger, c.writing: // or nobody reads: nothing to end in order
	case !c.evicted():
		lingerUntil(c.TCPConn, func() { c.waits.Store(c.table.now()) }) // and makes room meanwhile
	case c.of.mayLinger():
		defer c.of.extra.Add(-1)
		linger(c.TCPConn)
	}
	return c.TCPConn.Close()
}
