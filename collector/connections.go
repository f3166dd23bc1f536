package collector

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"assent/rate"
)

// connections are the open ones, at most max. A tenth of them is spare: while the
// others are in use, they take no events, so that a choice gets through.
//
// One client address (IPv6: /64) has a share of them. Past it, a newcomer takes the
// place of a silent connection of its own address. Whenever all but the spare ones are
// open, a newcomer takes the place of a silent connection of the address that has the
// most: of one that has been silent for idleTime, or else only where that address has
// more than the newcomer's. Silent is one that waits for bytes of its sender, be it
// between requests, within one or after the last, or for its answer to be read; the
// longest silent goes first. Peers that speak for many, such as the proxies that are
// trusted, have no share and lose none.
type connections struct {
	max     int
	exempt  func(netip.Addr) bool
	evicted func() // told of each that is closed for another
	started time.Time
	open    atomic.Int64

	mu     sync.Mutex
	peers  map[[16]byte]*peer
	levels [][]*peer // by how many connections each has
	most   int       // the last level that is not empty
}

// peer is one client address that has connections.
type peer struct {
	key   [16]byte
	conns []*lingerConn
	at    int // its place in its level
}

// idleTime is how long a connection is silent before anybody may take its place, and
// fewConnections how many a browser opens to one host: an address that has no more is as
// good as one that has none.
const (
	idleTime       = time.Second
	fewConnections = 6
)

// look bounds how many connections are looked at for the longest silent one where
// many addresses have as many.
const look = 256

func newConnections(most int, exempt func(netip.Addr) bool, evicted func()) *connections {
	return &connections{max: most, exempt: exempt, evicted: evicted, started: time.Now(), peers: map[[16]byte]*peer{}, levels: make([][]*peer, 1)}
}

// shared is how many connections may be open for events to be taken on any.
func (t *connections) shared() int64 { return int64(t.max - t.max/10) }

// share is how many connections one address may have.
func (t *connections) share() int { return max(1, t.max/4) }

// now is never 0.
func (t *connections) now() int64 { return int64(time.Since(t.started)) + 1 }

// enter lets a connection in, if need be in the place of another. False: it is one
// too many.
func (t *connections) enter(c *lingerConn, from netip.Addr) bool {
	from = from.Unmap()
	t.mu.Lock()
	defer t.mu.Unlock()
	var p *peer
	mine := 0
	if !t.exempt(from) {
		if p = t.peers[rate.AddressKey(from)]; p == nil {
			p = &peer{key: rate.AddressKey(from)}
		}
		mine = len(p.conns)
	}
	switch {
	case mine >= t.share():
		if !t.evict(func() *lingerConn { return p.silent(t.now()) }) {
			return false
		}
	case t.open.Load() >= t.shared():
		t.makeRoom(mine)
	}
	n := t.open.Load() + 1
	if n > int64(t.max) {
		return false
	}
	t.open.Store(n)
	c.table, c.spare = t, n > t.shared()
	c.waits.Store(t.now())
	if p != nil {
		c.peer, c.at = p, len(p.conns)
		t.resize(p, append(p.conns, c))
	}
	return true
}

// makeRoom closes two connections for a newcomer whose address has so many: one for it,
// and one so that the spare ones become free again.
func (t *connections) makeRoom(mine int) {
	most := mine
	if mine < fewConnections {
		most = 0
	}
	find := func() *lingerConn {
		if c := t.silent(most, t.now()-int64(idleTime)); c != nil {
			return c
		}
		return t.silent(mine, t.now())
	}
	for range 2 {
		if t.open.Load() < t.shared() || !t.evict(find) {
			return
		}
	}
}

// leave takes a connection out, unless it has left already.
func (t *connections) leave(c *lingerConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remove(c)
}

func (t *connections) remove(c *lingerConn) {
	if c.left {
		return
	}
	c.left = true
	t.open.Add(-1)
	if p := c.peer; p != nil {
		last := len(p.conns) - 1
		p.conns[c.at] = p.conns[last]
		p.conns[c.at].at = c.at
		p.conns[last] = nil
		t.resize(p, p.conns[:last])
	}
}

