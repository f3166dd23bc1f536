package redact

import (
	"bytes"
	"net/netip"
)

// Bits of an address that truncate keeps.
const (
	keptIPv4 = 24
	keptIPv6 = 48
)

// truncate appends the network of the address in text: the bits beyond the
// kept ones are zero. An IPv4 address mapped into IPv6 (RFC 4291 section
// 2.5.5.2) is an IPv4 address. Zones, ports and prefixes are not understood.
func truncate(dst, text []byte) ([]byte, bool) {
	var ip [16]byte
	bits := keptIPv6
	var addr netip.Addr
	switch {
	case parseIPv4(ip[12:], text):
		addr, bits = netip.AddrFrom4([4]byte(ip[12:])), keptIPv4
	case parseIPv6(&ip, text):
		switch addr = netip.AddrFrom16(ip).Unmap(); {
		case addr.Is4():
			bits = keptIPv4
		case ip[0] == 0x20 && ip[1] == 0x02:
			bits = 16 + keptIPv4 // 6to4 holds an IPv4 address in bits 16 to 48 (RFC 3056)
		}
	default:
		return dst, false
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return dst, false
	}
	dst = append(dst, '"')
	dst = network.Addr().AppendTo(dst)
	return append(dst, '"'), true
}

// parseIPv4 reads four decimal numbers joined by dots, without leading zeros
// (RFC 6943 section 3.1.1). netip's own parser takes a string, which would be
// an allocation for each address.
func parseIPv4(ip, text []byte) bool {
	for n := range 4 {
		if n > 0 {
			if len(text) == 0 || text[0] != '.' {
				return false
			}
			text = text[1:]
		}
		v, i := 0, 0
		for ; i < len(text) && text[i]-'0' <= 9; i++ {
			if i == 3 || i == 1 && v == 0 {
				return false
			}
			v = v*10 + int(text[i]-'0')
		}
		if i == 0 || v > 255 {
			return false
		}
		ip[n] = byte(v)
		text = text[i:]
	}
	return len(text) == 0
}

// parseIPv6 reads the text forms of RFC 4291 section 2.2.
func parseIPv6(ip *[16]byte, text []byte) bool {
	*ip = [16]byte{}
	gap, n := -1, 0 // where "::" stands, bytes read
	if bytes.HasPrefix(text, []byte("::")) {
		gap, text = 0, text[2:]
	}
	for n < 16 && len(text) > 0 {
		v, i := rune(0), 0
		for ; i < len(text) && hexDigit(text[i]) >= 0; i++ {
			if i == 4 {
				return false
			}
			v = v<<4 | hexDigit(text[i])
		}
		if i == 0 {
			return false
		}
		if i < len(text) && text[i] == '.' {
			if n > 12 || !parseIPv4(ip[n:n+4], text) {
				return false
			}
			n, text = n+4, nil
			break
		}
		ip[n], ip[n+1] = byte(v>>8), byte(v)
		n, text = n+2, text[i:]
		if len(text) == 0 {
			break
		}
		if text[0] != ':' || len(text) == 1 {
			return false
		}
		if text = text[1:]; text[0] == ':' {
			if gap >= 0 {
				return false
			}
			gap, text = n, text[1:]
		}
	}
	switch {
	case len(text) > 0:
		return false
	case n == 16:
		return gap < 0
	case gap < 0:
		return false
	}
	copy(ip[16-(n-gap):], ip[gap:n])
	clear(ip[gap : 16-(n-gap)])
	return true
}
