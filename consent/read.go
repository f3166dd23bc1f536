package consent

import "bytes"

// row is what is known of a scheme beside its name.
type row struct {
	mapped bool // a policy maps its words to purposes, under the scheme's name
	places []Place
	read   func(p *Purposes, value []byte) verdict
}

// table says of each scheme where requests and events carry it and who reads it. What
// the collector looks for in a request follows from this table alone.
var table = [schemes]row{
	GPC: {read: readGPC, places: []Place{
		{In: Header, Name: "Sec-GPC"},
	}},
	Segment: {mapped: true, read: readSegment, places: []Place{
		{In: Event, Name: "context.consent", Member: "categoryPreferences"},
	}},
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
	for k, r := range table {
		if r.mapped && Scheme(k).String() == name {
			return true
		}
	}
	return false
}

// Carried is one value that came at a place of a scheme.
type Carried struct {
	Scheme Scheme
	Value  []byte
}

// Read narrows s by one value that came. Of several values each counts, whatever the
// others say. Allocates nothing but for a value with escapes.
func Read(p *Purposes, c Carried, s *Signals) {
	s.hear(c.Scheme, table[c.Scheme].read(p, c.Value))
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
