package gpp

import (
	"bytes"

	"assent/consent/bitstring"
)

// maxSections is more than all sections that exist.
const maxSections = 32

// ErrTC is what Parse makes of a bare TC string, which many put where a GPP string belongs.
var ErrTC error = &bitstring.Error{What: "a TC string, no GPP string"}

// String is a GPP string as read. The zero String is ready for Parse and has no sections.
// One can be used again, by one goroutine at a time; it is too large to be copied.
type String struct {
	text     []byte
	n        int
	sections [maxSections]Section
	canada   Canada
	bits     bitstring.Bits
	ids      ids // for AppendJSON
}

// Parse reads a GPP string, which s refers to until the next Parse. The text must not
// change until then. An error is a *bitstring.Error, where character i of the whole text
// begins at bit 6·i, and leaves s with no section. Sections and versions that nobody here
// knows are no error: see Section.Status. Allocates nothing but errors.
func Parse(s *String, text []byte) error {
	s.n, s.text, s.canada = 0, nil, Canada{}
	if len(text) > bitstring.MaxText {
		r := bitstring.Decode(&s.bits, text)
		return r.Err()
	}
	if len(text) > 0 && text[0] == 'C' { // the first 6 bits are 2, the version of TC strings
		return ErrTC
	}
	s.text = text
	n, at, err := s.header()
	for i := 0; i < n && err == nil; i++ {
		end := len(text)
		if i < n-1 {
			end = at + bytes.IndexByte(text[at:], '~')
		}
		sec := &s.sections[i]
		sec.start, sec.end = uint16(at), uint16(end)
		err = s.section(sec)
		at = end + 1
	}
	if err != nil {
		s.text, s.canada = nil, Canada{}
		return err
	}
	s.n = n
	return nil
}

// header reads the header, makes the sections that it lists and says where they begin.
func (s *String) header() (n, at int, err error) {
	end := bytes.IndexByte(s.text, '~')
	if end < 0 {
		end = len(s.text)
	}
	present := bytes.Count(s.text, []byte{'~'})
	r := bitstring.Decode(&s.bits, s.text[:end])
	if r.Int(6) != 3 {
		r.Fail("no GPP header: its type is not 3", 0)
	}
	if r.Int(6) != 1 {
		r.Fail("a version of GPP that is not 1", 6)
	}
	var ids [maxSections]uint16
	n = list(&r, ids[:min(present, maxSections)])
	finish(&r)
	if n < present {
		r.Fail("more sections than ids in the header", 6*end)
	}
	if err := r.Err(); err != nil {
		return 0, 0, err
	}
	for i, id := range ids[:n] {
		s.sections[i] = Section{id: id}
	}
	return n, end + 1, nil
}

func (s *String) section(sec *Section) error {
	if sec.start == sec.end {
		return &bitstring.Error{What: "an empty section", Bit: 6 * int(sec.start)}
	}
	switch {
	case sec.id == tcfEU:
		sec.status = Text
		return nil
	case sec.id == tcfCA:
		return s.tcfCA(sec)
	case sec.id == usp:
		return s.usp(sec)
	case sec.Name() == "":
		return nil
	case byID[sec.id][0].headed && s.text[sec.start] == "YZab"[sec.id-24]: // its id in 6 bits
		return s.headed(sec)
	}
	return s.us(sec, int(sec.start), true)
}

// open reads the sub-section that begins at a place, up to a dot or the section's end,
// and says where the next one begins: after the section's end, where there is none.
func (s *String) open(at int, sec *Section) (r bitstring.Reader, next int) {
	text := s.text[at:sec.end]
	if dot := bytes.IndexByte(text, '.'); dot >= 0 {
		text = text[:dot]
	}
	return bitstring.Decode(&s.bits, text), at + len(text) + 1
}

// failure is the error of a sub-section that begins at a place.
func failure(r *bitstring.Reader, at int) error {
	if err, ok := r.Err().(*bitstring.Error); ok {
		err.Bit += 6 * at
		return err
	}
	return nil
}

// usp reads a US Privacy string, of four characters that are no bits.
func (s *String) usp(sec *Section) error {
	text, at := s.text[sec.start:sec.end], 6*int(sec.start)
	if len(text) != 4 {
		return &bitstring.Error{What: "a US Privacy string of other than 4 characters", Bit: at}
	}
	if text[0] < '0' || text[0] > '9' {
		return &bitstring.Error{What: "a version that is no digit", Bit: at}
	}
	sec.version = text[0] - '0'
	if sec.layout = layoutOf(usp, sec.version); sec.layout == nil {
		return nil
	}
	for i, c := range text[1:] {
		a := bytes.IndexByte([]byte(uspLetters), c)
		if a < 0 {
			return &bitstring.Error{What: "neither Y, N nor -", Bit: at + 6*(i+1)}
		}
		sec.answers |= uint64(a) << (62 - 2*i)
	}
	sec.status = Defined
	return nil
}

