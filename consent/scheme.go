package consent

import "math/bits"

// Scheme is a vocabulary in which browsers, apps and other tools speak of consent. A
// closed set, in the order in which answers list what was heard.
type Scheme uint8

const (
	NoScheme Scheme = iota
	GPC             // Global Privacy Control
	Segment         // Segment's category preferences
	Schemes         // one more than the last
)

// lexicon is what a scheme is called and speaks of.
type lexicon struct {
	name string
	// check says what is wrong with a name of the scheme to which a policy maps a
	// purpose; nil: the scheme speaks of no purposes.
	check func(name string) error
}

// lexicons have stable names: they appear in answers, receipts and records' headers.
var lexicons = [Schemes]lexicon{
	GPC:     {name: "gpc"},
	Segment: {name: "segment", check: anyName},
}

func anyName(string) error { return nil }

// String is empty for no scheme.
func (s Scheme) String() string {
	if s < Schemes {
		return lexicons[s].name
	}
	return ""
}

// CheckName says what is wrong with a name of the scheme to which a policy maps a purpose.
func (s Scheme) CheckName(name string) error { return lexicons[s].check(name) }

// Mapped lists the schemes to whose names a policy can map purposes.
func Mapped() (out []Scheme) {
	for k, v := range lexicons {
		if v.check != nil {
			out = append(out, Scheme(k))
		}
	}
	return out
}

// SchemeSet is a set of schemes.
type SchemeSet uint64

const _ = 64 - Schemes // does not compile where a set has too few bits

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
