//go:build !race

package cmp

import "testing"

// TestReadAllocatesNothing pins what happens for every request, of every kind.
func TestReadAllocatesNothing(t *testing.T) {
	values := measured(t)
	var r Reading
	for k := USPrivacy; k < kinds; k++ {
		value, beside := []byte(values[k][0]), []byte(values[k][1])
		if err := r.Read(k, value, beside); err != nil {
			t.Fatal(k, err)
		}
		if n := testing.AllocsPerRun(100, func() {
			if r.Read(k, value, beside) != nil {
				t.Error(k)
			}
			verdict = r.Judge(now)
		}); n != 0 {
			t.Errorf("%s: %v allocations", k, n)
		}
	}
}

var verdict Verdict
