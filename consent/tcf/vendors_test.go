package tcf

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// said is what a vector says of vendors.
type said struct {
	VendorConsents   [][2]int `json:"vendor_consents"`
	VendorLI         [][2]int `json:"vendor_li"`
	DisclosedVendors [][2]int `json:"disclosed_vendors"`
	Restrictions     []struct {
		Purpose int
		Type    Restriction
		Vendors [][2]int
	}
}

func among(id int, list [][2]int) bool {
	return slices.ContainsFunc(list, func(p [2]int) bool { return p[0] <= id && id <= p[1] })
}

// TestLookUp asks of single vendors and holds the answers to the vectors.
func TestLookUp(t *testing.T) {
	var s String
	restricted := 0
	for _, v := range vectors(t) {
		var want said
		if err := json.Unmarshal(v.TCF, &want); err != nil {
			t.Fatal(err)
		}
		if err := s.Parse([]byte(v.String)); err != nil {
			t.Fatal(err)
		}
		for id := -1; id < 1700; id++ {
			if s.VendorConsents.Has(id) != among(id, want.VendorConsents) || s.VendorLI.Has(id) != among(id, want.VendorLI) ||
				s.Disclosed.Has(id) != among(id, want.DisclosedVendors) {
				t.Fatalf("%s: vendor %d", v.String, id)
			}
		}
		for purpose := range 14 {
			for id := range 70 {
				var kinds []Restriction
				for _, r := range want.Restrictions {
					if r.Purpose == purpose && among(id, r.Vendors) {
						kinds = append(kinds, r.Type)
					}
				}
				kind, ok := s.Restriction(purpose, id)
				if ok != (len(kinds) > 0) || len(kinds) == 1 && kind != kinds[0] || len(kinds) > 1 && kind != NotAllowed {
					t.Fatalf("%s: purpose %d of vendor %d is restricted %d %t, not %d", v.String, purpose, id, kind, ok, kinds)
				}
				restricted += len(kinds)
			}
		}
	}
	if restricted < 1000 {
		t.Errorf("only %d restrictions were looked up", restricted)
	}
}

func TestRestriction(t *testing.T) {
	entry := func(purpose, kind int) string {
		return fmt.Sprintf("6:%d 2:%d 12:2 1:1 16:40000 16:65535 1:0 16:7 ", purpose, kind)
	}
	for name, c := range map[string]struct {
		entries string
		n       int
		want    Restriction
	}{
		"one":                           {entry(2, 1), 1, RequireConsent},
		"the same twice":                {entry(2, 2) + entry(2, 2), 2, RequireLI},
		"not allowed wins":              {entry(2, 0) + entry(2, 1), 2, NotAllowed},
		"not allowed wins, from behind": {entry(2, 2) + entry(2, 0), 2, NotAllowed},
		"each contradicts the other":    {entry(2, 1) + entry(2, 2) + entry(2, 2), 3, NotAllowed},
		"undefined":                     {entry(2, 3), 1, NotAllowed},
		"of another purpose":            {entry(3, 0) + entry(2, 1), 2, RequireConsent},
	} {
		var s String
		if err := s.Parse([]byte(core("0", "5", "1", noLI, fmt.Sprintf("16:0 1:0 16:0 1:0 12:%d ", c.n)+c.entries))); err != nil {
			t.Fatal(err)
		}
		for _, vendor := range []int{7, 40000, 50000, 65535} { // ids that no list has are restricted too
			if kind, ok := s.Restriction(2, vendor); !ok || kind != c.want {
				t.Errorf("%s: vendor %d: %d %t, want %d", name, vendor, kind, ok, c.want)
			}
		}
		for _, vendor := range []int{-1, 0, 6, 8, 39999, 65536} {
			if _, ok := s.Restriction(2, vendor); ok {
				t.Errorf("%s: vendor %d is restricted", name, vendor)
			}
		}
	}
}
