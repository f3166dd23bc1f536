package collector

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// rate is the shape of a token bucket, which is held as one instant: when it will
// be full again (the virtual scheduling algorithm of ITU-T I.371, annex A).
// The zero value takes everything. Instants are those of Collector.instant, which
// setting the machine's clock does not change.
type rate struct {
	every int64 // nanoseconds in which a token comes back
	full  int64 // nanoseconds in which an empty bucket fills
}

// newRate makes a bucket of numbers that Limits.Validate let through: beyond them a
// token would take no time, or a bucket's filling more than an int64 holds.
func newRate(perSecond, burst int) rate {
	if perSecond == 0 {
		return rate{}
	}
	if burst == 0 {
		burst = perSecond
	}
	every := int64(time.Second) / int64(perSecond)
	return rate{every, every * int64(burst)}
}

// bill is what one request has taken from one bucket.
type bill struct {
	paid  int
	whole bool // the bucket was full: it takes this request, whatever it costs
}

// pay takes what the request lacks to n tokens in all and gives the bucket's new
// state. A full bucket takes any request, so that none is refused for ever, and is
// in debt afterwards. A refusal takes nothing and says how long until there is enough.
func (r rate) pay(state, now int64, b *bill, n int) (next int64, wait time.Duration) {
	if state == 0 {
		state = now // never used
	}
	state = max(state, now)
	whole := b.whole || state == now
	next = state + r.every*int64(n-b.paid)
	if next-now > r.full && !whole {
		return state, time.Duration(min(next-now-r.full, state-now))
	}
	b.paid, b.whole = n, whole
	return next, 0
}

// bucket is one token bucket, safe for concurrent use.
type bucket struct{ state atomic.Int64 }

func (b *bucket) pay(r rate, now int64, of *bill, n int) time.Duration {
	if r.every == 0 || n <= of.paid {
		return 0
	}
	for {
		old, try := b.state.Load(), *of
		next, wait := r.pay(old, now, &try, n)
		if next == old || b.state.CompareAndSwap(old, next) {
			*of = try
			return wait
		}
	}
}

// take takes one token.
func (b *bucket) take(r rate, now int64) bool { return b.pay(r, now, &bill{}, 1) == 0 }

const (
	addressSets = 1 << 14
	addressWays = 4 // 65,536 addresses in 1.5 MiB
	addressLock = 64
)

// addresses is a bucket for each client address, in a table of fixed size. Where
// too many fall into one set, the bucket nearest to full is forgotten: a full one
// is as good as none.
type addresses struct {
	seed  maphash.Seed // nobody outside can choose who shares a set
	locks [addressLock]sync.Mutex
	sets  [][addressWays]addressBucket
}

type addressBucket struct {
	address [16]byte
	state   int64
}

func newAddresses() *addresses {
	return &addresses{seed: maphash.MakeSeed(), sets: make([][addressWays]addressBucket, addressSets)}
}

// addressKey is what counts as one client address: an IPv6 client has a network
// of 64 bits to pick its own from (RFC 4291, 2.5.1).
func addressKey(addr netip.Addr) [16]byte {
	key := addr.As16()
	if !addr.Unmap().Is4() {
		clear(key[8:])
	}
	return key
}

// pay takes tokens from an address's bucket.
func (a *addresses) pay(addr netip.Addr, r rate, now int64, of *bill, n int) (wait time.Duration) {
	if r.every == 0 || n <= of.paid {
		return 0
	}
	key := addressKey(addr)
	i := maphash.Bytes(a.seed, key[:]) % addressSets
	lock := &a.locks[i%addressLock]
	lock.Lock()
	defer lock.Unlock()
	set := &a.sets[i]
	at := 0
	for j := range set {
		if set[j].address == key && set[j].state != 0 {
			at = j
			break
		}
		if set[j].state < set[at].state {
			at = j
		}
	}
	b := &set[at]
	if b.address != key {
		*b = addressBucket{address: key}
	}
	b.state, wait = r.pay(b.state, now, of, n)
	return wait
}
