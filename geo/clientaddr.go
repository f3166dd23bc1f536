package geo

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Headers is a set of the headers in which a trusted proxy names its client.
type Headers uint8

const (
	// Forwarded is the header of RFC 7239.
	Forwarded Headers = 1 << iota
	// XForwardedFor is X-Forwarded-For: addresses parted by commas, each proxy adding
	// its peer at the end.
	XForwardedFor
	// CDN is the header, such as CF-Connecting-IP, in which a content delivery network
	// puts one address.
	CDN
)

// Forwarding carries what a request's headers say of its client, as they came: a
// slice per header, holding its field lines in order. Nothing is kept of it.
// The headers after the first two have the names the operator configured; the last
// two are for [ReadClaim].
type Forwarding struct {
	Forwarded     [][]byte
	XForwardedFor [][]byte
	CDN           [][]byte

	Country, Region [][]byte
}

// maxForwarding bounds the bytes read of one header. A longer one names nobody: an
// honest chain is a few hundred bytes long.
const maxForwarding = 2048

// Proxies tells which networks may speak for their clients, and in which headers.
// It is immutable and safe for concurrent use. The zero value trusts nobody.
type Proxies struct {
	trusted []netip.Prefix // sorted, disjoint
	believe Headers
}

// NewProxies compiles the trusted networks, IPv4-mapped ones among them, and the
// headers believed from them. An operator should name only headers which those
// proxies set or strip themselves.
func NewProxies(trusted []netip.Prefix, believe Headers) (*Proxies, error) {
	if believe&^(Forwarded|XForwardedFor|CDN) != 0 {
		return nil, errors.New("compiling trusted proxies: unknown header")
	}
	p := &Proxies{believe: believe}
	for _, network := range trusted {
		plain := network
		if network.Addr().Is4In6() {
			plain = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		if !plain.IsValid() {
			return nil, fmt.Errorf("compiling trusted proxies: invalid network %s", network)
		}
		p.trusted = append(p.trusted, plain.Masked())
	}
	slices.SortFunc(p.trusted, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	// Networks nest or are disjoint, so a nested one follows the one that holds it.
	var last netip.Prefix
	p.trusted = slices.DeleteFunc(p.trusted, func(network netip.Prefix) bool {
		if last.IsValid() && last.Overlaps(network) {
			return true
		}
		last = network
		return false
	})
	return p, nil
}

// Trusts reports whether addr may speak for its clients.
func (p *Proxies) Trusts(addr netip.Addr) bool {
	addr = plain(addr)
	i, found := slices.BinarySearchFunc(p.trusted, addr, func(network netip.Prefix, addr netip.Addr) int {
		return network.Addr().Compare(addr)
	})
	return found || i > 0 && p.trusted[i-1].Contains(addr)
}

// Client returns the address of whoever sent the request, without a zone and with
// IPv4-mapped addresses as IPv4. The zero address means that it cannot be told.
// asserted reports that the answer, even the zero one, comes from a header rather
// than from the connection.
//
// Headers of a peer that is not trusted are not read: it is the client. Behind a
// trusted peer each believed header is read from its right end, where the nearest
// proxy writes; trusted addresses are passed over and the first other one is the
// client. An element that is no address (obfuscated, "unknown", empty, malformed)
// ends the walk with the zero address, for what lies left of it anybody may have
// written. So does a header that is too long or holds none but trusted addresses.
// Where several believed headers are present, all must name the same client: an
// attacker would write the one the proxies do not overwrite. A trusted peer which
// sends none of them is no client either.
func (p *Proxies) Client(peer netip.Addr, h Forwarding) (addr netip.Addr, asserted bool) {
	peer = plain(peer)
	if !p.Trusts(peer) {
		return peer, false
	}
	if p.believe&Forwarded != 0 && len(h.Forwarded) > 0 {
		addr, asserted = p.forwarded(h.Forwarded), true
	}
	if p.believe&XForwardedFor != 0 && len(h.XForwardedFor) > 0 {
		addr, asserted = agree(addr, p.forwardedFor(h.XForwardedFor), asserted), true
	}
	if p.believe&CDN != 0 && len(h.CDN) > 0 {
		addr, asserted = agree(addr, p.single(h.CDN), asserted), true
	}
	return addr, asserted
}

// agree returns next if it is the first answer or the same as the one before.
func agree(before, next netip.Addr, asserted bool) netip.Addr {
	if asserted && before != next {
		return netip.Addr{}
	}
	return next
}

// forwardedFor walks X-Forwarded-For, whose lines join in order (RFC 9110 section 5.3).
func (p *Proxies) forwardedFor(lines [][]byte) netip.Addr {
	if tooLong(lines) {
		return netip.Addr{}
	}
	for _, line := range slices.Backward(lines) {
		for more := true; more; {
			element := line
			if comma := bytes.LastIndexByte(line, ','); comma >= 0 {
				element, line = line[comma+1:], line[:comma]
			} else {
				more = false
			}
			addr, ok := parseNode(trim(element))
			if !ok {
				return netip.Addr{}
			}
			if !p.Trusts(addr) {
				return addr
			}
		}
	}
	return netip.Addr{}
}

// single reads the one address of a CDN's header. A second line is somebody's forgery.
func (p *Proxies) single(lines [][]byte) netip.Addr {
	if len(lines) != 1 || tooLong(lines) {
		return netip.Addr{}
	}
	addr, ok := parseNode(trim(lines[0]))
	if !ok || p.Trusts(addr) {
		return netip.Addr{}
	}
	return addr
}

func tooLong(lines [][]byte) bool {
	n := len(lines)
	for _, line := range lines {
		n += len(line)
	}
	return n > maxForwarding
}

func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// trim removes the optional white space of RFC 9110 section 5.6.3.
func trim(b []byte) []byte { return bytes.Trim(b, " \t") }
