package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

func whole() []byte {
	b := []byte{7}
	b = binary.LittleEndian.AppendUint64(b, math.MaxUint64-1)
	b = binary.BigEndian.AppendUint16(b, 1<<15)
	b = binary.BigEndian.AppendUint32(b, 1<<31|5)
	b = binary.AppendUvarint(b, 1<<40)
	b = binary.AppendVarint(b, -300)
	b = append(binary.AppendUvarint(b, 3), "abc"...)
	b = append(binary.AppendUvarint(b, 0), "de"...)
	return b
}

func read(r *Reader) bool {
	return r.Byte() == 7 && r.Uint64() == math.MaxUint64-1 && r.Int16() == math.MinInt16 && r.Int32() == math.MinInt32+5 &&
		r.Uvarint() == 1<<40 && r.Varint() == -300 && string(r.Bytes()) == "abc" && r.Bytes() != nil && string(r.Take(2)) == "de"
}

// TestReader: what was written is read, a slice that is cut short anywhere is bad, and
// so is one that holds more.
func TestReader(t *testing.T) {
	src := whole()
	r := Reader{Rest: src}
	if !read(&r) || !r.End() {
		t.Errorf("read %+v", r)
	}
	for n := range src {
		r := Reader{Rest: src[:n]}
		if read(&r); !r.Bad || r.End() || r.Rest != nil {
			t.Errorf("%d bytes of %d: %+v", n, len(src), r)
		}
	}
	r = Reader{Rest: append(src, 0)}
	if !read(&r) || r.Bad || r.End() {
		t.Errorf("a byte too many: %+v", r)
	}
}

// TestReaderStaysBad: nothing is read behind a field that does not fit.
func TestReaderStaysBad(t *testing.T) {
	for name, fail := range map[string]func(*Reader){
		"negative":  func(r *Reader) { r.Take(-1) },
		"too many":  func(r *Reader) { r.Take(100) },
		"too long":  func(r *Reader) { r.Bytes() },
		"given up":  func(r *Reader) { r.Fail() },
		"too large": func(r *Reader) { r.Rest = bytes.Repeat([]byte{0xff}, 11); r.Uvarint() },
	} {
		r := Reader{Rest: []byte{0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}
		fail(&r)
		if got := r.Byte(); got != 0 || !r.Bad || r.Take(0) != nil || r.End() || r.Uvarint() != 0 || r.Varint() != 0 || r.Int16() != 0 || r.Int32() != 0 || r.Uint64() != 0 || r.Bytes() != nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestSlicesAreClipped: to append to a slice that was read harms nothing behind it.
func TestSlicesAreClipped(t *testing.T) {
	src := []byte("abcd")
	r := Reader{Rest: src}
	_ = append(r.Take(2), 'x')
	if string(src) != "abcd" {
		t.Errorf("the rest is %q", src)
	}
}
