package netfault

import (
	"math/rand/v2"
	"time"
)

// Storm makes faults at random until stop is called: one about every interval,
// for up to twice as long. The seed decides which, not when. stop ends all faults
// and returns when it has.
func (p *Proxy) Storm(seed uint64, interval time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r := rand.New(rand.NewPCG(seed, 0))
		some := func() time.Duration { return time.Duration(r.Int64N(int64(2 * interval))) }
		faults := []struct{ begin, end func() }{
			{p.Cut, nil},
			{p.Refuse, p.Allow},
			{p.Hold, p.Release},
			{func() { p.Delay(some() / 4) }, func() { p.Delay(0) }},
			{func() { p.Throttle(50_000 + r.IntN(1_000_000)) }, func() { p.Throttle(0) }},
			{func() { p.LoseAnswer(r.IntN(64), 300) }, func() { p.set(func() { p.lose = loss{} }) }},
		}
		for {
			fault, before, during := faults[r.IntN(len(faults))], some(), some()
			if !sleep(before, quit) {
				return
			}
			fault.begin()
			goOn := sleep(during, quit)
			if fault.end != nil {
				fault.end()
			}
			if !goOn {
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// sleep reports whether it was not woken before its time.
func sleep(d time.Duration, quit <-chan struct{}) bool {
	select {
	case <-time.After(d):
		return true
	case <-quit:
		return false
	}
}
