// Package signals reads what browsers, apps and consent managers say of consent, each in
// its own vocabulary, and judges what that means for the purposes of a policy. All of it
// comes from strangers: it takes permission away and never gives any.
package signals

import (
	"fmt"
	"time"

	"assent/consent"
)

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
	Scheme consent.Scheme
	In     Where
	// Name of the header field, cookie or argument. In an event, the path of a value
	// that says something: one that is there and neither null nor an empty object.
	Name string
	// Member of the object at that path which holds the signal; empty: the value itself.
	// A value in which the member cannot be is handed on in its stead, to be unreadable.
	Member string
}

// reader judges one value that came, at an instant.
type reader func(r *Reader, value []byte, now time.Time) consent.Verdict

// row is where requests and events carry a scheme, and who reads it.
type row struct {
	places []Place
	read   reader
}

// table has a row for each scheme. What the collector looks for in a request follows
// from this table alone.
var table = [consent.Schemes]row{
	consent.GPC: {read: readGPC, places: []Place{
		{In: Header, Name: "Sec-GPC"},
	}},
	consent.Segment: {read: readSegment, places: []Place{
		{In: Event, Name: "context.consent", Member: "categoryPreferences"},
	}},
}

// Places lists the places of one kind, in the order of their schemes.
func Places(in Where) (out []Place) {
	for scheme, r := range table {
		for _, p := range r.places {
			if p.In == in {
				p.Scheme = consent.Scheme(scheme)
				out = append(out, p)
			}
		}
	}
	return out
}

// Carried is one value that came at a place of a scheme.
type Carried struct {
	Scheme consent.Scheme
	Value  []byte
}

// Reader reads for the purposes of one policy. It can be used by many at once.
type Reader struct {
	terms [consent.Schemes][]term
}

// NewReader compiles to which names of which schemes the purposes are mapped.
func NewReader(p *consent.Purposes) (*Reader, error) {
	r := &Reader{}
	for k := range r.terms {
		r.terms[k] = termsOf(p, consent.Scheme(k))
		if n := len(r.terms[k]); n > maxTerms {
			return nil, fmt.Errorf("signals.%s: %d names; %d are the most", consent.Scheme(k), n, maxTerms)
		}
	}
	return r, nil
}

// Read narrows s by one value that came. Of several values each counts, whatever the
// others say. Allocates nothing but for a value with escapes.
func (r *Reader) Read(c Carried, now time.Time, s *consent.Signals) {
	s.Hear(c.Scheme, table[c.Scheme].read(r, c.Value, now))
}

var unreadable = consent.Verdict{Said: true, Unreadable: true}
