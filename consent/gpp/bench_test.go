package gpp

import "testing"

// usnat is a vector, with GPC set.
const usnat = "DBABLA~CFGBQkWJEgVQ.YA"

// wide is the longest vector of ten sections.
func wide(tb testing.TB) (text []byte) {
	var s String
	for _, v := range vectors(tb) {
		if Parse(&s, []byte(v.GPP)) == nil && len(s.Sections()) == 10 && s.TCF() != nil && len(v.GPP) > len(text) {
			text = []byte(v.GPP)
		}
	}
	if text == nil {
		tb.Fatal("no vector of ten sections")
	}
	return text
}

func BenchmarkParse(b *testing.B) {
	for _, c := range []struct {
		name string
		text []byte
	}{{"usnat", []byte(usnat)}, {"ten", wide(b)}, {"spec", []byte("DBACNYA~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN")}} {
		b.Run(c.name, func(b *testing.B) {
			var s String
			b.ReportAllocs()
			for b.Loop() {
				if err := Parse(&s, c.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkUS is what judging asks of each section.
func BenchmarkUS(b *testing.B) {
	var s String
	if err := Parse(&s, []byte(usnat)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if u, _ := s.Sections()[0].US(); !u.GPC {
			b.Fatal("no GPC")
		}
	}
}

// BenchmarkDecode is what one line of assent decode costs here, over all vectors.
func BenchmarkDecode(b *testing.B) {
	var s String
	var out []byte
	var all [][]byte
	for _, v := range vectors(b) {
		all = append(all, []byte(v.GPP))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := Parse(&s, all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
		var err error
		if out, err = AppendJSON(out[:0], &s); err != nil {
			b.Fatal(err)
		}
	}
}
