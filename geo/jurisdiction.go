package geo

import (
	"errors"
	"strings"
)

// Jurisdiction is a place whose law may apply: an ISO 3166-1 alpha-2 country and,
// where it is known, the subdivision part of its ISO 3166-2 code ("CA" of "US-CA"),
// upper case, padded with NUL. The zero value is Unknown. It is comparable and
// five bytes long.
//
// A country code here is always an officially assigned one, or XK (Kosovo). Territories keep
// their own codes (PR, SJ, RE): which law reaches them is policy's work. The
// subdivision is well formed, not checked against a list.
type Jurisdiction struct {
	Country [2]byte
	Region  [3]byte
}

// Unknown is the place of which nothing is known. Policy answers it with the
// strictest regime.
var Unknown Jurisdiction

var (
	errCountry = errors.New("country is not two letters or digits")
	errRegion  = errors.New("subdivision is not one to three letters or digits")
)

// Parse reads "FR", "US-CA" or "CA-QC", in either case. See [New] for the codes
// it normalises; "" and "unknown", which [Jurisdiction.String] writes, are Unknown.
func Parse(s string) (Jurisdiction, error) {
	if s == "" || strings.EqualFold(s, unknown) {
		return Unknown, nil
	}
	country, region, divided := strings.Cut(s, "-")
	if divided && region == "" {
		return Unknown, errRegion
	}
	return New(country, region)
}

// New makes a jurisdiction of a country and a subdivision code, the latter may be
// empty. UK becomes GB and EL becomes GR, the forms used by the European Union.
// A well-formed country code that is not assigned is Unknown as a whole, without
// an error: so are the pseudo-countries of geo databases and content delivery
// networks (A1, A2, O1, AP, EU, T1, XX, ZZ). Whoever needs a place asks
// [Jurisdiction.Known].
func New(country, region string) (Jurisdiction, error) {
	var j Jurisdiction
	if len(country) != len(j.Country) || !upper(j.Country[:], country) {
		return Unknown, errCountry
	}
	if len(region) > len(j.Region) || !upper(j.Region[:], region) {
		return Unknown, errRegion
	}
	switch j.Country {
	case [2]byte{'U', 'K'}:
		j.Country = [2]byte{'G', 'B'}
	case [2]byte{'E', 'L'}:
		j.Country = [2]byte{'G', 'R'}
	}
	if !assigned.has(j.Country) {
		return Unknown, nil
	}
	return j, nil
}

// Known reports whether at least the country is known.
func (j Jurisdiction) Known() bool { return j != Unknown }

// IsZero reports whether j is Unknown.
func (j Jurisdiction) IsZero() bool { return j == Unknown }

// String returns "FR", "US-CA" or "unknown".
func (j Jurisdiction) String() string { return string(j.AppendTo(nil)) }

// AppendTo appends what [Jurisdiction.String] returns.
func (j Jurisdiction) AppendTo(dst []byte) []byte {
	if !j.Known() {
		return append(dst, unknown...)
	}
	dst = append(dst, j.Country[:]...)
	if j.Region[0] == 0 {
		return dst
	}
	dst = append(dst, '-')
	for _, c := range j.Region {
		if c != 0 {
			dst = append(dst, c)
		}
	}
	return dst
}

const unknown = "unknown"

// upper copies s to dst in upper case; false if s holds anything but ASCII letters
// and digits.
func upper(dst []byte, s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		default:
			return false
		}
		dst[i] = c
	}
	return true
}
