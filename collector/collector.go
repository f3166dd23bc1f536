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
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/keys"
	"assent/policy"
	"assent/rate"
	"assent/sinks"
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

// Options says what a Collector works with. Contracts come from the parents of
// each wing; cmd/assent joins them to their technologies.
type Options struct {
	Sources  []*Source      // none: one source `demo` without a key
	Policy   *policy.Policy // the first policy; SetPolicy swaps it
	Locator  geo.Locator    // where an address is
	Proxies  *geo.Proxies   // whose forwarding headers are believed; nil: nobody's
	Registry *consent.Registry
	Sink     sinks.Committer
	Dialects []Route            // tracker protocols
	Handlers map[string]Handler // path → what is the same for everybody, for GET and POST
	Pages    map[string]Page    // path → what is a person's own, for GET and POST
	Signals  []*signals.Place   // where signals are looked for beside the table's places
	Now      func() time.Time
	BadKeys  []keys.Key    // keyed hashes of bad rows, rotated by day
	Dedup    sinks.Deduper // nil: every event is new
	DedupKey keys.Key      // of the events' IDs; a new one ends what Dedup knows

	AcceptFailed func(error) // told when connections cannot be accepted, once until they can; may be nil

	BadTopic  string // default events.bad
	CDNHeader string // a header holding the client address, believed from trusted peers only
	Cookies   CookieOptions
	Limits    Limits

	CountryHeader, RegionHeader string // hold the client's place: see geo.ReadClaim; believed likewise
}

// EnsureDefaults fills what was left out.
func (o *Options) EnsureDefaults() {
	orDefault(&o.BadTopic, "events.bad")
	orDefault(&o.Cookies.Path, "/")
	prefix := ""
	if o.Cookies.Domain == "" && o.Cookies.Path == "/" {
		prefix = HostPrefix
	}
	orDefault(&o.Cookies.Choice, prefix+"assent_choice")
	orDefault(&o.Cookies.ID, prefix+"assent_id")
	l := &o.Limits
	orDefault(&l.Header, 16<<10)
	orDefault(&l.Body, 4<<20)
	orDefault(&l.Decompressed, 8<<20)
	orDefault(&l.Event, defaultEvent)
	orDefault(&l.Events, 2000)
	orDefault(&l.Connections, 4<<10)
	orDefault(&l.ReadTimeout, 15*time.Second)
	orDefault(&l.WriteTimeout, 15*time.Second)
	orDefault(&l.IdleTimeout, 620*time.Second)
	orDefault(&l.Memory, 256<<20)
	orDefault(&l.ChoiceRate, 50)
	orDefault(&l.ChoiceBurst, 10*l.ChoiceRate)
	orDefault(&l.BadRows, 10)
	orDefault(&l.BadRowBurst, 100)
}

// Validate reports the first contradiction.
func (o *Options) Validate() error {
	switch {
	case o.Policy == nil, o.Locator == nil, o.Registry == nil, o.Sink == nil, o.Now == nil, len(o.BadKeys) == 0:
		return errors.New("BUG: collector needs policy, locator, registry, sink, clock and keys")
	case o.Cookies.Choice == o.Cookies.ID:
		return errors.New("cookies: choice and id must have different names")
	}
	return o.Limits.Validate()
}

// paths are those of all routes.
func (o *Options) paths() []string {
	return slices.AppendSeq(slices.AppendSeq(pathsOf(o.Dialects), maps.Keys(o.Handlers)), maps.Keys(o.Pages))
}

// CheckSources reports everything that is wrong with the sources, whose paths must not
// be in the way of dialects, handlers and pages.
func (o *Options) CheckSources() []*SourceError {
	_, wrong := newSources(o.Sources, o.paths())
	return wrong
}

// Page answers a visit: it phrases what the visit tells, and never judges.
type Page func(v *Visit, a *Answer)

// Visit is one request to a page, by whom the request proves, from where they are, under
// the policy in force for this request. It is valid until the page returns.
type Visit struct {
	c         *Collector
	x         *exchange
	mayChoose bool // the request was checked for who makes it choose
}
