package collector

import (
	"net"
	"net/netip"

	"github.com/valyala/fasthttp"
)

// Handle runs one request as the server would, for tests without a socket.
func (c *Collector) Handle(ctx *fasthttp.RequestCtx) { c.handle(ctx) }

// Addr makes a peer address.
func Addr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }
