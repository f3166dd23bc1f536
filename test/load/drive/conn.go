package drive

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one connection with its requests in flight, in order.
type conn struct {
	d     *driver
	index int32
	fd    int
	out   []byte // not written yet
	in    []byte // read, not parsed yet
	due   []request
	full  bool // the socket took no more: EPOLLOUT is asked for
}

type request struct {
	n   int
	due time.Duration
}

func (c *conn) dial() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	if err := unix.Connect(fd, &c.d.to); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("connecting: %w", err)
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.SetNonblock(fd, true),
		unix.EpollCtl(c.d.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: c.index}))
	c.fd, c.full, c.in, c.out = fd, false, c.in[:0], c.out[:0]
	return err
}

// push makes the next request of the plan this connection's.
func (c *conn) push(due time.Duration) {
	c.out = c.d.Request(c.out, c.d.next)
	c.due = append(c.due, request{c.d.next, due})
	c.d.next++
	c.d.open++
}

// flush writes as much as the socket takes.
func (c *conn) flush() error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return c.wantWrite(true)
		case err != nil:
			return c.lost()
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	return c.wantWrite(false)
}

func (c *conn) wantWrite(want bool) error {
	if want == c.full {
		return nil
	}
	c.full = want
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: c.index}
	if want {
		e.Events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(c.d.epoll, unix.EPOLL_CTL_MOD, c.fd, &e)
}

// lost connects anew; what was in flight stays without an answer.
func (c *conn) lost() error {
	now := time.Since(c.d.start)
	for _, r := range c.due {
		c.d.Answer(r.n, now-r.due, 0)
	}
	c.d.open -= len(c.due)
	c.due = c.due[:0]
	_ = unix.Close(c.fd)
	return c.dial()
}

// ready does what an event says.
func (c *conn) ready(events uint32) error {
	if events&unix.EPOLLOUT != 0 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return nil
	}
	if cap(c.in)-len(c.in) < 4<<10 {
		c.in = append(c.in, make([]byte, 8<<10)...)[:len(c.in)]
	}
	n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return nil
	case err != nil || n == 0:
		return c.lost()
	}
	c.in = c.in[:len(c.in)+n]
	return c.answers()
}

// answers hands out every whole answer that was read.
func (c *conn) answers() error {
	now := time.Since(c.d.start)
	rest, done := c.in, 0
	for done < len(c.due) {
		size, status, err := parse(rest)
		if err != nil {
			return err
		}
		if size == 0 {
			break
		}
		c.d.Answer(c.due[done].n, now-c.due[done].due, status)
		rest = rest[size:]
		done++
	}
	c.d.open -= done
	c.due = c.due[:copy(c.due, c.due[done:])]
	c.in = c.in[:copy(c.in, rest)]
	return nil
}

var (
	headEnd = []byte("\r\n\r\n")
	length  = []byte("\r\nContent-Length: ")
)

// parse returns the size and status of the answer that in begins with; size 0:
// it is not whole. It reads what fasthttp writes: a length, never chunks.
func parse(in []byte) (size, status int, err error) {
	head := bytes.Index(in, headEnd)
	if head < 0 {
		return 0, 0, nil
	}
	if head < 12 {
		return 0, 0, errors.New("not an HTTP answer")
	}
	if status, err = strconv.Atoi(string(in[9:12])); err != nil {
		return 0, 0, fmt.Errorf("reading a status: %w", err)
	}
	size = head + len(headEnd)
	if i := bytes.Index(in[:head+2], length); i >= 0 {
		digits := in[i+len(length):]
		body, err := strconv.Atoi(string(digits[:bytes.IndexByte(digits, '\r')]))
		if err != nil {
			return 0, 0, fmt.Errorf("reading a length: %w", err)
		}
		size += body
	} else if status != 204 {
		return 0, 0, fmt.Errorf("an answer %d without a length", status)
	}
	if size > len(in) {
		return 0, status, nil
	}
	return size, status, nil
}