// resize gives a peer its connections, one more or one less, and moves it to the
// level of their number.
func (t *connections) resize(p *peer, conns []*lingerConn) {
	if from := len(p.conns); from > 0 {
		level := t.levels[from]
		last := len(level) - 1
		level[p.at] = level[last]
		level[p.at].at = p.at
		level[last] = nil
		t.levels[from] = level[:last]
	}
	p.conns = conns
	to := len(conns)
	if to == 0 {
		delete(t.peers, p.key)
	} else {
		if to == len(t.levels) {
			t.levels = append(t.levels, nil)
		}
		p.at = len(t.levels[to])
		t.levels[to] = append(t.levels[to], p)
		t.peers[p.key] = p
	}
	t.most = max(t.most, to)
	for t.most > 0 && len(t.levels[t.most]) == 0 {
		t.most--
	}
}

// silent is the connection of an address that is silent the longest; nil: none has been
// since an instant.
func (p *peer) silent(since int64) (found *lingerConn) {
	var first int64
	for _, c := range p.conns {
		if at := c.waits.Load(); at > 0 && at <= since && (found == nil || at < first) {
			found, first = c, at
		}
	}
	return found
}

// silent is the connection that is silent the longest, since an instant at least, of the
// addresses that have the most, but of none that has no more than so many. Addresses that
// have few are alike.
func (t *connections) silent(than int, since int64) (found *lingerConn) {
	for n := t.most; n > than && (found == nil || n < fewConnections); n-- {
		looked := 0
		for _, p := range t.levels[n] {
			if c := p.silent(since); c != nil && (found == nil || c.waits.Load() < found.waits.Load()) {
				found = c
			}
			if looked += n; looked > look && found != nil {
				break
			}
		}
	}
	return found
}

// evict closes the silent connection that find gives, and reports whether there was
// one. On one that was found a request can just have come: then the next is found.
func (t *connections) evict(find func() *lingerConn) bool {
	for range 4 {
		c := find()
		if c == nil {
			return false
		}
		if at := c.waits.Load(); at > 0 && c.waits.CompareAndSwap(at, gone) {
			t.remove(c)
			// Its own goroutine wakes up and closes it. One that was reading may yet say why.
			if c.writing {
				_ = c.SetWriteDeadline(time.Unix(1, 0))
			} else {
				_ = c.TCPConn.SetReadDeadline(time.Unix(1, 0))
			}
			t.evicted()
			return true
		}
	}
	return false
}

// gone is the state of a connection that is closed for another.
const gone = -1

// budget is the memory that bodies and their events may take together.
type budget struct {
	limit int64
	used  atomic.Int64
}

func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit {
		return true
	}
	b.used.Add(-n)
	return false
}

// fits reports whether a body of n bytes would find room now. It takes nothing: who
// announces a long body may never send it.
func (b *budget) fits(n int) bool { return n <= freeBody || b.used.Load()+int64(n) <= b.limit }

const (
	// freeBody is how much of a body, and of what becomes of its events, every
	// connection may have without asking.
	freeBody = 64 << 10
	// prefetched is the length up to which fasthttp has a body whole.
	prefetched = 8 << 10
	// smallBody is the most that routes without events take, so that no shortage
	// of memory touches a choice.
	smallBody = freeBody
)

// lingerConn is read and told to linger by one goroutine, that of its server.
type lingerConn struct {
	*net.TCPConn
	of     *listener
	spare  bool
	closed atomic.Bool
	linger bool
	eof    bool

	// waits is since when the connection waits for the other side: for bytes, or for
	// their being taken; 0 while it does not; gone.
	waits   atomic.Int64
	writing bool // what it waits for, or waited for when it was closed for another

	// owed is what a long answer that is not yet written has of the memory budget.
	owed atomic.Int64

	table *connections // what follows is held under its lock
	peer  *peer        // nil: exempt
	at    int          // its place there
	left  bool
}

// listener bounds the open connections and makes them such that can be told to
// linger.
type listener struct {
	net.Listener
	table   *connections
	refused func(net.Conn)              // answers for a connection that is one too many
	failed  func(err error, first bool) // told of each connection that could not be accepted
	memory  *budget
	extra   *atomic.Int64 // connections that linger though they no longer count
	writing time.Duration // what an answer may take: Limits.WriteTimeout
}
