//go:build !race

package gpp

import "testing"

// TestParseAllocatesNothing pins what happens for every event that carries a string.
func TestParseAllocatesNothing(t *testing.T) {
	var s String
	for _, v := range vectors(t) {
		text := []byte(v.GPP)
		if n := testing.AllocsPerRun(2, func() {
			if err := Parse(&s, text); err != nil {
				t.Error(err)
			}
			for i := range s.Sections() {
				said, _ = s.Sections()[i].US()
			}
			canada, _ = s.Canada()
			if s.TCF() != nil && !s.Valid() {
				t.Error("not valid")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", v.GPP, n)
		}
	}
}

var (
	said   US
	canada *Canada
)
