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
// The zero value takes everything.
type rate struct {
	every int64 // nanoseconds in which a token comes back
	full  int64 // nanoseconds in which an empty bucket fills
}

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

// take takes a token and gives the bucket's new state and whether there was one.
// A clock that was set back costs no more than one filling.
func (r rate) take(state, now int64) (int64, bool) {
	state = min(max(state, now), now+r.full)
	if next := state + r.every; next-now <= r.full {
		return next, true
	}
	return state, false
}

// bucket is one token bucket, safe for concurrent use.
type bucket struct{ state atomic.Int64 }

func (b *bucket) take(r rate, now time.Time) bool {
	if r.every == 0 {
		return true
	}
	for {
		old := b.state.Load()
		next, ok := r.take(old, now.UnixNano())
		if next == old || b.state.CompareAndSwap(old, next) {
			return ok
		}
	}
}

const (
	addressSets = 1 << 14
	addressWays = 4 // 65,536 addresses in 1.5 MiB
	addressLock = 64
)

// addresses is a bucket for each client address, in a table of fixed size. Where
// too many fall into one set, the bucket nearest to full is forgotten: a full one
// is as good as none.
type addresses struct {
	rate  rate
	seed  maphash.Seed // nobody outside can choose who shares a set
	locks [addressLock]sync.Mutex
	sets  [][addressWays]addressBucket
}

type addressBucket struct {
	address [16]byte
	state   int64
}

// newAddresses returns nil, which takes everything, where no rate is set.
func newAddresses(r rate) *addresses {
	if r.every == 0 {
		return nil
	}
	return &addresses{rate: r, seed: maphash.MakeSeed(), sets: make([][addressWays]addressBucket, addressSets)}
}

// take takes a token from an address's bucket. An IPv6 client has a network of 64
// bits to pick its address from (RFC 4291, 2.5.1), so that is what counts.
func (a *addresses) take(addr netip.Addr, now time.Time) bool {
	if a == nil {
		return true
	}
	key := addr.As16()
	if !addr.Unmap().Is4() {
		clear(key[8:])
	}
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
	var ok bool
	b.state, ok = a.rate.take(b.state, now.UnixNano())
	return ok
}
