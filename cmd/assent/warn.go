package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"

	"assent/admin"
	"assent/collector"
	"assent/disk"
	"assent/strictyaml"
)

// warnings are what is allowed and seldom meant. check reports them, and its answer
// stays good.
func (c *config) warnings() strictyaml.Problems {
	p := c.problems()
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && !admin.Loopback(host) && c.Limits.AddressRate == 0 {
		p.add("$.listen", "%q is reachable from outside and no client address is held to a rate: set limits.address_rate, in events a second", c.Listen)
	}
	limits := c.limits()
	if most, need := descriptors(), uint64(limits.Connections+ownFiles); most > 0 && most < need {
		p.add("$.limits.connections", "%d connections and %d files of our own do not fit into the %d descriptors this process may have: raise the limit (ulimit -n, LimitNOFILE) to %d or lower limits.connections",
			limits.Connections, ownFiles, most, need)
	}
	if need := limits.Body + limits.Decompressed; limits.Memory < need {
		p.add("$.limits.memory", "%d bytes are less than one request may take by limits.body and limits.decompressed: the largest will be answered 503 for ever: raise it to %d at least, or lower those", limits.Memory, need)
	}
	for i, n := range c.Trust.Networks {
		if prefix, err := parseNetwork(n); err == nil && wide(prefix) {
			p.add(fmt.Sprintf("$.trust.networks[%d]", i), "%q is far more than your own proxies: whoever comes from there picks the address, and with it the place and its law: name the proxies' networks", n)
		}
	}
	// A journal that is not made yet will be on the disk of the folder that is there.
	dir := resolved(c.Journal.Dir)
	for missing(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	if total, err := (disk.OS{}).Total(dir); err == nil && c.Journal.ReserveBytes >= total && len(c.Kafka.Brokers) > 0 {
		p.add("$.journal.reserve_bytes", "%d bytes are to stay free and the disk of %s has %d: every event will be answered 503: lower it", c.Journal.ReserveBytes, c.Journal.Dir, total)
	}
	return p.List
}

// wide says that a network is larger than the largest that is private: 10.0.0.0/8
// (RFC 1918) and fc00::/7 (RFC 4193).
func wide(network netip.Prefix) bool {
	bits := network.Bits()
	if network.Addr().Is4In6() {
		return bits < 96+8
	}
	return network.Addr().Is4() && bits < 8 || bits < 7
}

// ownFiles are what the stores, the journal and Kafka may have open beside connections.
const ownFiles = 512

// limits are those of the edge, with their defaults.
func (c *config) limits() collector.Limits {
	o := collector.Options{Limits: collector.Limits(c.Limits.edgeLimits)}
	o.EnsureDefaults()
	return o.Limits
}
