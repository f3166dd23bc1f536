package geo

import "net/netip"

// Public reports whether addr can be the address of somebody on the public
// Internet. Everything else has no place: the zero address, private and shared
// space, loopback, link-local, documentation, benchmarking, multicast, reserved
// and unallocated ranges, and the tunnels whose address says nothing of where
// their user is. IPv4-mapped IPv6 is judged as IPv4, a zone is ignored.
func Public(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.Is4() {
		return publicV4(addr.As4())
	}
	return addr.Is6() && publicV6(addr.As16())
}

// The ranges are those of the IANA special-purpose address registries (RFC 6890)
// that are not globally reachable, the multicast and reserved blocks, and the
// deprecated 6to4 relays. A switch on octets takes a few nanoseconds where a walk
// over prefixes would cost as much as the look-up it guards.
func publicV4(a [4]byte) bool {
	switch a[0] {
	case 0, // 0.0.0.0/8, this network: RFC 791 section 3.2
		10,  // 10.0.0.0/8, private: RFC 1918
		127: // 127.0.0.0/8, loopback: RFC 1122 section 3.2.1.3
		return false
	case 100: // 100.64.0.0/10, shared by carriers: RFC 6598
		return a[1]&0xc0 != 64
	case 169: // 169.254.0.0/16, link-local: RFC 3927
		return a[1] != 254
	case 172: // 172.16.0.0/12, private: RFC 1918
		return a[1]&0xf0 != 16
	case 192:
		switch {
		case a[1] == 0 && a[2] == 0, // 192.0.0.0/24, protocol assignments: RFC 6890
			a[1] == 0 && a[2] == 2,   // 192.0.2.0/24, documentation: RFC 5737
			a[1] == 88 && a[2] == 99, // 192.88.99.0/24, 6to4 relays: RFC 7526
			a[1] == 168:              // 192.168.0.0/16, private: RFC 1918
			return false
		}
	case 198:
		switch {
		case a[1]&0xfe == 18, // 198.18.0.0/15, benchmarking: RFC 2544
			a[1] == 51 && a[2] == 100: // 198.51.100.0/24, documentation: RFC 5737
			return false
		}
	case 203: // 203.0.113.0/24, documentation: RFC 5737
		return a[1] != 0 || a[2] != 113
	}
	// 224.0.0.0/4, multicast: RFC 5771; 240.0.0.0/4, reserved and broadcast: RFC 1112, RFC 919.
	return a[0] < 224
}

// Global unicast addresses are allocated from 2000::/3 alone (RFC 4291 section
// 2.4), so unspecified, loopback, translation (RFC 6052), discard (RFC 6666),
// unique local (RFC 4193), link-local and multicast fall at the first test.
func publicV6(a [16]byte) bool {
	if a[0]&0xe0 != 0x20 {
		return false
	}
	switch uint16(a[0])<<8 | uint16(a[1]) {
	case 0x2001:
		// 2001::/23, protocol assignments, Teredo among them: RFC 2928, RFC 4380;
		// 2001:db8::/32, documentation: RFC 3849.
		return a[2]&0xfe != 0 && (a[2] != 0x0d || a[3] != 0xb8)
	case 0x2002: // 2002::/16, 6to4: RFC 7526
		return false
	case 0x3fff: // 3fff::/20, documentation: RFC 9637
		return a[2]&0xf0 != 0
	}
	return true
}
