package consent

import (
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func timeGen() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return day0.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "hours")) * time.Hour)
	})
}

func spanGen(t *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(0, 10).Draw(t, "hours")) * time.Hour
}

func setGen(p *Purposes) *rapid.Generator[PurposeSet] {
	return rapid.Custom(func(t *rapid.T) PurposeSet {
		return PurposeSet(rapid.Uint64Max(uint64(p.All())).Draw(t, "set"))
	})
}

// recordGen makes records in a small world, so that versions tie and purposes meet.
func recordGen(p *Purposes) *rapid.Generator[*Record] {
	return rapid.Custom(func(t *rapid.T) *Record {
		r := &Record{}
		for i := range p.Len() {
			if rapid.Bool().Draw(t, "absent") {
				continue
			}
			at := timeGen().Draw(t, "version").UnixMicro()
			e := Entry{
				Purpose: p.At(i).Name, Status: Denied, Version: Version{at, uint16(rapid.IntRange(0, 1).Draw(t, "node"))},
				Since: at, Revision: rapid.IntRange(1, 2).Draw(t, "revision"),
				Method:  rapid.SampledFrom([]Method{Banner, Implied}).Draw(t, "method"),
				Receipt: rapid.SampledFrom([]string{"", "r1", "r2"}).Draw(t, "receipt"),
			}
			if rapid.Bool().Draw(t, "granted") {
				e.Status = Granted
				e.Since = min(at, timeGen().Draw(t, "since").UnixMicro())
				e.Until = timeGen().Draw(t, "until").UnixMicro()
			}
			r = r.with(e)
		}
		return r
	})
}

func TestMergeIsAJoin(t *testing.T) {
	p := shop(t)
	same := func(a, b *Record) bool { return reflect.DeepEqual(a.Entries, b.Entries) }
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := recordGen(p).Draw(t, "a"), recordGen(p).Draw(t, "b"), recordGen(p).Draw(t, "c")
		if a.Entries == nil {
			a.Entries = []Entry{}
		}
		if !same(Merge(a, b), Merge(b, a)) {
			t.Fatal("not commutative")
		}
		if !same(Merge(Merge(a, b), c), Merge(a, Merge(b, c))) {
			t.Fatal("not associative")
		}
		if !same(Merge(a, a), a) || !same(Merge(a, nil), a) || !same(Merge(nil, a), a) {
			t.Fatal("not idempotent")
		}
		m := Merge(a, b)
		for _, e := range m.Entries {
			x, y := a.Find(e.Purpose), b.Find(e.Purpose)
			if x == nil || y == nil {
				continue
			}
			if c := x.Version.Compare(y.Version); c > 0 && e.Status != x.Status || c < 0 && e.Status != y.Status {
				t.Fatal("the older won")
			} else if c == 0 && (x.Status == Denied || y.Status == Denied) && e.Status != Denied {
				t.Fatal("a tie is not denied")
			}
			if e.Since < x.Since || e.Since < y.Since {
				t.Fatal("the merge vouches for more than either side")
			}
		}
	})
}

// TestCombineOnlyWhatBothBear: no denial is lost; between two people nothing is
// granted that one of them did not.
func TestCombineOnlyWhatBothBear(t *testing.T) {
	p := shop(t)
	rapid.Check(t, func(t *rapid.T) {
		ra, rb := recordGen(p).Draw(t, "a"), recordGen(p).Draw(t, "b")
		ra.Subject = rapid.SampledFrom([]Subject{{}, {Visitor, "a"}}).Draw(t, "who")
		rb.Subject = rapid.SampledFrom([]Subject{{}, {Visitor, "a"}, {Visitor, "b"}}).Draw(t, "who")
		a, b := Fold(p, ra), Fold(p, rb)
		a.Unreadable = rapid.Bool().Draw(t, "unreadable")
		s := Combine(a, b)
		if (a.Denied|b.Denied)&^s.Denied != 0 {
			t.Fatal("a denial is lost")
		}
		if s.Granted&^(a.Granted|b.Granted) != 0 || s.Granted&s.Denied != 0 {
			t.Fatal("a grant out of nothing")
		}
		if !ra.Subject.IsZero() && !rb.Subject.IsZero() && ra.Subject != rb.Subject && s.Granted&^(a.Granted&b.Granted) != 0 {
			t.Fatal("one person's grant serves another")
		}
		if s.Unreadable != (a.Unreadable || b.Unreadable) {
			t.Fatal("a failure is lost")
		}
		for i := range p.Len() {
			if s.Granted.Has(i) && a.Granted.Has(i) && b.Granted.Has(i) && s.spans[i].since < max(a.spans[i].since, b.spans[i].since) {
				t.Fatal("a span grew")
			}
		}
	})
}

func TestTieIsDenied(t *testing.T) {
	v := Version{Time: 5, Node: 1}
	granted := &Record{Entries: []Entry{{Purpose: "ads", Status: Granted, Version: v, Since: 1, Until: 9, Method: Paper, Receipt: "z"}}}
	denied := &Record{Entries: []Entry{{Purpose: "ads", Status: Denied, Version: v, Since: 5, Method: Banner}}}
	for _, m := range []*Record{Merge(granted, denied), Merge(denied, granted)} {
		if m.Find("ads").Status != Denied {
			t.Error("granted")
		}
	}
}

func TestRecordCodec(t *testing.T) {
	p := shop(t)
	rapid.Check(t, func(t *rapid.T) {
		r := recordGen(p).Draw(t, "record")
		r.Subject = Subject{Visitor, "v"}
		back, err := ParseRecord(r.Subject, AppendRecord(nil, r))
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%v: %v became %v", err, r, back)
		}
	})
}

// TestBlurIsRoundedDown: the times of a cookie that is bound to nobody tell no visitor
// from another, lie in the past, and stay where they are however often it is signed.
func TestBlurIsRoundedDown(t *testing.T) {
	p := shop(t)
	rapid.Check(t, func(t *rapid.T) {
		r := recordGen(p).Draw(t, "record")
		for _, e := range r.Entries {
			jitter := rapid.Int64Range(0, 7e9).Draw(t, "jitter")
			e.Version.Time += jitter
			b := e.blurred()
			if b.blurred() != b {
				t.Fatal("blurring twice differs")
			}
			if b.Version.Time > e.Version.Time || b.Since > max(e.Since, e.Version.Time) || b.Until > e.Until {
				t.Fatalf("blurring moved %v ahead to %v", e, b)
			}
			if b.Version.Time%3600e6 != 0 || b.Receipt != "" || b.Notice != "" || b.Version.Node != 0 {
				t.Fatal("still tells one visitor from another")
			}
		}
	})
}

func TestClockNeverGoesBack(t *testing.T) {
	var c Clock
	var last Version
	for _, d := range []time.Duration{0, time.Second, -time.Hour, 0, time.Minute} {
		v := c.Next(day0.Add(d), last)
		if v.Compare(last) <= 0 {
			t.Fatalf("%v after %v", v, last)
		}
		last = v
	}
	ahead := Version{Time: day0.Add(time.Hour).UnixMicro(), Node: 9}
	if v := c.Next(day0, ahead); v.Compare(ahead) <= 0 {
		t.Error("not after what another node wrote")
	}
	if v := c.Next(day0, Version{}); v.Compare(ahead) > 0 {
		t.Error("one subject's clock runs ahead for all")
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := map[Version]bool{}
	for range 4 {
		wg.Go(func() {
			for range 500 {
				v := c.Next(day0, Version{})
				mu.Lock()
				if seen[v] {
					t.Error("a version twice")
				}
				seen[v] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}
