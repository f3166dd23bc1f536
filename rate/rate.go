// Package rate holds senders to rates by token buckets: one for each of a few known
// senders (Bucket), or one for each client address (Addresses). An instant is given in
// nanoseconds since one that the caller chose, by a clock that is never set back.
package rate

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// The largest numbers that a Limit can count with.
const (
	MaxPerSecond = 1_000_000     // to a thousandth of a token's time
	MaxBurst     = 1_000_000_000 // at one a second, twice: some 63 years, below the 292 of a time.Duration
)

// Limit is the shape of a token bucket, which is held as one instant: when it will
// be full again (the virtual scheduling algorithm of ITU-T I.371, annex A).
// The zero value takes everything.
type Limit struct {
	every int64 // nanoseconds in which a token comes back
	full  int64 // nanoseconds in which an empty bucket fills
}

// NewLimit makes a limit of so many tokens a second, and of a burst, which is one
// second's tokens where it is 0. No tokens a second: no limit. Beyond MaxPerSecond a
// token would take no time, beyond MaxBurst a bucket's filling more than an int64 holds.
func NewLimit(perSecond, burst int) Limit {
	if perSecond == 0 {
		return Limit{}
	}
	if burst == 0 {
		burst = perSecond
	}
	every := int64(time.Second) / int64(perSecond)
	return Limit{every, every * int64(burst)}
}

// None reports whether there is no limit.
func (l Limit) None() bool { return l.every == 0 }

// Doubled is the same rate with twice the burst.
func (l Limit) Doubled() Limit { return Limit{l.every, 2 * l.full} }

// Bill is what one request has taken from one bucket.
type Bill struct {
	paid  int
	whole bool // the bucket was full: it takes this request, whatever it costs
}

// pay takes what the request lacks to n tokens in all and gives the bucket's new
// state. A full bucket takes any request, so that none is refused for ever, and is
// in debt afterwards. A refusal takes nothing and says how long until there is enough.
func (l Limit) pay(state, now int64, b *Bill, n int) (next int64, wait time.Duration) {
	if state == 0 {
		state = now // never used
	}
	state = max(state, now)
	whole := b.whole || state == now
	next = state + l.every*int64(n-b.paid)
	if next-now > l.full && !whole {
		return state, time.Duration(min(next-now-l.full, state-now))
	}
	b.paid, b.whole = n, whole
	return next, 0
}

// Bucket is one token bucket, safe for concurrent use. The zero value is full.
type Bucket struct{ state atomic.Int64 }

// Pay takes what a request lacks to n tokens in all, or nothing: then it says how long
// to wait. A full bucket takes any request, so that none is refused for ever, and is in
// debt afterwards.
func (b *Bucket) Pay(l Limit, now int64, of *Bill, n int) (wait time.Duration) {
	if l.None() || n <= of.paid {
		return 0
	}
	for {
		old, try := b.state.Load(), *of
		next, wait := l.pay(old, now, &try, n)
		if next == old || b.state.CompareAndSwap(old, next) {
			*of = try
			return wait
		}
	}
}

// Take takes one token, if there is one.
func (b *Bucket) Take(l Limit, now int64) bool { return b.Pay(l, now, &Bill{}, 1) == 0 }

const (
	addressSets = 1 << 14
	addressWays = 4 // 65,536 addresses in 1.5 MiB
	addressLock = 64
)

// Addresses is a bucket for each client address, in a table of fixed size, safe for
// concurrent use. Where too many fall into one set, the bucket nearest to full is
// forgotten: a full one is as good as none.
type Addresses struct {
	seed  maphash.Seed // nobody outside can choose who shares a set
	locks [addressLock]sync.Mutex
	sets  [][addressWays]addressBucket
}

type addressBucket struct {
	address [16]byte
	state   int64
}

// NewAddresses makes a table in which every bucket is full.
func NewAddresses() *Addresses {
	return &Addresses{seed: maphash.MakeSeed(), sets: make([][addressWays]addressBucket, addressSets)}
}

// AddressKey is what counts as one client address: an IPv6 client has a network
// of 64 bits to pick its own from (RFC 4291, 2.5.1).
func AddressKey(addr netip.Addr) [16]byte {
	key := addr.As16()
	if !addr.Unmap().Is4() {
		clear(key[8:])
	}
	return key
}

// Pay takes tokens from an address's bucket, as Bucket.Pay does.
func (a *Addresses) Pay(addr netip.Addr, l Limit, now int64, of *Bill, n int) (wait time.Duration) {
	if l.None() || n <= of.paid {
		return 0
	}
	key := AddressKey(addr)
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
	b.state, wait = l.pay(b.state, now, of, n)
	return wait
}
