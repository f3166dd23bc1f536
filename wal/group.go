package wal

import (
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// noteDelay is how long a note waits for others to share its sync.
	noteDelay = 3 * time.Millisecond
	// maxBuffer is the largest buffer that is kept between groups.
	maxBuffer = 16 << 20
)

// A group is the entries that share one write and one sync, and the calls that
// wait for it. These wait on done, then read err; the last to leave recycles it.
type group struct {
	buf     []byte
	waiters int    // Appends
	notes   []span // what of buf is from Notes
	members atomic.Int32
	done    sync.WaitGroup
	err     error
}

type span struct{ from, to int }

// join adds entries to the filling group and returns it; a nil group says that
// there is nothing to wait for.
func (l *Log) join(entries [][]byte, note bool) (*group, error) {
	var early [128]uint32 // checksums that need not be taken inside the lock
	size := 0
	for i, e := range entries {
		if len(e) > maxEntry {
			return nil, fmt.Errorf("writing log %q: entry of %d bytes is too large", l.opt.Dir, len(e))
		}
		if i < len(early) {
			early[i] = crc32.Checksum(e, castagnoli)
		}
		size += frameBytes + len(e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.filling
	switch waiting := len(g.buf) + l.carried; {
	case l.closed:
		return nil, ErrClosed
	case size == 0:
		return nil, nil
	case waiting > 0 && waiting+size > l.opt.MaxPendingBytes:
		return nil, ErrOverloaded
	case l.full(int64(size), note):
		return nil, ErrFull
	}
	from := len(g.buf)
	for i, e := range entries {
		var sum uint32
		if i < len(early) {
			sum = early[i]
		} else {
			sum = crc32.Checksum(e, castagnoli)
		}
		g.buf = appendEntry(g.buf, e, sum, i < len(entries)-1)
	}
	l.used.Add(int64(size))
	if note {
		if from == 0 {
			l.timer.Reset(noteDelay)
		}
		g.notes = append(g.notes, span{from, len(g.buf)})
		return nil, nil
	}
	g.members.Add(1)
	if g.waiters++; g.waiters == 1 {
		l.wake()
	}
	return g, nil
}

// ring makes notes due.
func (l *Log) ring() {
	l.mu.Lock()
	l.due = true
	l.mu.Unlock()
	l.wake()
}

// leave ends a member's interest in a group.
func (l *Log) leave(g *group) {
	if g.members.Add(-1) == 0 {
		l.mu.Lock()
		l.idle = append(l.idle, g)
		l.mu.Unlock()
	}
}

// pending returns the bytes of the filling group.
func (l *Log) pending() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.filling.buf)
}

// take exchanges the filling group for an empty one, if it is time to write it.
// It also returns whether the log is closed.
func (l *Log) take() (g *group, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.filling; f.waiters > 0 || (l.due || l.closed) && len(f.buf)+l.carried > 0 {
		g = f
		l.filling = l.freshLocked()
		l.due = false
		l.timer.Stop()
	}
	return g, l.closed
}

// freshLocked returns an empty group, with run as its member. The caller holds mu.
func (l *Log) freshLocked() *group {
	var g *group
	if n := len(l.idle); n > 0 {
		g, l.idle = l.idle[n-1], l.idle[:n-1]
	} else {
		g = new(group)
	}
	if n := len(l.buffers); n > 0 {
		g.buf, l.buffers = l.buffers[n-1], l.buffers[:n-1]
	}
	g.waiters, g.notes, g.err = 0, g.notes[:0], nil
	g.members.Store(1)
	g.done.Add(1)
	return g
}

// finish publishes the outcome of g and takes its buffer back. Of a group that
// failed the notes are carried over.
func (l *Log) finish(g *group, err error) {
	buf := g.buf
	g.buf = nil
	size := int64(len(l.carry) + len(buf))
	if err != nil {
		g.err = l.fail(err)
		l.lacked = max(l.lacked, size)
	}
	lost := 0
	if err != nil {
		lost = len(buf)
		for _, s := range g.notes {
			l.carry = append(l.carry, buf[s.from:s.to]...)
			lost -= s.to - s.from
		}
		unseal(l.carry)
	} else {
		if size >= l.lacked { // a smaller one proves nothing of the next large one
			l.recovered()
		}
		l.carry = nil
	}
	l.used.Add(-int64(lost))
	g.done.Done()
	l.mu.Lock()
	l.carried = len(l.carry)
	if cap(buf) <= maxBuffer {
		l.buffers = append(l.buffers, buf[:0])
	}
	l.mu.Unlock()
	l.leave(g)
}
