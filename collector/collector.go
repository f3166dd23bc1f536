// Package collector is the HTTP edge and the one road of an event:
//
//	receive → locate → consent → decide → redact → seal → commit → answer
//
// pipeline.go is that list as Go. A dialect builds events from a body and
// phrases the answer; it never judges. Raw bytes end at redact: what follows
// it holds only what a plan let through.
//
// This is the only package that imports fasthttp, and nothing of a fasthttp
// request outlives its handler: the handler returns after Commit, and Commit
// does not keep the batch's memory.
package collector

import (
	"crypto/cipher"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"assent/geo"
	"assent/policy"
	"assent/rate"
)

// Collector serves the public listener.
type Collector struct {
	o       Options
	sources *sources
	mounts  mounts
	proxies *geo.Proxies
	places  requestPlaces
	policy  atomic.Pointer[inForce]
	m       *instruments
	routes  *routes

	otherChoice, otherID string // names of the cookies where the domain is configured otherwise

	server *fasthttp.Server

	contentHash cipher.AEAD // see useDedupKey

	pool  sync.Pool
	large chan *exchange // see giveBack

	conns      *connections
	lingering  atomic.Int64 // see listener
	memory     budget
	waiting    atomic.Int64 // requests that wait for delivery
	started    time.Time    // see instant
	sourceRate rate.Limit

	addressRate rate.Limit
	addresses   *rate.Addresses
	choiceRate  rate.Limit
	choosers    *rate.Addresses
	badRate     rate.Limit
	bad         badCaps

	flushing sync.Once
	stopping sync.Once
	ended    sync.Once
	stopped  chan struct{}
	draining chan struct{}
}

// SetPolicy puts another policy in force for the requests that follow; after an
// error the last one stays. The caller hands its purposes to the Registry.
func (c *Collector) SetPolicy(p *policy.Policy) error {
	f, err := newInForce(p, c.m.set)
	if err != nil {
		return err
	}
	c.policy.Store(f)
	return nil
}

// Policy is the policy in force.
func (c *Collector) Policy() *policy.Policy { return c.policy.Load().Policy }

// WriteMetrics writes this package's metrics in Prometheus text format.
func (c *Collector) WriteMetrics(w io.Writer) { c.m.set.WritePrometheus(w) }

// borrow gives a request its exchange. A request that may need much memory gets an
// exchange that has much, if there is one.
func (c *Collector) borrow(ctx *fasthttp.RequestCtx) *exchange {
	var x *exchange
	h := &ctx.Request.Header
	if n := h.ContentLength(); n > prefetched || n == -1 || len(h.ContentEncoding()) > 0 {
		select {
		case x = <-c.large:
		default:
		}
	}
	if x == nil {
		x = c.pool.Get().(*exchange)
	}
	x.reset(c.policy.Load(), c.o.Now())
	return x
}

// giveBack takes the exchange back and, with it, the memory that its bodies took, but
// for as much as a long answer has until it is written. Few exchanges stay large: as
// many as there are connections could become so, one by one.
func (c *Collector) giveBack(x *exchange) {
	if n := len(x.ans.Body); n > freeBody && x.conn != nil {
		n = min(n, x.borrowed)
		x.conn.owe(n)
		x.borrowed -= n
	}
	if x.borrowed > 0 {
		x.memory.used.Add(-int64(x.borrowed))
		x.borrowed = 0
	}
	if x.exceeds(freeBody, keepFew) {
		if !x.exceeds(keepBytes, keepEvents) {
			select {
			case c.large <- x:
				return
			default:
			}
		}
		x.buffers = buffers{}
	}
	c.pool.Put(x)
}

// instant is the time for token buckets.
func (c *Collector) instant(now time.Time) int64 { return int64(now.Sub(c.started)) }

// refuseQuietly refuses a request that is no event: counted, without a bad row.
func (c *Collector) refuseQuietly(x *exchange, err *RequestError) {
	c.m.refused(err.Reason)
	refuse(&x.ans, err.Reason, err.Detail)
}
