// Package drive sends HTTP requests from one thread over many connections, on a
// fixed schedule (open loop) or each when its connection is free (closed loop).
//
// In an open loop latency counts from the instant a request was due, whether or
// not it could be sent then: a server that stalls is charged for everybody who
// would have waited, not only for those whom the generator let through.
//
// One thread waits for the sockets and for the clock in the same epoll: the
// generator shares the machine with what it measures and has to be small.
package drive

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Plan is what to send.
type Plan struct {
	Addr        string // HOST:PORT, IPv4
	Connections int
	Rate        float64       // requests/s; 0: closed loop
	For         time.Duration // how long requests become due; 0: until the context ends

	// Request appends the n-th request, counted from 0, and returns the longer
	// buffer. Called by the driving thread only, as is Answer.
	Request func(dst []byte, n int) []byte
	// Answer is told what became of the n-th request; status 0: the connection
	// ended without an answer.
	Answer func(n int, took time.Duration, status int)
}

// patience bounds the wait for answers after the last request.
const patience = 15 * time.Second

// Run sends until the plan's time or ctx ends, then waits for the answers that
// are missing, and returns how long requests became due.
func Run(ctx context.Context, p Plan) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d, err := newDriver(p)
	if err != nil {
		return 0, err
	}
	defer d.close()
	return d.run(ctx)
}

type driver struct {
	Plan
	to    unix.SockaddrInet4
	epoll int
	timer int
	conns []*conn
	start time.Time
	next  int // number of the next request
	open  int // sent and not answered
}

func newDriver(p Plan) (d *driver, err error) {
	at, err := netip.ParseAddrPort(p.Addr)
	if err != nil {
		return nil, err
	}
	d = &driver{Plan: p, to: unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}}
	if d.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("creating an epoll: %w", err)
	}
	if d.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("creating a timer: %w", err)
	}
	if err := unix.EpollCtl(d.epoll, unix.EPOLL_CTL_ADD, d.timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}); err != nil {
		return nil, err
	}
	for i := range p.Connections {
		c := &conn{d: d, index: int32(i)}
		if err := c.dial(); err != nil {
			return nil, err
		}
		d.conns = append(d.conns, c)
	}
	return d, nil
}

func (d *driver) close() {
	for _, c := range d.conns {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(d.timer)
	_ = unix.Close(d.epoll)
}

// tick is how often the schedule is looked at: once a request, within bounds.
func (d *driver) tick() time.Duration {
	if d.Rate == 0 {
		return 10 * time.Millisecond
	}
	return min(max(time.Duration(float64(time.Second)/d.Rate), 100*time.Microsecond), time.Millisecond)
}

func (d *driver) run(ctx context.Context) (time.Duration, error) {
	every := unix.NsecToTimespec(d.tick().Nanoseconds())
	if err := unix.TimerfdSettime(d.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return 0, fmt.Errorf("setting the timer: %w", err)
	}
	d.start = time.Now()
	var ended time.Duration // when sending stopped
	events := make([]unix.EpollEvent, 512)
	var ticks [8]byte
	for {
		now := time.Since(d.start)
		if ended == 0 {
			if err := d.send(now); err != nil {
				return 0, err
			}
			if ctx.Err() != nil || d.For > 0 && now >= d.For {
				ended = now
			}
		}
		switch {
		case ended == 0:
		case d.open == 0:
			return ended, nil
		case now > ended+patience:
			return ended, fmt.Errorf("%d answers did not come within %s", d.open, patience)
		}
		n, err := unix.EpollWait(d.epoll, events, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return ended, fmt.Errorf("waiting: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd < 0 {
				_, _ = unix.Read(d.timer, ticks[:]) // sets it going again
				continue
			}
			if err := d.conns[e.Fd].ready(e.Events); err != nil {
				return ended, err
			}
		}
	}
}

// send sends what is due: by the schedule, over the connections in turn, or in a
// closed loop over every connection that is free.
func (d *driver) send(now time.Duration) error {
	if d.Rate == 0 {
		for _, c := range d.conns {
			if len(c.due) == 0 {
				c.push(now)
				if err := c.flush(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for {
		due := time.Duration(float64(d.next) / d.Rate * float64(time.Second))
		if due > now || d.For > 0 && due >= d.For {
			return nil
		}
		c := d.conns[d.next%len(d.conns)]
		c.push(due)
		if err := c.flush(); err != nil {
			return err
		}
	}
}
