package main

import (
	"net"

	"assent/collector"
)

// warnings are what is allowed and seldom meant. check tells them, and its answer
// stays good.
func (c *config) warnings() []error {
	p := &problems{config: c}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !loopback(host) && c.Limits.AddressRate == 0 {
		p.add("$.listen", "%q is reachable from outside and no client address is held to a rate: set limits.address_rate, in events a second", c.Listen)
	}
	if most, need := descriptors(), uint64(c.connections()+ownFiles); most > 0 && most < need {
		p.add("$.limits.connections", "%d connections and %d files of our own do not fit into the %d descriptors this process may have: raise the limit (ulimit -n, LimitNOFILE) to %d or lower limits.connections",
			c.connections(), ownFiles, most, need)
	}
	return p.list
}

// ownFiles are what the stores, the journal and Kafka may have open beside connections.
const ownFiles = 512

// connections is limits.connections, with its default.
func (c *config) connections() int {
	o := collector.Options{Limits: collector.Limits{Connections: c.Limits.Connections}}
	o.EnsureDefaults()
	return o.Limits.Connections
}
