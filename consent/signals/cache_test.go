package signals

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"assent/consent"
)

// tcString is a vector that was last updated at made.
func tcString(tb testing.TB, least int) (text []byte, made time.Time) {
	tb.Helper()
	raw, err := os.ReadFile("../tcf/testdata/vectors.ndjson")
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v struct {
			String string
			TCF    struct {
				Updated int64 `json:"last_updated_ds"`
				Policy  int   `json:"policy_version"`
				Service bool  `json:"is_service_specific"`
				Vendors any   `json:"disclosed_vendors"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			tb.Fatal(err)
		}
		if len(v.String) >= least && v.TCF.Policy >= 4 && v.TCF.Service && v.TCF.Vendors != nil {
			return []byte(v.String), time.UnixMilli(v.TCF.Updated * 100)
		}
	}
	tb.Fatal("no such vector")
	return nil, time.Time{}
}

// TestCacheAsksTheClock: what a string said is forgotten when it may say something else,
// and bytes that differ, or stand at another place, are other bytes.
func TestCacheAsksTheClock(t *testing.T) {
	_, r := shop(t)
	text, made := tcString(t, 0)
	at := func(when time.Time, value []byte) consent.Signals {
		var s consent.Signals
		r.Read([]Carried{{At(Cookie, "euconsent-v2"), value}}, when, &s)
		return s
	}
	valid, ended := at(made.Add(time.Hour), text), at(made.AddDate(2, 0, 0), text)
	if valid == ended {
		t.Fatal("the vector does not end")
	}
	for range 2 {
		if at(made.AddDate(0, 13, 0), text) != valid || at(made.AddDate(0, 13, 0).Add(time.Microsecond), text) != ended {
			t.Error("another answer at the end of 13 months")
		}
		if at(made.Add(time.Hour), text) != valid { // a clock that was set back
			t.Error("another answer once the clock is set back")
		}
		if other := append(text[:len(text):len(text)], '='); at(made.Add(time.Hour), other).Unreadable == 0 {
			t.Error("another string has the same answer")
		}
		if at(made.Add(time.Hour), text) != valid {
			t.Error("another answer after an unreadable string")
		}
	}
	// OneTrust's cookie with and without what stands beside it.
	groups := []byte("groups=C0004%3A0&version=202409.1.0&isGpcEnabled=0")
	box := Carried{At(Cookie, "OptanonAlertBoxClosed"), []byte("2026-11-01T10:00:00.000Z")}
	for range 2 {
		var with, without consent.Signals
		r.Read([]Carried{box, {At(Cookie, "OptanonConsent"), groups}}, now, &with)
		r.Read([]Carried{{At(Cookie, "OptanonConsent"), groups}}, now, &without)
		if with == without {
			t.Error("the cookie beside it changes nothing")
		}
	}
}

// TestCacheIsBounded: no more than the bound, whatever comes.
func TestCacheIsBounded(t *testing.T) {
	if most := slots * (maxCached + 256); most > 16<<20 {
		t.Errorf("up to %d MiB", most>>20)
	}
	_, r := shop(t)
	var s consent.Signals
	for _, n := range []int{0, minCached - 1, minCached, maxCached, maxCached + 1} {
		r.Read([]Carried{{At(Cookie, "euconsent-v2"), []byte(strings.Repeat("A", n))}}, now, &s)
	}
	held := 0
	for i := range r.cache.slots {
		if r.cache.slots[i].Load() != nil {
			held++
		}
	}
	if held != 2 {
		t.Errorf("%d are held, want those of %d and %d bytes", held, minCached, maxCached)
	}
}

func TestReadAllocatesNothing(t *testing.T) {
	_, r := shop(t)
	text, made := tcString(t, 300)
	for name, all := range map[string][]Carried{
		"seen before": {{At(Cookie, "euconsent-v2"), text}},
		"gpp":         {{At(Query, "gpp"), []byte("DBABLA~BVQqAAAAAgA.QA")}},
		"gcs":         {{At(Query, "gcs"), []byte("G101")}},
		"onetrust":    {{At(Cookie, "OptanonConsent"), []byte("groups=C0004%3A0&a=b")}, {At(Cookie, "OptanonAlertBoxClosed"), []byte("2026-11-01T10:00:00.000Z")}},
		"us privacy":  {{At(Cookie, "usprivacy"), []byte("1YYN")}},
	} {
		var s consent.Signals
		if n := testing.AllocsPerRun(100, func() { r.Read(all, made, &s) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	_, r := shop(b)
	text, made := tcString(b, 300)
	text = text[:min(len(text), 330)]
	for _, c := range []struct {
		name string
		all  []Carried
	}{
		{"tcf, seen before", []Carried{{At(Cookie, "euconsent-v2"), text}}},
		{"gpp, short", []Carried{{At(Query, "gpp"), []byte("DBABLA~BVQqAAAAAgA.QA")}}},
		{"us privacy", []Carried{{At(Cookie, "usprivacy"), []byte("1YYN")}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.all[0].Value)))
			for b.Loop() {
				var s consent.Signals
				r.Read(c.all, made, &s)
			}
		})
	}
	b.Run("tcf, judged anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readTCF(r, text, nil, made); err != nil {
				b.Fatal(err)
			}
		}
	})
}
