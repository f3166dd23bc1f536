package geo

import "testing"

// TestReadClaim: what networks write, and what only somebody else would.
func TestReadClaim(t *testing.T) {
	f := func(country, region [][]byte, want string) {
		t.Helper()
		c, err := ReadClaim(country, region)
		got := c.At.String()
		switch {
		case err != nil && (c.At.Known() || !c.Made):
			t.Errorf("%q, %q: an error beside %v", country, region, c)
		case err != nil:
			got = "unreadable"
		case !c.Made:
			got = "none"
		}
		if got != want {
			t.Errorf("%q, %q: %s, want %s", country, region, got, want)
		}
	}
	f(nil, nil, "none")
	f(lines("FR"), nil, "FR")
	f(lines(" fr\t"), nil, "FR")
	f(lines("UK"), lines("GB-ENG"), "GB-ENG")
	f(lines("US"), lines("CA"), "US-CA")
	f(lines("US"), lines("ca"), "US-CA")
	f(lines("us"), lines("US-ca"), "US-CA")
	f(lines("FR"), lines("75"), "FR-75")
	f(lines("US"), lines(" "), "US")
	f(lines("US"), lines("?"), "US")
	for _, pseudo := range []string{"XX", "T1", "ZZ", "zz", "A1", "EU", " "} {
		f(lines(pseudo), nil, "unknown")
	}
	f(lines("XX"), lines("CA"), "unknown")
	f(lines(" "), lines(" "), "unknown")

	f(lines("FR\nUS"), nil, "unreadable")
	f(lines("FR\nFR"), nil, "unreadable")
	f(lines("FR,US"), nil, "unreadable")
	f(lines("US"), lines("CA\nNY"), "unreadable")
	f(lines("US"), lines("CA,NY"), "unreadable")
	f(lines("US"), lines("FR-CA"), "unreadable")
	f(lines("XX"), lines("US-CA"), "unreadable")
	f(lines("US"), lines("US-"), "unreadable")
	f(lines("US"), lines("US-CALI"), "unreadable")
	f(lines("US"), lines("California"), "unreadable")
	f(lines("US"), lines("C\u00c4"), "unreadable")
	f(nil, lines("CA"), "unreadable")
	f(nil, lines("US-CA"), "unreadable")
	f(lines(" "), lines("CA"), "unreadable")
	for _, none := range []string{"F", "FRA", "France", "US-CA", "?", "F\x00", "\"FR\""} {
		f(lines(none), nil, "unreadable")
		f(lines(none), lines("CA"), "unreadable")
	}
}

func TestHolds(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		j, err := Parse(a)
		k, err2 := Parse(b)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if got := j.Holds(k); got != want {
			t.Errorf("%s holds %s: %v", j, k, got)
		}
	}
	f("US", "US", true)
	f("US", "US-CA", true)
	f("US-CA", "US-CA", true)
	f("", "", true)
	f("US-CA", "US", false)
	f("US-CA", "US-NY", false)
	f("US", "FR", false)
	f("US", "FR-75", false)
	f("", "US", false)
	f("US", "", false)
}
