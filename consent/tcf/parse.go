// Package tcf reads the TC strings of IAB Europe's Transparency and Consent Framework 2
// (IAB Tech Lab, Consent string and vendor list formats v2, of 2026-02-26), and judges
// apart from reading whether one may be used as consent. It knows purposes by their
// numbers; what a number stands for is the policy's.
package tcf

import (
	"bytes"
	"time"

	"assent/consent/bitstring"
)

// A String holds what one TC string says. The zero String is ready and can be used
// again, for a string at a time: it is large, pool it. A copy of one still looks at the
// bits of the first.
type String struct {
	Created, LastUpdated int64 // deciseconds since 1970
	CMPID, CMPVersion    int
	ConsentScreen        int
	ConsentLanguage      [2]byte
	VendorListVersion    int
	PolicyVersion        int
	ServiceSpecific      bool
	NonStandardTexts     bool
	SpecialFeatures      Set
	Consents             Set // of PurposesConsent: 1 to 24
	LI                   Set // of PurposesLITransparency, as written: see PurposeLI
	PurposeOneTreatment  bool
	PublisherCC          [2]byte
	VendorConsents       Vendors
	VendorLI             Vendors
	Disclosed            Vendors
	HasDisclosed         bool
	Publisher            Publisher
	HasPublisher         bool

	restrictions int
	restricted   bitstring.Reader // at the first restriction
	notes        Reasons          // what reading saw
	bits         [3]bitstring.Bits
}

// Publisher is the publisher TC segment: what was agreed with the brand itself.
type Publisher struct {
	Consents, LI             Set
	Custom                   int // number of the brand's own purposes
	CustomConsents, CustomLI Set // of these
}

// Types of segments behind the core.
const (
	typeCore      = 0
	typeDisclosed = 1
	typeAllowed   = 2 // retired
	typePublisher = 3
)

const version = 2

// Parse reads a TC string: the core, then other segments in any order. A segment of a
// type that is not known is passed over. The error is a *bitstring.Error whose bit counts
// six for each character of the text; s says nothing then. Allocates nothing on success.
func (s *String) Parse(text []byte) error {
	s.reset()
	if len(text) > bitstring.MaxText {
		r := bitstring.Decode(&s.bits[0], text)
		return r.Err()
	}
	segment, rest, more := bytes.Cut(text, []byte{'.'})
	r := bitstring.Decode(&s.bits[0], segment)
	s.core(&r)
	err := at(r, 0)
	for start := len(segment) + 1; err == nil && more; start += len(segment) + 1 {
		segment, rest, more = bytes.Cut(rest, []byte{'.'})
		err = s.segment(segment, start)
	}
	if err != nil {
		s.reset()
	}
	return err
}

// reset forgets the string before; its bits are overwritten by the next.
func (s *String) reset() {
	s.Created, s.LastUpdated = 0, 0
	s.CMPID, s.CMPVersion, s.ConsentScreen, s.VendorListVersion, s.PolicyVersion = 0, 0, 0, 0, 0
	s.ConsentLanguage, s.PublisherCC = [2]byte{}, [2]byte{}
	s.ServiceSpecific, s.NonStandardTexts, s.PurposeOneTreatment, s.HasDisclosed, s.HasPublisher = false, false, false, false, false
	s.SpecialFeatures, s.Consents, s.LI = 0, 0, 0
	s.VendorConsents, s.VendorLI, s.Disclosed = Vendors{}, Vendors{}, Vendors{}
	s.Publisher = Publisher{}
	s.restrictions, s.restricted, s.notes = 0, bitstring.Reader{}, 0
}

// at is the error of a segment that begins at a character of the text.
func at(r bitstring.Reader, start int) error {
	err := r.Err()
	if e, ok := err.(*bitstring.Error); ok {
		e.Bit += start * 6
	}
	return err
}

func (s *String) core(r *bitstring.Reader) {
	switch r.Int(6) {
	case version:
	case 1:
		r.Fail("version 1, which version 2 has replaced", 0)
	default:
		r.Fail("a version other than 2", 0)
	}
	s.Created, s.LastUpdated = int64(r.Uint(36)), int64(r.Uint(36))
	s.CMPID, s.CMPVersion, s.ConsentScreen = r.Int(12), r.Int(12), r.Int(6)
	s.ConsentLanguage = letters(r)
	s.VendorListVersion, s.PolicyVersion = r.Int(12), r.Int(6)
	s.ServiceSpecific, s.NonStandardTexts = r.Bool(), r.Bool()
	s.SpecialFeatures, s.Consents, s.LI = readSet(r, 12), readSet(r, 24), readSet(r, 24)
	s.PurposeOneTreatment = r.Bool()
	s.PublisherCC = letters(r)
	s.VendorConsents, s.VendorLI = readVendors(r), readVendors(r)
	s.restrictions = r.Int(12)
	s.restricted = r.From(r.At())
	for n := 0; n < s.restrictions && r.Err() == nil; n++ {
		r.Skip(6 + 2)
		readRanges(r, 1<<16-1) // they may span ids that no list has
	}
	s.end(r)
}

