package cmp

import (
	"strings"
	"testing"
)

// measured are values as requests carry them.
func measured(tb testing.TB) map[Kind][2]string {
	out := map[Kind][2]string{}
	for _, l := range lines(tb) {
		k, value, beside := Detect([]byte(l))
		var r Reading
		if out[k][0] == "" && r.Read(k, value, beside) == nil {
			out[k] = [2]string{string(value), string(beside)}
		}
	}
	o := out[OneTrust]
	o[0] += "&hosts=" + strings.Repeat("H1%3A1%2C", (600-len(o[0])-7)/9)
	out[OneTrust] = o
	return out
}

func BenchmarkRead(b *testing.B) {
	values := measured(b)
	for k := USPrivacy; k < kinds; k++ {
		v := values[k]
		b.Run(k.String(), func(b *testing.B) {
			value, beside := []byte(v[0]), []byte(v[1])
			var r Reading
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Read(k, value, beside); err != nil {
					b.Fatal(err)
				}
				r.Judge(now)
			}
		})
	}
}

// BenchmarkDecode is a line of assent decode: told, read, judged, written.
func BenchmarkDecode(b *testing.B) {
	v := measured(b)[OneTrust]
	line := []byte("OptanonConsent=" + v[0] + besideOneTrust + v[1])
	var r Reading
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		k, value, beside := Detect(line)
		if err := r.Read(k, value, beside); err != nil {
			b.Fatal(err)
		}
		out = r.Judge(now).Reasons.AppendJSON(r.AppendJSON(out[:0]))
	}
}

// BenchmarkHostile is the dearest of what is refused or read: as many words as there may
// be, each compared with all before it.
func BenchmarkHostile(b *testing.B) {
	var text strings.Builder
	text.WriteString("groups=")
	for i := range maxWords {
		text.WriteString(strings.Repeat("x", 25))
		text.WriteByte(byte('a' + i/16))
		text.WriteByte(byte('a' + i%16))
		text.WriteString(":1,")
	}
	value := []byte(strings.TrimSuffix(text.String(), ","))
	var r Reading
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		if err := r.Read(OneTrust, value, nil); err != nil {
			b.Fatal(err)
		}
	}
}
