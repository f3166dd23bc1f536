package geo

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The oracle says the same as Client in the plainest way: list the elements, walk
// them from the right.

const tchar = "!#$%&'*+\\-.^_`|~0-9A-Za-z"

var (
	oraclePair    = regexp.MustCompile(`(?s)^[ \t]*(?:([` + tchar + `]+)=("(?:[^"\\]|\\.)*"|[` + tchar + `:\[\]]+)[ \t]*)?(;|,|$)`)
	oracleBracket = regexp.MustCompile(`(?s)^\[([^\]]*)\](?::(.*))?$`)
	oracleV4Port  = regexp.MustCompile(`(?s)^([^:]*):([^:]*)$`)
	oracleName    = regexp.MustCompile(`^_[` + tchar + `]+$`)
	oracleZone    = regexp.MustCompile(`(?s)^([^%]*:[^%]*)%[` + tchar + `]+$`)
)

func oracleNode(s string) (addr netip.Addr) {
	bracket := oracleBracket.FindStringSubmatch(s)
	port := ""
	if m := oracleV4Port.FindStringSubmatch(s); bracket == nil && m != nil {
		s, port = m[1], m[2]
		if port == "" {
			return addr
		}
	}
	if bracket != nil {
		if s, port = bracket[1], bracket[2]; port == "" && strings.HasSuffix(bracket[0], ":") {
			return addr
		}
		if !strings.Contains(s, ":") {
			return addr
		}
	}
	if _, err := strconv.ParseUint(port, 10, 16); port != "" && err != nil && !oracleName.MatchString(port) {
		return addr
	}
	if m := oracleZone.FindStringSubmatch(s); m != nil {
		s = m[1]
	} else if strings.Contains(s, "%") {
		return addr
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap()
}

func oracleForwarded(line string) (nodes []string) {
	node, seen := "", false
	for {
		m := oraclePair.FindStringSubmatch(line)
		isFor := m != nil && strings.EqualFold(m[1], "for")
		if m == nil || isFor && seen {
			return append(nodes, "malformed")
		}
		if isFor {
			node, seen = strings.TrimPrefix(strings.TrimSuffix(m[2], `"`), `"`), true
		}
		if m[3] != ";" {
			nodes = append(nodes, node)
			node, seen = "", false
		}
		if m[3] == "" {
			return nodes
		}
		line = line[len(m[0]):]
	}
}

func oracleClient(p *Proxies, peer netip.Addr, forwarded, forwardedFor, only string) (netip.Addr, bool) {
	peer = peer.Unmap().WithZone("")
	trusts := func(addr netip.Addr) bool {
		for _, network := range p.trusted {
			if network.Contains(addr) {
				return true
			}
		}
		return false
	}
	if !trusts(peer) {
		return peer, false
	}
	walk := func(nodes []string) netip.Addr {
		for len(nodes) > 0 {
			addr := oracleNode(nodes[len(nodes)-1])
			if !trusts(addr) {
				return addr
			}
			nodes = nodes[:len(nodes)-1]
		}
		return netip.Addr{}
	}
	var answers []netip.Addr
	if forwarded != "" {
		var nodes []string
		for line := range strings.SplitSeq(forwarded, "\n") {
			nodes = append(nodes, oracleForwarded(line)...)
		}
		answers = append(answers, walk(nodes))
	}
	if forwardedFor != "" {
		nodes := strings.Split(strings.ReplaceAll(forwardedFor, "\n", ","), ",")
		for i := range nodes {
			nodes[i] = strings.Trim(nodes[i], " \t")
		}
		answers = append(answers, walk(nodes))
	}
	if only != "" {
		answer := netip.Addr{}
		if !strings.Contains(only, "\n") {
			answer = walk([]string{strings.Trim(only, " \t")})
		}
		answers = append(answers, answer)
	}
	for _, answer := range answers {
		if answer != answers[0] {
			return netip.Addr{}, true
		}
	}
	if len(answers) == 0 {
		return netip.Addr{}, false
	}
	return answers[0], true
}

func FuzzClient(f *testing.F) {
	f.Add("10.0.0.1", "", "192.0.2.7, 10.1.1.1", "")
	f.Add("10.0.0.1", "", "[2001:db8::7%25e]:443,198.51.100.3:_a\n::ffff:10.1.1.1", "")
	f.Add("::ffff:10.0.0.1", `for="[2001:db8:cafe::17]:4711";by=_x, For=198.51.100.17;proto=http;`, "", "")
	f.Add("2001:db8:1::1", "for=192.0.2.7;host=\"a\\\",b\"\nfor=unknown", "192.0.2.7:80", "192.0.2.7")
	f.Add("10.0.0.1", `for=203.0.113.9;x=", for="[2001:db8::7]"`, "", "::ffff:1.2.3.4")
	f.Add("10.0.0.1", "for=192.0.2.7,for=;x", "192.0.2.7,", "192.0.2.7 x")
	f.Add("192.0.2.1", "for=192.0.2.2", "192.0.2.2", "192.0.2.2")
	p := proxies(f, anyHeader)
	f.Fuzz(func(t *testing.T, peer, forwarded, forwardedFor, only string) {
		if max(len(forwarded), len(forwardedFor), len(only)) >= maxForwarding/2 {
			return
		}
		from, _ := netip.ParseAddr(peer)
		got, asserted := p.Client(from, Forwarding{
			Forwarded: lines(forwarded), XForwardedFor: lines(forwardedFor), CDN: lines(only),
		})
		if p.Trusts(got) {
			t.Fatalf("%s is trusted", got)
		}
		if !p.Trusts(from) && (got != from.Unmap().WithZone("") || asserted) {
			t.Fatalf("%s instead of the peer %s", got, from)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Fatalf("%s is not plain", got)
		}
		want, wantAsserted := oracleClient(p, from, forwarded, forwardedFor, only)
		if got != want || asserted != wantAsserted {
			t.Fatalf("got %s, %v; the oracle says %s, %v", got, asserted, want, wantAsserted)
		}
	})
}
