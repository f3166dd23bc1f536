package crash

import (
	"fmt"
	"slices"
	"testing"

	kafkatest "assent/test/kafka"
)

// TestChecker: the comparison that all other tests rest on complains about each
// kind of violation, and about nothing else.
func TestChecker(t *testing.T) {
	var sent []event
	var good []kafkatest.Entry
	for i := range 12 {
		e := event{id: fmt.Sprintf("e%d", i), key: []string{"a", "b", ""}[i%3], acked: i != 6}
		sent = append(sent, e)
		r := kafkatest.Entry{Partition: i % 3, Offset: int64(i / 3), Key: e.key, ID: e.id, Message: e.id}
		if e.key == "" {
			r.ID = "fresh"
		}
		good = append(good, r)
	}
	sent = append(sent, event{id: "gone", acked: true, mayMiss: true}, event{id: "unheard"})
	f := func(name string, change func(s []kafkatest.Entry) []kafkatest.Entry, want verdict) {
		t.Helper()
		want.acked, want.withheld, want.unasked = 12, want.withheld+1, want.unasked+1
		got := check(sent, change(slices.Clone(good)))
		if got.String() != want.String() {
			t.Errorf("%s: %s; want %s", name, got, &want)
		}
		if bad := !want.ok(); bad != (len(got.evidence) > 0) || got.ok() == bad {
			t.Errorf("%s: ok %t, evidence %q", name, got.ok(), got.evidence)
		}
	}
	type entries = []kafkatest.Entry
	f("as it should be", func(s entries) entries { return s }, verdict{})
	f("one lost", func(s entries) entries { return slices.Delete(s, 4, 5) }, verdict{lost: 1})
	f("one without a key lost", func(s entries) entries { return slices.Delete(s, 5, 6) }, verdict{lost: 1})
	f("one doubled", func(s entries) entries { return append(s, s[4]) }, verdict{doubled: 1})
	f("one without a key doubled", func(s entries) entries { return append(s, s[5]) }, verdict{doubled: 1})
	f("one that nobody heard of doubled", func(s entries) entries { return append(s, s[6]) }, verdict{doubled: 1, unasked: -1})
	f("one that nobody heard of is not there", func(s entries) entries { return slices.Delete(s, 6, 7) }, verdict{unasked: -1})
	f("two of a key swapped", func(s entries) entries { s[1], s[4] = s[4], s[1]; return s }, verdict{disordered: 1})
	f("two of two keys swapped", func(s entries) entries { s[1], s[3] = s[3], s[1]; return s }, verdict{})
	f("two of a key in two partitions", func(s entries) entries { s[1], s[4] = s[4], s[1]; s[1].Partition = 7; return s }, verdict{})
	f("under another key", func(s entries) entries { s[4].Key = "a"; return s }, verdict{strange: 1})
	f("never sent", func(s entries) entries { s[4].ID = "other"; return s }, verdict{strange: 1, lost: 1})
	null := func(s entries, at int) entries { s[at].Null, s[at].Withheld, s[at].Message = true, true, ""; return s }
	f("withheld in place", func(s entries) entries { return null(s, 4) }, verdict{withheld: 1})
	f("withheld and there as well", func(s entries) entries { return null(append(s, s[4]), 4) }, verdict{withheld: 1, doubled: 1})
	f("a null value unexplained", func(s entries) entries { s[4].Null = true; return s }, verdict{withheld: 1, strange: 1})
}
