// Package netfault is a TCP proxy that does to connections what networks do to
// them: it cuts, refuses, delays, slows, holds, and loses answers to requests that
// went through.
package netfault

import (
	"net"
	"sync"
	"time"
)

// A Proxy is a listener on loopback in front of another. Faults hold for open
// and new connections alike until they are ended; they can be combined. Safe for
// concurrent use.
type Proxy struct {
	Addr string // HOST:PORT

	listener net.Listener
	mu       sync.Mutex
	changed  *sync.Cond
	target   string
	pairs    map[*pair]bool
	refusing bool
	holding  bool
	delay    time.Duration
	rate     int // bytes per second and direction of a connection; 0: no limit
	lose     loss
	count    Counts
}

// Counts says what the proxy has done so far.
type Counts struct {
	Opened  int // connections that were forwarded
	Refused int
	Cut     int
	Lost    int // answers by LoseAnswer
}

// loss waits for an answer to lose.
type loss struct {
	armed      bool
	after, min int
}

// pair is one connection through the proxy.
type pair struct {
	client, server net.Conn // server is nil while held from the start
	held           bool
	asked          int // bytes of requests since the last answer
}

// New starts a proxy that refuses connections until Forward.
func New() (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: l.Addr().String(), listener: l, pairs: map[*pair]bool{}}
	p.changed = sync.NewCond(&p.mu)
	go p.accept()
	return p, nil
}

// Close ends the proxy and every connection.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.Refuse()
}

// Forward says where connections go: HOST:PORT.
func (p *Proxy) Forward(addr string) { p.set(func() { p.target = addr }) }

// Cut resets every open connection. What it had not yet passed on is lost.
func (p *Proxy) Cut() { p.set(p.cutAll) }

// Refuse cuts every open connection and resets new ones until Allow.
func (p *Proxy) Refuse() { p.set(func() { p.refusing = true; p.cutAll() }) }

// Allow ends Refuse.
func (p *Proxy) Allow() { p.set(func() { p.refusing = false }) }

// Hold keeps connections open, takes new ones, and passes nothing on, as a
// network does that drops packets.
func (p *Proxy) Hold() {
	p.set(func() {
		p.holding = true
		for c := range p.pairs {
			c.held = true
		}
	})
}

// Release ends Hold by cutting every connection that was held. What was sent on
// them meanwhile never arrives.
func (p *Proxy) Release() {
	p.set(func() {
		p.holding = false
		for c := range p.pairs {
			if c.held {
				p.cut(c)
			}
		}
	})
}

// Delay lets all that passes wait, in both directions; 0 ends it.
func (p *Proxy) Delay(d time.Duration) { p.set(func() { p.delay = d }) }

// Throttle limits each direction of each connection; 0 ends it.
func (p *Proxy) Throttle(bytesPerSecond int) { p.set(func() { p.rate = bytesPerSecond }) }

// LoseAnswer cuts one connection after the first n bytes of the next answer to a
// request of at least min bytes: the request went through, and the client cannot
// know. A min above the size of all other requests picks the kind that matters.
func (p *Proxy) LoseAnswer(n, min int) { p.set(func() { p.lose = loss{true, n, min} }) }

// Counts returns what was done so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func (p *Proxy) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changed.Broadcast()
}

func (p *Proxy) cutAll() {
	for c := range p.pairs {
		p.cut(c)
	}
}

// cut resets a connection, once. It needs the lock.
func (p *Proxy) cut(c *pair) {
	if !p.pairs[c] {
		return
	}
	delete(p.pairs, c)
	p.count.Cut++
	reset(c.client)
	reset(c.server)
	p.changed.Broadcast()
}

// drop closes a connection that one side has ended.
func (p *Proxy) drop(c *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pairs, c)
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
	p.changed.Broadcast()
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok && tcp != nil {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.open(client)
	}
}

func (p *Proxy) open(client net.Conn) {
	p.mu.Lock()
	if p.refusing || p.target == "" {
		p.count.Refused++
		p.mu.Unlock()
		reset(client)
		return
	}
	held, target := p.holding, p.target
	c := &pair{client: client, held: held}
	p.pairs[c] = true
	p.mu.Unlock()
	if held {
		return // until it is cut
	}
	server, err := net.Dial("tcp", target)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.cut(c)
		return
	case !p.pairs[c]: // cut meanwhile
		reset(server)
		return
	}
	c.server = server
	p.count.Opened++
	go p.pump(c, client, server, true)
	go p.pump(c, server, client, false)
}
