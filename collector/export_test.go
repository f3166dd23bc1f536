package collector

import (
	"context"
	"net"
	"net/netip"

	"github.com/valyala/fasthttp"
)

// Handle runs one request as the server would, for tests without a socket.
func (c *Collector) Handle(ctx *fasthttp.RequestCtx) { c.handle(ctx) }

// Addr makes a peer address.
func Addr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }

// FlushBadRows writes what was added up, as the collector does from time to time.
func (c *Collector) FlushBadRows() { c.flushBadRows(context.Background()) }

// MemoryUsed is what the bodies of requests under way have taken of Limits.Memory.
func (c *Collector) MemoryUsed() int64 { return c.memory.used.Load() }

// Exempt names the peers that have no share of the connections. Tests have loopback
// addresses only, which all are exempt otherwise.
func (c *Collector) Exempt(f func(netip.Addr) bool) {
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	c.conns.exempt = f
}
