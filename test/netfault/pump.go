package netfault

import (
	"net"
	"time"
)

// pump passes one direction on, under the faults of the moment.
func (p *Proxy) pump(c *pair, from, to net.Conn, request bool) {
	defer p.drop(c)
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pass, whole := p.admit(c, n, request)
			if _, werr := to.Write(buf[:pass]); werr != nil {
				return
			}
			if !whole {
				p.mu.Lock()
				p.cut(c)
				p.mu.Unlock()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// admit waits as long as n bytes have to, and says how many of them pass; not
// whole means that the connection ends behind them.
func (p *Proxy) admit(c *pair, n int, request bool) (pass int, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.delay
	if p.rate > 0 {
		wait += time.Duration(n) * time.Second / time.Duration(p.rate)
	}
	if wait > 0 {
		p.mu.Unlock()
		time.Sleep(wait)
		p.mu.Lock()
	}
	for c.held && p.pairs[c] {
		p.changed.Wait()
	}
	if !p.pairs[c] {
		return 0, false
	}
	if request {
		c.asked += n
		return n, true
	}
	asked := c.asked
	c.asked = 0
	if p.lose.armed && asked >= p.lose.min {
		p.lose.armed = false
		p.count.Lost++
		return min(n, p.lose.after), false
	}
	return n, true
}
