package signals

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"assent/consent"
)

// market is the vocabulary of testdata/verdicts.txt: every scheme is mapped, and the word
// of each purpose is another one.
func market(t testing.TB) (*consent.Purposes, *Reader) {
	t.Helper()
	p, err := consent.NewPurposes([]consent.Purpose{
		{Name: "orders", Basis: consent.Contract},
		{Name: "fraud", Basis: consent.LegitimateInterest, Signals: map[string][]string{"tcf": {"7", "10"}, "didomi": {"fraud"}}},
		{Name: "analytics", Basis: consent.Consent, Signals: map[string][]string{
			"tcf": {"8"}, "gpp": {"sharing"}, "consent_mode": {"analytics_storage"}, "segment": {"Analytics", "Measuring"},
			"rudderstack": {"Analytics"}, "snowplow": {"analytics"}, "onetrust": {"C0002"}, "cookiebot": {"statistics"},
			"cookieconsent": {"analytics"}, "didomi": {"audience"}, "cookieyes": {"analytics"}, "c15t": {"measurement"}, "klaro": {"matomo"},
			"tarteaucitron": {"matomo"}, "axeptio": {"matomo"}, "cookieinformation": {"cookie_cat_statistic"}, "device": {"ifa"},
		}},
		{Name: "ads", Basis: consent.Consent, Sale: true, TargetedAds: true, Signals: map[string][]string{
			"tcf": {"1", "2", "4"}, "gpp": {"sale", "targeted_advertising"}, "uspv1": {"sale"}, "consent_mode": {"ad_storage", "ad_user_data"}, "uet": {"ad_storage"},
			"segment": {"Advertising"}, "rudderstack": {"Ads"}, "snowplow": {"ads"}, "onetrust": {"C0004"}, "cookiebot": {"marketing"},
			"cookieconsent": {"ads"}, "didomi": {"advertising"}, "cookieyes": {"advertisement"}, "c15t": {"marketing"}, "klaro": {"meta"},
			"tarteaucitron": {"facebook"}, "axeptio": {"facebook_pixel"}, "cookieinformation": {"cookie_cat_marketing"}, "device": {"tracking"},
		}},
		{Name: "health", Basis: consent.Consent, Signals: map[string][]string{"gpp": {"sensitive_data"}}},
		{Name: "child", Basis: consent.Consent, Signals: map[string][]string{"gpp": {"known_child", "personal_data"}}},
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

// placeOf finds a row of the table by what String says of it.
func placeOf(t testing.TB, name string) *Place {
	t.Helper()
	for _, p := range table {
		if p.String() == name {
			return p
		}
	}
	t.Fatalf("no place %q", name)
	return nil
}

// TestVerdicts holds what every row of the table makes of a request to
// testdata/verdicts.txt, which says how to read it.
func TestVerdicts(t *testing.T) {
	const file = "testdata/verdicts.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var came []Carried
	p, r := market(t)
	at, seen := now, map[*Place]int{}
	answer := func() {
		if len(came) > 0 {
			out.WriteString(told(p, r, came, at))
		}
		came, at = nil, now
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		name, text, _ := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "\t"):
			continue
		case line == "" || strings.HasPrefix(line, "#"):
			answer()
		case name == "at":
			if at, err = time.Parse(time.RFC3339, text); err != nil {
				t.Fatal(err)
			}
		default:
			more, also := strings.CutPrefix(name, "+ ")
			if !also {
				was := at
				if len(came) > 0 {
					answer()
				} else {
					at = was
				}
			}
			place := placeOf(t, more)
			came = append(came, Carried{place, value(text)})
			seen[place]++
		}
		out.WriteString(line + "\n")
	}
	answer()
	for _, place := range table {
		if seen[place] == 0 {
			t.Errorf("no case of %s", place)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, is := strings.Split(string(text), "\n"), strings.Split(out.String(), "\n")
	for i := range min(len(was), len(is)) {
		if was[i] != is[i] {
			t.Fatalf("%s:%d: is now\n%s\nwas\n%s\nrun go test -update and look at the difference", file, i+1, is[i], was[i])
		}
	}
	if len(was) != len(is) {
		t.Errorf("%s: %d lines, now %d", file, len(was), len(is))
	}
}

// told is what the values of one request say, in one indented line.
func told(p *consent.Purposes, r *Reader, came []Carried, at time.Time) string {
	var all consent.Verdict
	for i := range came {
		place := came[i].Place
		if place.read == nil {
			continue
		}
		for with, next := beside(came, place, 0); ; {
			v := r.verdict(place, came[i].Value, with, at)
			all.Said, all.OptOut, all.Unreadable = all.Said || v.Said, all.OptOut || v.OptOut, all.Unreadable || v.Unreadable
			all.Allowed, all.Denied, all.Unusable = all.Allowed|v.Allowed, all.Denied|v.Denied, all.Unusable|v.Unusable
			if with, next = beside(came, place, next); with == nil {
				break
			}
		}
	}
	var words []string
	for _, w := range []struct {
		is   bool
		text string
	}{
		{!all.Said, "no signal"},
		{all.OptOut, "opt-out"},
		{all.Unreadable, "unreadable"},
		{all.Allowed != 0, "allows " + strings.Join(p.Names(all.Allowed), " ")},
		{all.Denied != 0, "denies " + strings.Join(p.Names(all.Denied), " ")},
		{all.Unusable != 0, "unusable for " + strings.Join(p.Names(all.Unusable), " ")},
	} {
		if w.is {
			words = append(words, w.text)
		}
	}
	if len(words) == 0 {
		words = []string{"says nothing of what is mapped"}
	}
	return fmt.Sprintf("\t%s\n", strings.Join(words, ", "))
}
