package kafka

import (
	"encoding/binary"
	"testing"
)

// batchAt returns a batch of n records as a broker would at an offset.
func batchAt(t *testing.T, offset int64, id identity, sequence int32, n int) []byte {
	t.Helper()
	set, _, err := newEncoder(codecZstd).appendBatch(nil, id, sequence, records("a", n))
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint64(set[sizePrefix:], uint64(offset))
	return set[sizePrefix:]
}

func TestScan(t *testing.T) {
	ours, other := identity{7, 0}, identity{8, 0}
	at := func(offset int64, id identity, sequence int32, n int) []byte {
		return batchAt(t, offset, id, sequence, n)
	}
	// What compaction leaves: the header still tells of the record that is gone.
	compacted := at(10, other, 0, 3)
	binary.BigEndian.PutUint32(compacted[atCount:], 2)
	compacted = fit(compacted)
	damaged := at(10, ours, 5, 3)
	damaged[len(damaged)-1] ^= 1
	old := at(10, ours, 5, 3)
	old[atMagic] = 1

	for _, c := range []struct {
		name    string
		batches [][]byte
		found   int64 // -1: not
		next    int64
		gone    bool
		bad     bool
	}{
		{"nothing", nil, -1, 10, false, false},
		{"ours", [][]byte{at(10, ours, 5, 3)}, 10, 13, false, false},
		{"among others", [][]byte{at(10, other, 5, 3), at(13, ours, 2, 3), at(16, ours, 5, 3)}, 16, 19, false, false},
		{"before the bound", [][]byte{at(8, other, 5, 4), at(12, ours, 5, 3)}, 12, 15, false, false},
		{"another's", [][]byte{at(10, other, 5, 3)}, -1, 13, false, false},
		{"another epoch", [][]byte{at(10, identity{7, 1}, 5, 3)}, -1, 13, false, false},
		{"another sequence", [][]byte{at(10, ours, 4, 3)}, -1, 13, false, false},
		{"more records", [][]byte{at(10, ours, 5, 4)}, -1, 14, false, false},
		{"a gap", [][]byte{at(10, other, 0, 1), at(12, other, 1, 1)}, -1, 13, true, false},
		{"a gap at the bound", [][]byte{at(11, other, 0, 1)}, -1, 12, true, false},
		{"a gap within", [][]byte{compacted}, -1, 13, true, false},
		{"found behind a gap", [][]byte{compacted, at(13, ours, 5, 3)}, 13, 16, true, false},
		{"cut short", [][]byte{at(10, other, 0, 1), at(11, ours, 5, 3)[:80]}, -1, 11, false, false},
		{"damaged", [][]byte{damaged}, -1, 13, false, true},
		{"an old format", [][]byte{old}, -1, 10, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var src []byte
			for _, b := range c.batches {
				src = append(src, b...)
			}
			s := scan{attempt: &attempt{reservation: reservation{named: named{id: ours}, sequence: 5, count: 3}, outgoing: records("a", 3)}, next: 10}
			found, err := s.read(src)
			if found != c.found || s.next != c.next || s.gone != c.gone || (err != nil) != c.bad {
				t.Errorf("found %d, next %d, gone %v, %v, want %+v", found, s.next, s.gone, err, c)
			}
		})
	}
}
