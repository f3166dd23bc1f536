// Package signals reads what browsers, apps and consent managers say of consent, each in
// its own vocabulary, and judges what that means for the purposes of a policy. All of it
// comes from strangers: it takes permission away. What a consent manager says that somebody
// chose is a Claim, for whoever lets it speak.
package signals

import (
	"fmt"
	"hash/maphash"
	"time"

	"assent/consent"
	"assent/consent/cmp"
)

// Where is a part of a request, or an event in it.
type Where uint8

const (
	Header Where = iota // each line of a header field
	Cookie              // each cookie of a name
	Query               // each argument of a name, percent-decoded
	Event               // the JSON of an event
)

var whereNames = [...]string{"header", "cookie", "query", "event"}

func (w Where) String() string { return whereNames[w] }

// Place is where requests and events carry a scheme. Places lists those of the table;
// Renamed and Declared make others.
type Place struct {
	Scheme consent.Scheme
	In     Where
	// Name of the header field, cookie or argument. In an event, the path of a value
	// that says something: one that is there and neither null nor an empty object.
	Name string
	// Member of the object at that path which holds the signal; empty: the value itself.
	// A value in which the member cannot be is handed on in its stead, to be unreadable.
	Member string
	// read judges what stands there. Nil: it says nothing by itself, and is handed to the
	// scheme's other places as what stands beside.
	read reader
	kind cmp.Kind // of text, which Decoder reads; else Unknown
}

// String names the place, without a value.
func (p *Place) String() string {
	name := p.Name
	if p.Member != "" {
		name += "." + p.Member
	}
	return p.In.String() + " " + name
}

// Carried is one value that came at a place.
type Carried struct {
	Place *Place
	Value []byte
}

// reader judges one value, with what stood beside it, at an instant. What cannot be read
// is an error that says where.
type reader func(r *Reader, value, beside []byte, now time.Time) (answer, error)

// Reader reads for the purposes of one policy. It can be used by many at once.
type Reader struct {
	terms [consent.Schemes][]term
	tcf   []tcfTerm
	cache cache[*Place]
	maps  consent.SchemeSet // what the policy maps
	hears consent.SchemeSet // that, and universal opt-outs
}

// universal are the schemes that can hold a universal opt-out, which is looked at though
// no policy maps it.
var universal = consent.SchemeSet(0).With(consent.GPC).With(consent.GPP)

// NewReader compiles to which names of which schemes the purposes are mapped.
func NewReader(p *consent.Purposes) (*Reader, error) {
	r := &Reader{hears: universal, tcf: tcfTerms(p)}
	r.cache.seed = maphash.MakeSeed()
	for k := range consent.Schemes {
		r.terms[k] = termsOf(p, k)
		if n := len(r.terms[k]); n > maxTerms {
			return nil, fmt.Errorf("signals.%s: %d names; %d are the most", k, n, maxTerms)
		} else if n > 0 {
			r.maps = r.maps.With(k)
		}
	}
	if len(r.tcf) > 0 {
		r.maps = r.maps.With(consent.GPP) // which holds TC strings
	}
	r.hears |= r.maps
	return r, nil
}

// Read narrows s by the values that came with one request. Each counts, whatever the
// others say. Allocates nothing but for a value with escapes.
func (r *Reader) Read(all []Carried, now time.Time, s *consent.Signals) {
	for i := range all {
		p := all[i].Place
		if p.read == nil || !r.Hears(p.Scheme) {
			continue
		}
		with, at := beside(all, p, 0)
		for n := 1; ; n++ {
			s.Hear(p.Scheme, r.verdict(p, all[i].Value, with, now))
			if with, at = beside(all, p, at); with == nil {
				break
			}
			if n == maxBeside {
				s.Hear(p.Scheme, consent.Verdict{Said: true, Unreadable: true})
				break
			}
		}
	}
}

// maxBeside is how many values that stand beside are tried: no browser has more than one
// or two.
const maxBeside = 4

// ReadOne narrows s by a value that stands alone, as one in an event does.
func (r *Reader) ReadOne(p *Place, value []byte, now time.Time, s *consent.Signals) {
	if r.Hears(p.Scheme) {
		s.Hear(p.Scheme, r.verdict(p, value, nil, now))
	}
}

// Hears reports whether anything that a scheme says can matter.
func (r *Reader) Hears(k consent.Scheme) bool { return r.hears.Has(k) }

// verdict is what a value says. One that cannot be read is a signal that cannot be read.
func (r *Reader) verdict(p *Place, value, beside []byte, now time.Time) consent.Verdict {
	if p.empty(value) {
		return consent.Verdict{}
	}
	a, unreadable := r.judge(p, value, beside, now)
	if unreadable {
		return consent.Verdict{Said: true, Unreadable: r.maps.Has(p.Scheme)}
	}
	return a.Verdict
}

// empty reports whether nothing was sent: tags send the arguments of consent managers that
// are not there.
func (p *Place) empty(value []byte) bool {
	return p.kind != cmp.Unknown && (len(value) == 0 || p.In == Event && string(value) == `""`)
}

// judge is what a value says, or that it cannot be read.
func (r *Reader) judge(p *Place, value, beside []byte, now time.Time) (a answer, unreadable bool) {
	e, keep := r.cache.find(p, value, beside, now)
	if e != nil {
		return e.answer, e.unreadable
	}
	a, err := p.read(r, value, beside, now)
	if keep != nil {
		e = &entry[*Place]{place: p, text: string(value), beside: string(beside), answer: a, unreadable: err != nil, from: now.UnixMicro()}
		if !a.until.IsZero() {
			e.until = a.until.UnixMicro()
		}
		keep.Store(e)
	}
	return a, err != nil
}

// beside is what came, at an index or behind it, at the place of the same scheme that says
// nothing by itself, and the index behind that; nil: nothing came there. Where several
// came, a value is judged with each.
func beside(all []Carried, p *Place, from int) (value []byte, next int) {
	for i := from; i < len(all); i++ {
		if other := all[i].Place; other.Scheme == p.Scheme && other.read == nil {
			return all[i].Value, i + 1
		}
	}
	return nil, len(all)
}
