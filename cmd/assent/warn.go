package main

import "net"

// warnings are what is allowed and seldom meant. check tells them, and its answer
// stays good.
func (c *config) warnings() []error {
	p := &problems{config: c}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !loopback(host) && c.Limits.AddressRate == 0 {
		p.add("$.listen", "%q is reachable from outside and no client address is held to a rate: set limits.address_rate, in events a second", c.Listen)
	}
	return p.list
}
