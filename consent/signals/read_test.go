package signals

import (
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
		{Name: "ads", Basis: consent.Consent, Sale: true, TargetedAds: true, Signals: map[string][]string{
			"tcf": {"1", "2", "4"}, "gpp": {"sale", "targeted_advertising"}, "uspv1": {"sale"}, "consent_mode": {"ad_storage", "ad_user_data"}, "uet": {"ad_storage"},
			"device": {"tracking"}, "rudderstack": {"Ads"}, "snowplow": {"ads"}, "onetrust": {"C0004"}, "cookiebot": {"marketing"}, "cookieconsent": {"ads"}, "didomi": {"advertising"},
			"cookieyes": {"advertisement"}, "c15t": {"marketing"}, "klaro": {"ads"}, "tarteaucitron": {"ads"}, "axeptio": {"ads"}, "cookieinformation": {"cookie_cat_marketing"},
		}},
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
	var all, read consent.SchemeSet
	seen, places := map[string]bool{}, 0
	for k := consent.NoScheme + 1; k < consent.Schemes; k++ {
		name := k.String()
		all = all.With(k)
		if names.Identifier(name) != nil || seen[name] {
			t.Errorf("scheme %d has no name of its own in lexicons: %q", k, name)
		}
		seen[name] = true
	}
	for _, p := range table {
		// A header or cookie of one name may not belong to two: each would read the other's.
		if key := strings.ToLower(p.String()); p.Name == "" || p.Member != "" && p.In != Event || seen[key] {
			t.Errorf("place %s of %s", p, p.Scheme)
		} else {
			seen[key] = true
		}
		if p.read != nil {
			read = read.With(p.Scheme)
		}
	}
	for _, k := range (all &^ read &^ consent.SchemeSet(0).With(consent.Custom)).Names() {
		t.Errorf("table has no place and no reader for %s", k)
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
		places += len(Places(in))
	}
	if places != len(table) {
		t.Errorf("of %d places %d are listed", len(table), places)
	}
}

// TestReadOnlyNarrows: whatever comes for a scheme, after whatever else, nothing that
// was denied, unreadable or heard is taken back.
func TestReadOnlyNarrows(t *testing.T) {
	_, r := shop(t)
	values := []string{
		"", "0", "1", "true", "null", "{}", "[]", `{"Analytics":true,"Measuring":true}`, `{"ads":false}`, `{"ads":1}`, "\x00", "%", strings.Repeat("{", 100),
		"1YYN", "1YNN", "1---", "G101", "G100", "13l3l3l3l1", "G", "D", `"D"`, `{"ad_storage":"DENIED"}`, `{"allowedConsentIds":["Ads"]}`, `[{"eventType":"deny_all"}]`,
		`[{"eventType":"allow_selected","consentScopes":["ads"]}]`, "groups=C0001:1,C0004:0", "groups=C0004:0,C0004:1", "{stamp:'x',marketing:true,method:'implied'}",
		strings.Repeat("A", 9<<10), "C", "DB", "%25",
	}
	var s consent.Signals
	for _, p := range table {
		for _, v := range values {
			before := s
			r.Read([]Carried{{p, []byte(v)}}, now, &s)
			lost := before.Present&^s.Present | before.OptOut&^s.OptOut | before.Unreadable&^s.Unreadable
			if lost != 0 || before.Denied()&^s.Denied() != 0 || (s.OptOut|s.Unreadable)&^s.Present != 0 {
				t.Errorf("%s %q: from %+v to %+v", p, v, before, s)
			}
		}
	}
	if s.Denied() == 0 {
		t.Error("nothing was denied by any of it")
	}
}

func TestGPCIsExactlyOne(t *testing.T) {
	_, r := shop(t)
	gpc := At(Header, "sec-gpc")
	for _, v := range []string{"", "0", "true", "01", "11", "\"1\"", "１", "?1", "1;q=1", "1.0", "1 1", "0,0", "10,01", ",", " ", "1\n", "1\u00a0"} {
		var s consent.Signals
		if r.Read([]Carried{{gpc, []byte(v)}}, now, &s); s != (consent.Signals{}) {
			t.Errorf("%q is a signal", v)
		}
	}
	for _, v := range []string{"1", "1 ", "\t1", "1,1", "1, 1", "0,1", "1 ,0", ",1", "1,", "0, true ,\t1\t, x"} {
		var s consent.Signals
		if r.Read([]Carried{{gpc, []byte(v)}}, now, &s); s.OptOut != s.Present || s.Present.String() != "gpc" {
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
		r.ReadOne(At(Event, "context.consent"), []byte(c.raw), now, &s)
		got := strings.Join(p.Names(s.Denied()), ",")
		if s.Unreadable != 0 {
			got = "unreadable"
		}
		if got != c.denied || s.Present.String() != "segment" {
			t.Errorf("%s: denied %q, want %q", c.raw, got, c.denied)
		}
	}
}
