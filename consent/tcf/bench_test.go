package tcf

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// typical is a string with ranges, disclosed vendors and a publisher TC segment.
func typical(tb testing.TB) []byte {
	tb.Helper()
	for _, v := range vectors(tb) {
		var s String
		if err := s.Parse([]byte(v.String)); err != nil {
			tb.Fatal(err)
		}
		if s.HasDisclosed && s.HasPublisher && s.ServiceSpecific && s.VendorConsents.ranges > 10 && len(v.String) > 250 && len(v.String) < 400 {
			return []byte(v.String)
		}
	}
	tb.Fatal("no vector is typical")
	return nil
}

var judged Verdict

func BenchmarkParseAndJudge(b *testing.B) {
	wide := core(day("2026-11-01"), "5", "1", noLI, "16:1200 1:0 1200:1 16:0 1:0 12:0") + disclosed
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for name, text := range map[string][]byte{"typical": typical(b), "1200 vendors": []byte(wide)} {
		b.Run(name, func(b *testing.B) {
			var s String
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := s.Parse(text); err != nil {
					b.Fatal(err)
				}
				judged = s.Judge(now)
			}
		})
	}
}

// BenchmarkHostile reads and prints the longest string of the most ranges.
func BenchmarkHostile(b *testing.B) {
	const n = 1400
	text := []byte(core("0", "5", "1", noLI, fmt.Sprintf("16:65535 1:1 12:%d ", n)+strings.Repeat("1:1 16:1 16:65535 ", n)+"16:0 1:0 12:0"))
	var s String
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Parse(text); err != nil {
			b.Fatal(err)
		}
		out = s.AppendJSON(out[:0])
	}
}

func BenchmarkJSON(b *testing.B) {
	var s String
	var out []byte
	text := typical(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Parse(text)
		out = s.AppendJSON(out[:0])
	}
}

func TestAllocatesNothing(t *testing.T) {
	var s String
	text, now := typical(t), time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	out := make([]byte, 0, 1<<14)
	for name, fn := range map[string]func(){
		"parse and judge": func() {
			if s.Parse(text) != nil {
				t.Fatal("not read")
			}
			judged = s.Judge(now)
		},
		"look up":     func() { looked = s.VendorConsents.Has(7) && s.VendorLI.Has(7) && s.Disclosed.Has(7) },
		"restriction": func() { _, looked = s.Restriction(2, 7) },
		"JSON":        func() { out = s.AppendJSON(out[:0]) },
	} {
		if n := testing.AllocsPerRun(100, fn); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

var looked bool
