package wal

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"assent/disk/disktest"
)

// sample returns a segment of three groups of entries, with where each begins.
func sample(nonce uint64, entries ...string) (data []byte, starts []int) {
	data = appendHeader(nil, &header{number: 7, nonce: nonce, created: 1_795_342_500_000, before: 6, end: 4096})
	index := uint32(0)
	for i, e := range entries {
		from := len(data)
		starts = append(starts, from)
		group := appendEntry(nil, []byte(e), checksum(e), false)
		if i == 1 {
			group = appendEntry(group[:0], []byte(e), checksum(e), true)
			group = appendEntry(group, []byte("and more"), checksum("and more"), false)
		}
		index += seal(group, index, uint32(from), nonce)
		data = append(data, group...)
	}
	return data, starts
}

// FuzzReader damages a segment in any way: the reader ends, passes over every
// byte once, and yields nothing that was not written at that place.
func FuzzReader(f *testing.F) {
	const nonce = 0x0102030405060708
	whole, starts := sample(nonce, "first", "second", "third")
	former, _ := sample(nonce+1, "1st", "2nd", "3rd")
	f.Add(whole, uint16(0), []byte{})
	f.Add(whole, uint16(starts[1]), []byte{0xff})
	f.Add(whole, uint16(starts[1]+4), []byte{0xff, 0xff, 0xff, 0x7f}) // a huge length
	f.Add(whole[:starts[2]], uint16(0), []byte{})
	f.Add(former, uint16(headerBytes), whole[headerBytes:starts[1]])
	f.Add(slices.Concat(whole, whole[headerBytes:]), uint16(0), []byte{})
	f.Add(append(whole[:70:70], whole[headerBytes:]...), uint16(0), []byte{})
	f.Fuzz(func(t *testing.T, data []byte, at uint16, patch []byte) {
		data = slices.Clone(data)
		if int(at) < len(data) {
			copy(data[at:], patch)
		}
		parseHeader(data)
		memory := disktest.New()
		memory.Put("d/s", data)
		file, err := memory.OpenRead("d/s")
		if err != nil {
			t.Fatal(err)
		}
		s := &segment{number: 7, nonce: nonce, size: int64(len(data))}
		s.end.Store(unknown)
		r := newReader(file, s)
		r.end = int64(len(data))
		for passed := r.off; ; passed = r.off {
			_, payload, gap, err := r.next()
			if err == io.EOF {
				if passed < r.end {
					t.Fatalf("it ends at %d of %d", passed, r.end)
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if payload == nil {
				if gap <= 0 || r.off != passed+gap {
					t.Fatalf("a gap of %d from %d to %d", gap, passed, r.off)
				}
				continue
			}
			entry := data[passed:r.off]
			if !bytes.Equal(entry[frameBytes:], payload) || !bytes.Contains(whole, entry) {
				t.Fatalf("%q at %d was never written", payload, passed)
			}
		}
		r.close()
		l := &Log{opt: Options{Torn: func(d Damage) {
			if d.Offset < headerBytes || d.Bytes <= 0 || d.Offset+d.Bytes > s.size {
				t.Fatalf("told of a torn end %v in %d bytes", d, s.size)
			}
		}}}
		if err := l.scan(s, newReader(file, s)); err != nil {
			t.Fatal(err)
		}
		if end := s.end.Load(); end != headerBytes && (end > s.size || end < headerBytes) {
			t.Fatalf("entries end at %d of %d", end, s.size)
		}
	})
}

// FuzzName: only what fileName makes is a name.
func FuzzName(f *testing.F) {
	for _, name := range []string{"000000000001-00000000000000ff.wal", "000000000001-00000000000000FF.wal", "1-ff.wal", "a.wal", "-", ".lock", "18446744073709551615-ffffffffffffffff.clean"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if number, nonce, state, ok := parseName(name); ok && fileName(number, nonce, state) != name {
			t.Errorf("%q is taken for %d, %x, %s", name, number, nonce, state)
		}
	})
}
