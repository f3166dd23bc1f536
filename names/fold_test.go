package names

import "testing"

func TestEqualFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"gzip", "GZip", true},
		{"GZIP", "gzip", true},
		{"content-length", "Content-Length", true},
		{"gzip", "gzi", false},
		{"gzip", "gzıp", false},
		{"@[`{", "`{@[", false}, // beside the letters, and as far apart as the cases are
		{"é", "É", false},
		{"\u212a", "k", false},
		{"\u212a", "K", false},
		{"ſs", "SS", false},
	} {
		if got := EqualFold([]byte(c.a), c.b); got != c.same {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
	}
	if n := testing.AllocsPerRun(10, func() { EqualFold([]byte("gzip"), "GZIP") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