// uspLetters are the answers of a US Privacy string: 0 not applicable, 1 yes, 2 no.
const uspLetters = "-YN"

// headed reads a section of ids 24 to 27 that begins with the section header of their
// specifications: SectionID 6, Version 6, SubSections as Range(Fibonacci).
//
// The specifications number the core sub-section 0, which no Fibonacci code can say. So
// a list that is one short of the sub-sections leaves the core out, and one of the same
// length has every id one higher.
func (s *String) headed(sec *Section) error {
	at := int(sec.start)
	r, next := s.open(at, sec)
	r.Skip(6)
	sec.version = uint8(r.Int(6))
	if r.Err() == nil && sec.version != 1 {
		return nil
	}
	var ids [8]uint16
	parts := bytes.Count(s.text[at:sec.end], []byte{'.'})
	n := list(&r, ids[:min(parts, len(ids))])
	finish(&r)
	if parts == 0 || n != parts && n != parts-1 {
		r.Fail("other sub-sections than the section header lists", r.At())
	}
	if err := failure(&r, at); err != nil {
		return err
	}
	return s.us(sec, next, parts <= 2 && (n == 0 || ids[0] == 1 && (n == 1 || ids[1] == 2)))
}

// us reads the sub-sections from a place on. It is defined, so far.
func (s *String) us(sec *Section, at int, defined bool) error {
	r, next := s.open(at, sec)
	sec.version = uint8(r.Int(6))
	if r.Err() != nil {
		return failure(&r, at)
	}
	l := layoutOf(sec.id, sec.version)
	if l == nil {
		return nil
	}
	sec.answers = answers(&r, l.core)
	end := rest(&r)
	if end >= 0 && l.long != nil {
		l, r = l.long, r.From(6)
		sec.answers = answers(&r, l.core)
		end = rest(&r)
	}
	if end >= 0 {
		r.Fail("bits after the last field", end)
	}
	for i := 0; r.Err() == nil && next <= int(sec.end); i++ {
		at = next
		r, next = s.open(at, sec)
		switch {
		case i == 0 && l.extra == consents:
			sec.answers |= answers(&r, l.answers-l.core) >> (2 * l.core)
			finish(&r)
		case i == 0 && l.extra == gpc && r.Int(2) == 1:
			sec.gpc = r.Bool()
			finish(&r)
		default:
			defined = false
		}
	}
	if sec.layout = l; defined && l.defined(sec.answers) {
		sec.status = Defined
	} else {
		sec.status = Undefined
	}
	return failure(&r, at)
}

// answers reads n answers of two bits.
func answers(r *bitstring.Reader, n int) uint64 {
	high := min(2*n, 32)
	v := r.Uint(high) << (64 - high)
	return v | r.Uint(2*n-high)<<(64-2*n)
}

// tcfCA reads section 5, sub-sections other than the core in any order.
func (s *String) tcfCA(sec *Section) error {
	at := int(sec.start)
	r, next := s.open(at, sec)
	sec.version = uint8(r.Int(6))
	if r.Err() == nil && sec.version != canadaVersion {
		return nil
	}
	defined, err := s.canada.core(&r)
	for seen := uint(1 << typeCore); err == nil && next <= int(sec.end); {
		at = next
		r, next = s.open(at, sec)
		kind := r.Int(typeBits)
		defined = defined && seen>>kind&1 == 0
		seen |= 1 << kind
		switch kind {
		case typeDisclosed:
			_, _, err = formOf(&r, kind)
		case typePublisher:
			err = s.canada.publisher(&r)
		default:
			defined, err = false, r.Err()
		}
	}
	if e, ok := err.(*bitstring.Error); ok {
		e.Bit += 6 * at
		return e
	}
	if sec.status = Defined; !defined {
		sec.status = Undefined
		s.canada = Canada{}
	}
	return nil
}

// Sections are the sections in the order of their ids, good until the next Parse.
func (s *String) Sections() []Section { return s.sections[:s.n] }

// TCF is the text of section 2, a TC string to be read by consent/tcf; nil without one.
func (s *String) TCF() []byte {
	for i := range s.Sections() {
		if sec := &s.sections[i]; sec.id == tcfEU {
			return s.text[sec.start:sec.end]
		}
	}
	return nil
}

// Canada is what section 5 says; false without one, and where it is not Defined.
func (s *String) Canada() (c *Canada, ok bool) {
	for i := range s.Sections() {
		if sec := &s.sections[i]; sec.id == tcfCA {
			return &s.canada, sec.status == Defined
		}
	}
	return &s.canada, false
}

// Valid reports whether every section that is known here, but for 2, holds defined
// values. The TC string of section 2 is judged by consent/tcf.
func (s *String) Valid() bool {
	for i := range s.Sections() {
		if s.sections[i].status == Undefined {
			return false
		}
	}
	return true
}
