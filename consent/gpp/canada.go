package gpp

import (
	"math/bits"

	"assent/consent/bitstring"
)

// Canada is what section 5, the TC string of IAB Canada, says of purposes. Its vendors
// are in AppendJSON alone. Sets of purposes and features have bit i-1 for id i.
type Canada struct {
	Created, LastUpdated uint64 // deciseconds since 1970
	PolicyVersion        uint8
	SpecialFeatures      uint16 // SpecialFeatureExpressConsent
	Express, Implied     uint32 // PurposesExpressConsent, PurposesImpliedConsent
	// Of the publisher purposes sub-section, the brand's own; zero where it is absent.
	Publisher              bool // there is one
	PubExpress, PubImplied uint32
}

// canadaVersion is the one version of section 5.
const canadaVersion = 1

// Sub-section types of section 5 and of TC strings, and where their fields begin.
const (
	typeCore      = 0
	typeDisclosed = 1
	typeAllowed   = 2
	typePublisher = 3
	typeBits      = 3
	vendorsAt     = 199 // of the core sub-section of section 5
)

// ids is a set of vendors.
type ids [(maxID + 1) / 64]uint64

func (s *ids) add(first, last int) {
	for id := first; id <= last; {
		n := min(64-id%64, last-id+1) // up to the next word
		s[id/64] |= (1<<n - 1) << (id % 64)
		id += n
	}
}

// care is what a list of vendors has to be for its form to be believed.
type care uint8

const (
	lax     care = iota // anything that can be read
	ordered             // ascending, none above MaxVendorId
	exact               // as the libraries write: joined where they touch, up to MaxVendorId
)

// A vendors reader knows the form in which lists of vendors are written. There are two in
// section 5, and nothing says which: Fibonacci codes, and the numbers of 16 bits that
// TC strings have and encoders wrote before 2025 (the Java one does still).
type vendors struct {
	r         *bitstring.Reader
	fibonacci bool
	care      care
	undefined bool // a restriction was of a type that is not defined
	ids       *ids // filled, if not nil
}

// list reads MaxVendorId, then a bit for each vendor or ranges of them.
func (v *vendors) list() {
	at := v.r.At()
	most := v.r.Int(16)
	if v.r.Bool() {
		if last := v.ranges(); v.care >= ordered && last > most || v.care == exact && last < most {
			v.r.Fail("MaxVendorId is not that of the last vendor", at)
		}
		return
	}
	first := v.r.Skip(most)
	for id := 1; v.ids != nil && v.r.Err() == nil && id <= most; id++ {
		if v.r.Bit(first + id - 1) {
			v.ids.add(id, id)
		}
	}
}

// ranges reads entries of one vendor or of a first and a last one, and returns the last.
func (v *vendors) ranges() int {
	last := -1
	for count := v.r.Int(12); count > 0 && v.r.Err() == nil; count-- {
		group, at := v.r.Bool(), v.r.At()
		before := last
		first := 0
		if v.fibonacci {
			first = max(last, 0) + number(v.r)
			last = first
			if group {
				last += number(v.r)
			}
		} else {
			first = v.r.Int(16)
			last = first
			if group {
				last = v.r.Int(16)
			}
		}
		switch {
		case v.care == exact && (first <= before+1 || group && last <= first),
			v.care == ordered && (first <= max(before, 0) || last < first):
			v.r.Fail("ranges out of order", at)
		}
		if last > maxID {
			v.r.Fail("a vendor above 65535", at)
		}
		if v.ids != nil && v.r.Err() == nil {
			v.ids.add(first, last)
		}
	}
	return max(last, 0)
}

// restrictions reads PubRestrictions; each, if not nil, is called with v.ids filled.
func (v *vendors) restrictions(each func(purpose, kind int)) {
	for count := v.r.Int(12); count > 0 && v.r.Err() == nil; count-- {
		purpose, kind := v.r.Int(6), v.r.Int(2)
		v.undefined = v.undefined || kind == 3 || purpose == 0 || purpose > 24
		if v.ids != nil {
			*v.ids = ids{}
		}
		if v.fibonacci {
			v.list()
		} else {
			v.ranges()
		}
		if each != nil && v.r.Err() == nil {
			each(purpose, kind)
		}
	}
}

// lists reads what ends a sub-section of section 5, with nothing kept.
func (v *vendors) lists(kind int) (ok bool) {
	v.list()
	if kind == typeCore {
		v.list()
		v.restrictions(nil)
	}
	finish(v.r)
	return v.r.Err() == nil
}

// formOf tells the form of the lists that end a sub-section, and whether they hold a value
// that is not defined. What was read has to be what the libraries would write of it in
// that form; else, what some encoder could have written in that form alone.
func formOf(r *bitstring.Reader, kind int) (fibonacci, undefined bool, err error) {
	try := func(fibonacci bool, c care) (v vendors, at bitstring.Reader, ok bool) {
		at = r.From(r.At())
		v = vendors{r: &at, fibonacci: fibonacci, care: c}
		ok = v.lists(kind)
		return v, at, ok
	}
	for _, c := range [...]care{exact, ordered} {
		now, at, isNow := try(true, c)
		if isNow && c == exact {
			return true, now.undefined, nil
		}
		old, _, isOld := try(false, c)
		switch {
		case isNow && isOld:
			r.Fail("vendors that can be read in two ways", r.At())
			return false, false, r.Err()
		case isNow:
			return true, now.undefined, nil
		case isOld:
			return false, old.undefined, nil
		}
		err = at.Err()
	}
	return false, false, err
}

// core reads the core sub-section of section 5 after its version.
func (c *Canada) core(r *bitstring.Reader) (defined bool, err error) {
	c.Created, c.LastUpdated = r.Uint(36), r.Uint(36)
	r.Skip(12 + 12 + 6)                 // CmpId, CmpVersion, ConsentScreen
	first, second := r.Int(6), r.Int(6) // ConsentLanguage, 0 for A
	defined = max(first, second) < 26
	r.Skip(12) // VendorListVersion
	c.PolicyVersion = uint8(r.Int(6))
	r.Skip(1) // UseNonStandardStacks
	c.SpecialFeatures = bits.Reverse16(uint16(r.Int(12)) << 4)
	c.Express, c.Implied = purposes(r), purposes(r)
	if r.Err() != nil {
		return false, r.Err()
	}
	_, undefined, err := formOf(r, typeCore)
	return defined && !undefined, err
}

// publisher reads the publisher purposes sub-section after its type.
func (c *Canada) publisher(r *bitstring.Reader) error {
	c.Publisher = true
	c.PubExpress, c.PubImplied = purposes(r), purposes(r)
	r.Skip(2 * r.Int(6)) // custom purposes
	finish(r)
	return r.Err()
}

func purposes(r *bitstring.Reader) uint32 { return bits.Reverse32(uint32(r.Uint(24)) << 8) }
