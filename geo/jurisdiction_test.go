package geo

import (
	"strings"
	"testing"
	"unsafe"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"FR", "FR"},
		{"fr", "FR"},
		{"US-CA", "US-CA"},
		{"us-ca", "US-CA"},
		{"CA-QC", "CA-QC"},
		{"GB-ENG", "GB-ENG"},
		{"AT-9", "AT-9"},
		{"JP-13", "JP-13"},
		{"", "unknown"},
		{"unknown", "unknown"},

		// other spellings of a country
		{"UK", "GB"},
		{"el", "GR"},
		{"UK-SCT", "GB-SCT"},

		// territories with codes of their own, and Kosovo
		{"PR", "PR"},
		{"SJ", "SJ"},
		{"RE", "RE"},
		{"XK", "XK"},

		// well formed, but no country
		{"A1", "unknown"},
		{"A2", "unknown"},
		{"O1", "unknown"},
		{"T1", "unknown"},
		{"AP", "unknown"},
		{"EU", "unknown"},
		{"XX", "unknown"},
		{"ZZ", "unknown"},
		{"AA", "unknown"},
		{"AN", "unknown"},
		{"EU-DE", "unknown"},
		{"00", "unknown"},

		{"F", "error"},
		{"FRA", "error"},
		{"F-", "error"},
		{"FR-", "error"},
		{"US-CALI", "error"},
		{"US_CA", "error"},
		{"US-C-A", "error"},
		{"US-C ", "error"},
		{"-CA", "error"},
		{"FR\x00", "error"},
		{"FR-\x00", "error"},
		{"ÉR", "error"},
	} {
		j, err := Parse(c.in)
		got := j.String()
		if err != nil {
			got = "error"
			if j != Unknown {
				t.Errorf("Parse(%q) is %v beside its error", c.in, j)
			}
		}
		if got != c.want {
			t.Errorf("Parse(%q) = %s, want %s", c.in, got, c.want)
		}
		if j.Known() == (j == Unknown) || j.IsZero() != (j == Unknown) {
			t.Errorf("Parse(%q): Known and IsZero disagree with the value", c.in)
		}
	}
}

// ISO 3166-1 assigns 249 codes; every one survives a round trip.
func TestCountries(t *testing.T) {
	list := strings.Fields(countries)
	if len(list) != 250 {
		t.Errorf("%d countries, want 249 and XK", len(list))
	}
	known := 0
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if j, err := Parse(string([]rune{a, b})); err != nil {
				t.Errorf("%c%c: %v", a, b, err)
			} else if j.Known() {
				known++
			}
		}
	}
	if known != 252 {
		t.Errorf("%d pairs of letters are a country, want those listed, UK and EL", known)
	}
	for _, s := range list {
		for _, region := range []string{"", "-A", "-12", "-Z9Z"} {
			if j, err := Parse(s + region); err != nil || j.String() != s+region {
				t.Errorf("%s%s comes back as %s, %v", s, region, j, err)
			}
		}
	}
}

func TestJurisdictionSize(t *testing.T) {
	if size := unsafe.Sizeof(Jurisdiction{}); size != 5 {
		t.Errorf("a jurisdiction takes %d bytes, want 5", size)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"FR", "US-CA", "uk", "A1", "", "unknown", "US-", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		if err != nil && j != Unknown {
			t.Fatalf("Parse(%q) is %v beside its error", s, j)
		}
		if back, err := Parse(j.String()); err != nil || back != j {
			t.Fatalf("Parse(%q) is %v, which reads back as %v, %v", s, j, back, err)
		}
	})
}
