package policy

import (
	"os"
	"path/filepath"
	"testing"
)

// small tells that a document is far from the bounds that Compile alone knows: the
// bytes of the choice cookie, the names of signals.
func small(d *Document) bool {
	names := len(d.Purposes)
	for _, p := range d.Purposes {
		names += len(p.Signals["segment"])
	}
	return len(d.Purposes) <= 16 && names <= 256
}

// FuzzParse: no input panics, and what parses also compiles, unless it is too big.
func FuzzParse(f *testing.F) {
	for _, data := range shipped(f) {
		f.Add(data)
	}
	files, _ := filepath.Glob("testdata/parse/*.txtar")
	for _, file := range files {
		f.Add(readArchive(f, file).bytes(f, "policy.yaml"))
	}
	table, err := os.ReadFile("regimes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(table)
	f.Add(manyPurposes(50, "consent"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, ps := Parse("policy.yaml", data)
		if (d == nil) != (len(ps) > 0) {
			t.Fatalf("document %v with problems %v", d != nil, ps)
		}
		for _, p := range ps {
			if p.Line < 1 || p.Column < 1 || p.Message == "" {
				t.Fatalf("problem without a place: %+v", p)
			}
		}
		if d == nil {
			return
		}
		if _, ps = Compile(d, Options{Keys: testKeys, Offers: offers}); len(ps) > 0 && small(d) {
			t.Fatalf("parses and does not compile: %v", ps)
		}
	})
}
