package geo

import (
	"errors"
	"net/netip"
)

// Claim is the place that a content delivery network names for its client.
type Claim struct {
	Made bool // a header named one, be it only as unknown
	At   Jurisdiction
}

var (
	errRepeated  = errors.New("a place is named more than once")
	errNoCountry = errors.New("a subdivision is named without its country")
	errElsewhere = errors.New("the subdivision is one of another country")
)

// ReadClaim reads a claim from the field lines of its two headers, as they came. The
// country is an ISO 3166-1 code; the subdivision is one of ISO 3166-2, with or without
// the country before it ("CA", "US-CA"); both in either case. An empty country, and a
// code that New does not know (XX, T1, ZZ), say that the place is unknown. An empty
// subdivision, and the "?" of App Engine, leave the country alone. Anything else is an
// error, and the place is to be judged as unreadable: a second line or value, for
// instance, is one that the network did not write.
func ReadClaim(country, region [][]byte) (Claim, error) {
	if len(country) == 0 && len(region) == 0 {
		return Claim{}, nil
	}
	if len(country) > 1 || len(region) > 1 {
		return Claim{Made: true}, errRepeated
	}
	var c, r []byte
	if len(country) > 0 {
		c = trim(country[0])
	}
	if len(region) > 0 {
		r = trim(region[0])
	}
	if len(r) == 1 && r[0] == '?' {
		r = nil
	}
	j, err := claimed(c, r)
	return Claim{Made: true, At: j}, err
}

func claimed(country, region []byte) (Jurisdiction, error) {
	if len(country) == 0 {
		if len(region) > 0 {
			return Unknown, errNoCountry
		}
		return Unknown, nil
	}
	const divided = len("US-")
	if len(region) <= divided || region[divided-1] != '-' {
		return New(string(country), string(region))
	}
	whole, err := New(string(country), "")
	if err != nil {
		return Unknown, err
	}
	j, err := New(string(region[:divided-1]), string(region[divided:]))
	if err == nil && j.Country != whole.Country {
		return Unknown, errElsewhere
	}
	return j, err
}

// Holds reports whether k is j or lies in it. Unknown is a place like no other: it
// holds only itself.
func (j Jurisdiction) Holds(k Jurisdiction) bool {
	return j == k || j.Known() && j.Country == k.Country && j.Region == [3]byte{}
}

// Hider is a [Locator] that knows addresses which do not tell where their users are:
// those of anonymising networks.
type Hider interface{ Hides(addr netip.Addr) bool }
