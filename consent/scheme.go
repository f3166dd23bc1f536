package consent

import "math/bits"

// Scheme is a vocabulary in which browsers, apps and other tools speak of consent. A
// closed set, in the order in which answers list what was heard.
type Scheme uint8

const (
	NoScheme Scheme = iota
	GPC             // Global Privacy Control
	Segment         // Segment's category preferences
	schemes
)

// schemeNames are stable: they appear in answers, receipts and records' headers.
var schemeNames = [schemes]string{GPC: "gpc", Segment: "segment"}

// String is empty for no scheme.
func (s Scheme) String() string {
	if s < schemes {
		return schemeNames[s]
	}
	return ""
}

// SchemeSet is a set of schemes.
type SchemeSet uint64

const _ = 64 - schemes // does not compile where a set has too few bits

// With is the set with one scheme more.
func (s SchemeSet) With(k Scheme) SchemeSet { return s | 1<<k }

// first is the scheme that comes first in lists; none of an empty set.
func (s SchemeSet) first() Scheme { return Scheme(bits.TrailingZeros64(uint64(s)) % 64) }

// Names lists the schemes in a fixed order.
func (s SchemeSet) Names() []string {
	out := []string{}
	for ; s != 0; s &= s - 1 {
		out = append(out, s.first().String())
	}
	return out
}

// String joins the names by comma.
func (s SchemeSet) String() string { return string(s.AppendTo(nil)) }

// AppendTo appends what String gives.
func (s SchemeSet) AppendTo(dst []byte) []byte {
	for ; s != 0; s &= s - 1 {
		dst = append(dst, s.first().String()...)
		if s&(s-1) != 0 {
			dst = append(dst, ',')
		}
	}
	return dst
}
