package signals

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/consent"
	"assent/names"
)

var now = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// shop is the vocabulary of the tests.
func shop(t testing.TB) (*consent.Purposes, *Reader) {
	t.Helper()
	p, err := consent.NewPurposes([]consent.Purpose{
		{Name: "orders", Basis: consent.Contract},
		{Name: "fraud", Basis: consent.LegitimateInterest},
		{Name: "analytics", Basis: consent.Consent, Revision: 2, Signals: map[string][]string{"segment": {"Analytics", "Measuring"}}},
		{Name: "ads", Basis: consent.Consent, Sale: true, TargetedAds: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

// TestTable: every scheme has a name, a place that is its alone and a reader. A scheme
// that lacks one would be heard as nothing.
func TestTable(t *testing.T) {
	var all consent.SchemeSet
	seen, places := map[string]bool{}, 0
	for k := consent.NoScheme + 1; k < consent.Schemes; k++ {
		r, name := table[k], k.String()
		all = all.With(k)
		if names.Identifier(name) != nil || seen[name] {
			t.Errorf("scheme %d has no name of its own in lexicons: %q", k, name)
		}
		if r.read == nil || len(r.places) == 0 {
			t.Errorf("table of read.go has no places or no reader for %s", name)
		}
		seen[name] = true
		for _, p := range r.places {
			// A header or cookie of one name may not belong to two: each would read the other's.
			key := strings.ToLower(fmt.Sprint(p.In, p.Name, p.Member))
			if p.Name == "" || p.Scheme != consent.NoScheme || p.Member != "" && p.In != Event || seen[key] {
				t.Errorf("%s: place %+v", name, p)
			}
			seen[key] = true
			places++
		}
	}
	if got := all.Names(); len(got) != int(consent.Schemes)-1 || string(all.AppendTo([]byte("x,"))) != "x,"+strings.Join(got, ",") {
		t.Errorf("names %v, joined %s", got, all)
	}
	if !slices.Equal(all.Names()[:2], []string{"gpc", "segment"}) {
		t.Error("the order that answers and headers have is another one")
	}
	if none := consent.SchemeSet(0); none.Names() == nil || none.String() != "" || string(none.AppendTo([]byte("x,"))) != "x," {
		t.Error("an empty set is not written as one")
	}
	if consent.Schemes.String() != "" || consent.NoScheme.String() != "" {
		t.Error("what is not read has a name")
	}
	for in := Header; in <= Event; in++ {
		for _, p := range Places(in) {
			if p.In != in || p.Scheme == consent.NoScheme {
				t.Errorf("place %+v", p)
			}
			places--
		}
	}
	if places != 0 {
		t.Errorf("%d places of the table are not listed", places)
	}
}

// TestReadOnlyNarrows: whatever comes for a scheme, after whatever else, nothing that
// was denied, unreadable or heard is taken back.
func TestReadOnlyNarrows(t *testing.T) {
	_, r := shop(t)
	values := []string{"", "0", "1", "true", "null", "{}", "[]", `{"Analytics":true,"Measuring":true}`, `{"ads":false}`, `{"ads":1}`, "\x00", "%", strings.Repeat("{", 100)}
	var s consent.Signals
	for k := consent.NoScheme + 1; k < consent.Schemes; k++ {
		for _, v := range values {
			before := s
			r.Read(Carried{k, []byte(v)}, now, &s)
			lost := before.Present&^s.Present | before.OptOut&^s.OptOut | before.Unreadable&^s.Unreadable
			if lost != 0 || before.Denied()&^s.Denied() != 0 || (s.OptOut|s.Unreadable)&^s.Present != 0 {
				t.Errorf("%s %q: from %+v to %+v", k, v, before, s)
			}
		}
	}
}

func TestGPCIsExactlyOne(t *testing.T) {
	_, r := shop(t)
	for _, v := range []string{"", "0", "true", "01", "11", "\"1\"", "１", "?1", "1;q=1", "1.0", "1 1", "0,0", "10,01", ",", " ", "1\n", "1\u00a0"} {
		var s consent.Signals
		if r.Read(Carried{consent.GPC, []byte(v)}, now, &s); s != (consent.Signals{}) {
			t.Errorf("%q is a signal", v)
		}
	}
	for _, v := range []string{"1", "1 ", "\t1", "1,1", "1, 1", "0,1", "1 ,0", ",1", "1,", "0, true ,\t1\t, x"} {
		var s consent.Signals
		if r.Read(Carried{consent.GPC, []byte(v)}, now, &s); s.OptOut != s.Present || s.Present.String() != "gpc" {
			t.Errorf("%q is no signal", v)
		}
	}
}

func TestSegmentPreferences(t *testing.T) {
	p, r := shop(t)
	for _, c := range []struct{ raw, denied string }{
		{`{"Analytics":true,"Measuring":true}`, ""},
		{`{"ANALYTICS":true,"measuring":true,"ads":true}`, ""},
		{`{"Analytics":true}`, "analytics"},
		{`{}`, "analytics"},
		{`{"Analytics":false,"Measuring":true}`, "analytics"},
		{`{"Analytics":true,"Measuring":true,"Ads":false}`, "ads"},
		{`{"Analytics":true,"Measuring":true,"ads":"true"}`, "unreadable"},
		{`{"Analytics":true,"Measuring":true,"ads":"false"}`, "unreadable"},
		{`{"Analytics":1,"Measuring":true}`, "unreadable"},
		{`{"Analytics":true,"Measuring":true,"other":null}`, "unreadable"},
		{`{"Analytics":true,"Measuring":true,"other":{"ads":false}}`, "unreadable"},
		{`{"Analytics":true,"Measuring":true,"Analytics":false}`, "analytics"},
		{`{"Analytics":false,"Measuring":true,"Analytics":true}`, "analytics"},
		{`{"An\u0061lytics":true,"Measuring":true,"\u0061ds":false}`, "ads"},
		{`{"Analytics":true,"Measuring":true,"fraud":false,"orders":false}`, "fraud,orders"},
		{`{"Analytics":true,"Measuring":true,"other":false}`, ""},
		{` {"Analytics" : true , "Measuring" : true } `, ""},
		{`null`, "unreadable"},
		{``, "unreadable"},
		{`true`, "unreadable"},
		{`[true]`, "unreadable"},
		{`{"Analytics":true`, "unreadable"},
		{`{"Analytics":tru}`, "unreadable"},
		{`{"Analytics":true}x`, "unreadable"},
	} {
		var s consent.Signals
		r.Read(Carried{consent.Segment, []byte(c.raw)}, now, &s)
		got := strings.Join(p.Names(s.Denied()), ",")
		if s.Unreadable != 0 {
			got = "unreadable"
		}
		if got != c.denied || s.Present.String() != "segment" {
			t.Errorf("%s: denied %q, want %q", c.raw, got, c.denied)
		}
	}
}