// letters reads two letters of six bits each, A being 0.
func letters(r *bitstring.Reader) (out [2]byte) {
	for i := range out {
		at := r.At()
		c := r.Int(6)
		if c > 'Z'-'A' {
			r.Fail("no letter", at)
			c = 0
		}
		out[i] = 'A' + byte(c)
	}
	return out
}

// end notes what follows the last field, but for zeros: encoders pad as they like. Even
// the specification has an example with more bits than its MaxVendorId says.
func (s *String) end(r *bitstring.Reader) {
	for r.Left() > 0 {
		if r.Uint(min(r.Left(), 56)) != 0 {
			s.notes |= 1 << TrailingBits
		}
	}
}

// segment reads one behind the core.
func (s *String) segment(text []byte, start int) error {
	if len(text) == 0 {
		return &bitstring.Error{What: "a segment without a type", Bit: start * 6}
	}
	// Its type is its first three bits, known before the bits are: those of one kind stay
	// where they are read.
	into := &s.bits[1]
	kind := typeOf(text[0])
	switch {
	case kind == typeCore, kind == typeDisclosed && s.HasDisclosed, kind == typePublisher && s.HasPublisher:
		s.notes |= 1 << SegmentTwice
		return check(text, start)
	case kind == typeAllowed:
		s.notes |= 1 << AllowedVendors
		return check(text, start)
	case kind == typePublisher:
		into = &s.bits[2]
	case kind != typeDisclosed:
		s.notes |= 1 << UnknownSegment
		return check(text, start)
	}
	r := bitstring.Decode(into, text)
	r.Skip(3)
	if kind == typePublisher {
		s.publisher(&r)
		s.HasPublisher = true
	} else {
		s.Disclosed, s.HasDisclosed = readVendors(&r), true
	}
	s.end(&r)
	return at(r, start)
}

// typeOf is the type of a segment by its first character; -1: it is none of base64url.
func typeOf(c byte) int {
	switch {
	case 'A' <= c && c <= 'Z':
		return int(c-'A') >> 3
	case 'a' <= c && c <= 'z':
		return int(c-'a'+26) >> 3
	case '0' <= c && c <= '9':
		return int(c-'0'+52) >> 3
	case c == '-', c == '_':
		return 7
	}
	return -1
}

// check refuses a segment that is passed over and is no base64url.
func check(text []byte, start int) error {
	for i, c := range text {
		if typeOf(c) < 0 {
			return &bitstring.Error{What: "no character of base64url", Bit: (start + i) * 6}
		}
	}
	return nil
}

func (s *String) publisher(r *bitstring.Reader) {
	p := &s.Publisher
	p.Consents, p.LI = readSet(r, 24), readSet(r, 24)
	p.Custom = r.Int(6)
	if p.Custom > 0 {
		p.CustomConsents = wide(r, p.Custom)
		p.CustomLI = wide(r, p.Custom)
	}
}

// wide reads a set of up to 63 ids.
func wide(r *bitstring.Reader, width int) Set {
	if width <= 32 {
		return readSet(r, width)
	}
	return readSet(r, 32) | readSet(r, width-32)<<32
}

// Updated is when the choice was last made.
func (s *String) Updated() time.Time { return time.UnixMilli(s.LastUpdated * 100).UTC() }

// WholeDay reports whether LastUpdated says no more than the day, as version 2.2 and later
// ask: what happened on that day may have been before or after it.
func (s *String) WholeDay() bool { return s.LastUpdated%(24*60*60*10) == 0 }

// PurposeLI are the purposes whose legitimate interest was established and not objected
// to. Purpose 1 never rests on it, nor, from policy version 4 on, do 3 to 6.
func (s *String) PurposeLI() Set { return s.interests(s.LI) }

// PublisherLI is the same of the publisher TC segment.
func (s *String) PublisherLI() Set { return s.interests(s.Publisher.LI) }

func (s *String) interests(li Set) Set {
	li = li.without(1)
	if s.PolicyVersion >= 4 {
		li = li.without(3, 4, 5, 6)
	}
	return li
}

// Restriction is what the publisher asks of a vendor's purpose.
type Restriction int

// The restrictions (Publisher Restrictions Section, RestrictionType).
const (
	NotAllowed     Restriction = iota
	RequireConsent             // whatever basis the vendor would take
	RequireLI
	Undefined
)

// EachRestriction calls f with each restriction, in the order of the string.
func (s *String) EachRestriction(f func(purpose int, kind Restriction, vendors Vendors)) {
	r := s.restricted
	for range s.restrictions {
		purpose, kind := r.Int(6), Restriction(r.Int(2))
		f(purpose, kind, readRanges(&r, 1<<16-1))
	}
}

// Restriction is what the publisher asks of a vendor for a purpose; ok is false where it
// asks nothing. NotAllowed wins, and stands for what is undefined or contradicts itself.
func (s *String) Restriction(purpose, vendor int) (kind Restriction, ok bool) {
	s.EachRestriction(func(p int, k Restriction, vendors Vendors) {
		if p != purpose || !vendors.Has(vendor) {
			return
		}
		if k == Undefined || ok && k != kind {
			k = NotAllowed
		}
		kind, ok = k, true
	})
	return kind, ok
}
