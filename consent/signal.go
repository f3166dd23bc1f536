package consent

import (
	"bytes"
	"math/bits"
)

// Scheme is a vocabulary in which browsers, apps and other tools speak of consent. A
// closed set, in the order in which answers list what was heard.
type Scheme uint8

const (
	NoScheme Scheme = iota
	GPC             // Global Privacy Control
	Segment         // Segment's category preferences
	schemes
)

// row is all that is known of a scheme beside how its values are read.
type row struct {
	name   string // stable: it appears in answers, receipts and records' headers
	mapped bool   // a policy maps its words to purposes, under the scheme's name
	places []Place
	read   func(p *Purposes, value []byte) verdict
}

// table says of each scheme where requests and events carry it and who reads it. What
// the collector looks for in a request follows from this table alone.
var table = [schemes]row{
	GPC: {name: "gpc", read: readGPC, places: []Place{
		{In: Header, Name: "Sec-GPC"},
	}},
	Segment: {name: "segment", mapped: true, read: readSegment, places: []Place{
		{In: Event, Name: "context.consent", Member: "categoryPreferences"},
	}},
}

// verdict is what one value says. The zero verdict is of a value that is no signal.
type verdict struct {
	said       bool // it is a signal
	optOut     bool // it says no to whatever the law lets a universal opt-out take away
	unreadable bool // nobody can tell what it says
	denied     PurposeSet
}

// Where is a part of a request, or an event in it.
type Where uint8

const (
	Header Where = iota // each line of a header field
	Cookie              // each cookie of a name
	Query               // each argument of a name, percent-decoded
	Event               // the JSON of an event
)

// Place is where a scheme is carried.
type Place struct {
	Scheme Scheme
	In     Where
	// Name of the header field, cookie or argument. In an event, the path of a value
	// that says something: one that is there and neither null nor an empty object.
	Name string
	// Member of the object at that path which holds the signal; empty: the value itself.
	// A value in which the member cannot be is handed on in its stead, to be unreadable.
	Member string
}

// Places lists the places of one kind, in the order of their schemes.
func Places(in Where) (out []Place) {
	for scheme, r := range table {
		for _, p := range r.places {
			if p.In == in {
				p.Scheme = Scheme(scheme)
				out = append(out, p)
			}
		}
	}
	return out
}

// Mapped reports whether a scheme of this name is read and a policy can map its words
// to purposes.
func Mapped(name string) bool {
	for _, r := range table {
		if r.mapped && r.name == name {
			return true
		}
	}
	return false
}

// String is stable; empty for no scheme.
func (s Scheme) String() string {
	if s < schemes {
		return table[s].name
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

// Signals is what a request and an event in it say about consent. They can only take
// permission away.
type Signals struct {
	Present    SchemeSet
	OptOut     SchemeSet // of those present, universal opt-outs: see Rules.OptOut
	Unreadable SchemeSet // of those present, what cannot be read
	denied     [schemes]PurposeSet
}

var noSignals Signals

// Denied is all that some scheme says no to by itself.
func (s *Signals) Denied() (all PurposeSet) {
	for _, d := range s.denied {
		all |= d
	}
	return all
}

// denier is the first scheme that says no to one of the purposes.
func (s *Signals) denier(p PurposeSet) Scheme {
	for k, d := range s.denied {
		if d&p != 0 {
			return Scheme(k)
		}
	}
	return NoScheme
}

// Carried is one value that came at a place of a scheme.
type Carried struct {
	Scheme Scheme
	Value  []byte
}

// Read narrows s by one value that came. Of several values each counts, whatever the
// others say. Allocates nothing but for a value with escapes.
func Read(p *Purposes, c Carried, s *Signals) {
	v := table[c.Scheme].read(p, c.Value)
	if !v.said {
		return
	}
	s.Present = s.Present.With(c.Scheme)
	if v.optOut {
		s.OptOut = s.OptOut.With(c.Scheme)
	}
	if v.unreadable {
		s.Unreadable = s.Unreadable.With(c.Scheme)
	}
	s.denied[c.Scheme] |= v.denied
}

// readGPC reads a line of the Sec-GPC header: a signal when one of its list members is
// exactly "1" (W3C Global Privacy Control, 3.2: any other value is to be ignored; RFC
// 9110, 5.3: whoever passes lines on may have joined them).
func readGPC(_ *Purposes, line []byte) (v verdict) {
	for rest := true; rest; {
		var member []byte
		member, line, rest = bytes.Cut(line, []byte{','})
		if string(bytes.Trim(member, " \t")) == "1" {
			return verdict{said: true, optOut: true}
		}
	}
	return v
}
