package consent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"assent/names"
)

// TestTable: every scheme has a name, a place that is its alone and a reader. A scheme
// that lacks one would be heard as nothing.
func TestTable(t *testing.T) {
	var all SchemeSet
	seen, places := map[string]bool{}, 0
	for k := NoScheme + 1; k < schemes; k++ {
		r, name := table[k], k.String()
		all = all.With(k)
		if names.Identifier(name) != nil || seen[name] {
			t.Errorf("scheme %d has no name of its own in schemeNames: %q", k, name)
		}
		if r.read == nil || len(r.places) == 0 {
			t.Errorf("table of read.go has no places or no reader for %s", name)
		}
		seen[name] = true
		for _, p := range r.places {
			// A header or cookie of one name may not belong to two: each would read the other's.
			key := strings.ToLower(fmt.Sprint(p.In, p.Name, p.Member))
			if p.Name == "" || p.Scheme != NoScheme || p.Member != "" && p.In != Event || seen[key] {
				t.Errorf("%s: place %+v", name, p)
			}
			seen[key] = true
			places++
		}
		if Mapped(name) != r.mapped {
			t.Errorf("%s: mapped %t", name, Mapped(name))
		}
	}
	if got := all.Names(); len(got) != int(schemes)-1 || string(all.AppendTo([]byte("x,"))) != "x,"+strings.Join(got, ",") {
		t.Errorf("names %v, joined %s", got, all)
	}
	if !slices.Equal(all.Names()[:2], []string{"gpc", "segment"}) {
		t.Error("the order that answers and headers have is another one")
	}
	if none := SchemeSet(0); none.Names() == nil || none.String() != "" || string(none.AppendTo([]byte("x,"))) != "x," {
		t.Error("an empty set is not written as one")
	}
	if Mapped("") || Mapped("tcf") || schemes.String() != "" || NoScheme.String() != "" {
		t.Error("what is not read has a name")
	}
	for in := Header; in <= Event; in++ {
		for _, p := range Places(in) {
			if p.In != in || p.Scheme == NoScheme {
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
	p := shop(t)
	values := []string{"", "0", "1", "true", "null", "{}", "[]", `{"Analytics":true,"Measuring":true}`, `{"ads":false}`, `{"ads":1}`, "\x00", "%", strings.Repeat("{", 100)}
	var s Signals
	for k := NoScheme + 1; k < schemes; k++ {
		for _, v := range values {
			before := s
			Read(p, Carried{k, []byte(v)}, &s)
			lost := before.Present&^s.Present | before.OptOut&^s.OptOut | before.Unreadable&^s.Unreadable
			if lost != 0 || before.Denied()&^s.Denied() != 0 || (s.OptOut|s.Unreadable)&^s.Present != 0 {
				t.Errorf("%s %q: from %+v to %+v", k, v, before, s)
			}
			for other := range schemes {
				if other != k && s.denied[other] != before.denied[other] {
					t.Errorf("%s %q speaks for %s", k, v, other)
				}
			}
		}
	}
}

func TestGPCIsExactlyOne(t *testing.T) {
	for _, v := range []string{"", "0", "true", "01", "11", "\"1\"", "１", "?1", "1;q=1", "1.0", "1 1", "0,0", "10,01", ",", " ", "1\n", "1\u00a0"} {
		var s Signals
		if Read(nil, Carried{GPC, []byte(v)}, &s); s != (Signals{}) {
			t.Errorf("%q is a signal", v)
		}
	}
	for _, v := range []string{"1", "1 ", "\t1", "1,1", "1, 1", "0,1", "1 ,0", ",1", "1,", "0, true ,\t1\t, x"} {
		var s Signals
		if Read(nil, Carried{GPC, []byte(v)}, &s); s.OptOut != s.Present || s.Present.String() != "gpc" {
			t.Errorf("%q is no signal", v)
		}
	}
}

func TestSegmentPreferences(t *testing.T) {
	p := shop(t)
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
		var s Signals
		Read(p, Carried{Segment, []byte(c.raw)}, &s)
		got := strings.Join(p.Names(s.Denied()), ",")
		if s.Unreadable != 0 {
			got = "unreadable"
		}
		if got != c.denied || s.Present.String() != "segment" {
			t.Errorf("%s: denied %q, want %q", c.raw, got, c.denied)
		}
	}
}
