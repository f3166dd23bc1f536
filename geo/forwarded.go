package geo

import (
	"bytes"
	"net/netip"
	"strings"
	"unsafe"
)

// forwarded walks the Forwarded header (RFC 7239 section 4):
//
//	Forwarded = element *( "," element )
//	element   = pair *( ";" pair )
//	pair      = name "=" ( token / quoted-string )
//
// A quoted string may hold commas, so a line is read from its left and the walk
// from the right is folded into it: what the last element that is not trusted says
// is the answer. Each line is read for itself, so that a quote left open in one
// cannot swallow the next.
func (p *Proxies) forwarded(lines [][]byte) netip.Addr {
	var client netip.Addr
	if tooLong(lines) {
		return client
	}
	for _, line := range lines {
		for more := true; more; {
			var node []byte
			var ok bool
			node, line, more, ok = element(line)
			if !ok {
				client = netip.Addr{}
				break
			}
			addr, ok := parseNode(node)
			if !ok {
				client = netip.Addr{}
			} else if !p.Trusts(addr) {
				client = addr
			}
		}
	}
	return client
}

// element reads one element and returns its "for" value, empty where it has none,
// and the rest of the line; more if a comma parts them. Malformed is not ok; so is
// a second "for" (RFC 7239 section 4).
func element(line []byte) (node, rest []byte, more, ok bool) {
	seen := false
	for {
		line = bytes.TrimLeft(line, " \t")
		if len(line) > 0 && line[0] != ';' && line[0] != ',' { // a pair may be empty
			name, value, after, ok := pair(line)
			if !ok {
				return nil, nil, false, false
			}
			if len(name) == 3 && name[0]|0x20 == 'f' && name[1]|0x20 == 'o' && name[2]|0x20 == 'r' {
				if seen {
					return nil, nil, false, false
				}
				node, seen = value, true
			}
			line = bytes.TrimLeft(after, " \t")
		}
		switch {
		case len(line) == 0:
			return node, nil, false, true
		case line[0] == ',':
			return node, line[1:], true, true
		case line[0] != ';':
			return nil, nil, false, false
		}
		line = line[1:]
	}
}

// pair reads name and value, as far as the value's end.
func pair(b []byte) (name, v, rest []byte, ok bool) {
	eq := bytes.IndexByte(b, '=')
	if eq < 0 || !isToken(b[:eq]) {
		return nil, nil, nil, false
	}
	v, rest, ok = value(b[eq+1:])
	return b[:eq], v, rest, ok
}

// value reads a quoted string or a token. Proxies forget the quotes that RFC 7239
// wants around colons and brackets, so those pass in a token. Escapes within quotes
// are stepped over and left in place: no address holds one.
func value(b []byte) (v, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		n := 0
		for n < len(b) && (isTokenByte(b[n]) || b[n] == ':' || b[n] == '[' || b[n] == ']') {
			n++
		}
		return b[:n], b[n:], n > 0
	}
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '"':
			return b[1:i], b[i+1:], true
		case '\\':
			i++
		}
	}
	return nil, nil, false
}

// parseNode reads an address with or without a port: 192.0.2.1, 192.0.2.1:80,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. A zone is dropped. Not ok for
// anything else, the names "unknown" and "_hidden" of RFC 7239 section 6 included.
func parseNode(b []byte) (netip.Addr, bool) {
	v6 := false
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 || end+1 < len(b) && (b[end+1] != ':' || !isPort(b[end+2:])) {
			return netip.Addr{}, false
		}
		b, v6 = b[1:end], true
	} else if colon := bytes.IndexByte(b, ':'); colon >= 0 && colon == bytes.LastIndexByte(b, ':') {
		if !isPort(b[colon+1:]) {
			return netip.Addr{}, false
		}
		b = b[:colon]
	}
	if zone := bytes.IndexByte(b, '%'); zone >= 0 {
		if !isToken(b[zone+1:]) || bytes.IndexByte(b[:zone], ':') < 0 {
			return netip.Addr{}, false
		}
		b = b[:zone]
	}
	if len(b) == 0 || len(b) > len("0000:0000:0000:0000:0000:ffff:255.255.255.255") {
		return netip.Addr{}, false
	}
	// ParseAddr keeps no part of a string without a zone, but in an error dropped here.
	addr, err := netip.ParseAddr(unsafe.String(&b[0], len(b)))
	if err != nil || v6 && addr.Is4() {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// isPort accepts a number up to 65535, or an obfuscated port such as "_a1".
func isPort(b []byte) bool {
	if len(b) > 1 && b[0] == '_' {
		return isToken(b)
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
		if n > 65535 {
			return false
		}
	}
	return len(b) > 0
}

func isToken(b []byte) bool {
	for _, c := range b {
		if !isTokenByte(c) {
			return false
		}
	}
	return len(b) > 0
}

// isTokenByte is tchar of RFC 9110 section 5.6.2.
func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
