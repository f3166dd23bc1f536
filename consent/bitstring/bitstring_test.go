package bitstring

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// slowBits is the same by hand: one character at a time, one digit a bit.
func slowBits(text string) (bits string, err error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(text) {
		v := strings.IndexByte(alphabet, text[i])
		if v < 0 {
			return "", fmt.Errorf("no character of base64url, at bit %d", i*6)
		}
		bits += fmt.Sprintf("%06b", v)
	}
	return bits, nil
}

// FuzzReader holds fields of all widths, at all places, to the digits written out.
func FuzzReader(f *testing.F) {
	for _, text := range []string{"", "A", "_", "CPXxRfA", "DBAB", "DBAA~", "C=", "C+/", "C ", "\x00", "é", strings.Repeat("_", 100)} {
		f.Add(text, []byte{6, 12, 1, 0, 56, 36, 2})
	}
	var b Bits
	for i := range b.bytes {
		b.bytes[i] = 0xa5 // what a text before left
	}
	f.Fuzz(func(t *testing.T, text string, widths []byte) {
		if len(text) > 200 || len(widths) > 200 {
			return
		}
		bits, wantErr := slowBits(text)
		r := Decode(&b, text)
		if fmt.Sprint(r.Err()) != fmt.Sprint(wantErr) {
			t.Fatalf("%q: %v, want %v", text, r.Err(), wantErr)
		}
		if wantErr != nil {
			if r.Left() != 0 || r.Uint(0) != 0 || r.Uint(1) != 0 || r.Bit(0) {
				t.Fatal("bits after an error")
			}
			return
		}
		for i := range bits {
			if r.Bit(i) != (bits[i] == '1') {
				t.Fatalf("%q: bit %d", text, i)
			}
		}
		at := 0
		for _, w := range widths {
			width := int(w % 57)
			if r.At() != at || r.Left() != len(bits)-at {
				t.Fatalf("at %d with %d left", r.At(), r.Left())
			}
			other, got := r.From(at), r.Uint(width)
			if at+width > len(bits) {
				var e *Error
				if got != 0 || !errors.As(r.Err(), &e) || e.Bit != len(bits) || r.Left() != 0 {
					t.Fatalf("read %d past the end, %v", got, r.Err())
				}
				return
			}
			if other.Skip(width) != at || other.At() != at+width {
				t.Fatal("Skip passes over another number of bits")
			}
			var want uint64
			for _, digit := range bits[at : at+width] {
				want = want<<1 | uint64(digit-'0')
			}
			if got != want {
				t.Fatalf("%q: %d bits at %d are %d, want %d", text, width, at, got, want)
			}
			at += width
		}
	})
}

// TestStrangers: a character of another alphabet is named wherever it stands.
func TestStrangers(t *testing.T) {
	var b Bits
	for size := range 40 {
		for at := range size {
			text := strings.Repeat("_", at) + "=" + strings.Repeat("A", size-at-1)
			r := Decode(&b, text)
			if want := (&Error{"no character of base64url", at * 6}).Error(); r.Err() == nil || r.Err().Error() != want {
				t.Errorf("%s: %v", text, r.Err())
			}
		}
	}
}

func TestDecode(t *testing.T) {
	var b Bits
	r := Decode(&b, []byte(base64.RawURLEncoding.EncodeToString([]byte{0xca, 0xfe, 0x80})))
	if v, set := r.Int(16), r.Bool(); v != 0xcafe || !set || r.Left() != 7 || r.Err() != nil {
		t.Errorf("read %x, %d left, %v", v, r.Left(), r.Err())
	}
	r.Fail("an odd field", 3)
	r.Fail("another", 4)
	if r.Err().Error() != "an odd field, at bit 3" || r.Left() != 0 || r.Bool() {
		t.Errorf("after Fail: %v", r.Err())
	}
	if r := Decode(&b, strings.Repeat("A", MaxText)); r.Err() != nil || r.Skip(MaxText*6) != 0 || r.Err() != nil {
		t.Error("the longest text", r.Err())
	}
	if r := Decode(&b, strings.Repeat("A", MaxText+1)); r.Err() == nil || r.Left() != 0 {
		t.Error("a longer text was read")
	}
	r = Decode(&b, "AAAA")
	if r.Skip(-1); r.Err() == nil {
		t.Error("Skip went back")
	}
}

// TestTrial: a reading that fails costs nothing until somebody wants to know why.
func TestTrial(t *testing.T) {
	var b Bits
	text := []byte("AAA")
	if n := testing.AllocsPerRun(100, func() {
		r := Decode(&b, text)
		r.Skip(19)
		if r.Err() == nil {
			t.Error("read past the end")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	var bits Bits
	text := strings.Repeat("CPXxRfAPXxRfAAfKAB", 17)[:300]
	b.ReportAllocs()
	for b.Loop() {
		if r := Decode(&bits, text); r.Err() != nil {
			b.Fatal(r.Err())
		}
	}
}
