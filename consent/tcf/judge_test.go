package tcf

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	for _, layout := range []string{time.DateOnly, time.RFC3339Nano} {
		if v, err := time.Parse(layout, s); err == nil {
			return v
		}
	}
	t.Fatal(s)
	return time.Time{}
}

func TestJudge(t *testing.T) {
	now := "2026-11-28"
	on := func(d string) string { return core(day(d), "5", "1", noLI, noVendors) + disclosed }
	for name, c := range map[string]struct{ text, now, want string }{
		"good":                    {on("2026-11-01"), now, "valid"},
		"policy 4":                {core(day("2026-11-01"), "4", "1", noLI, noVendors) + disclosed, now, "valid"},
		"policy 3":                {core(day("2026-11-01"), "3", "1", noLI, noVendors) + disclosed, now, "not valid: policy_too_old"},
		"policy 6":                {core(day("2026-11-01"), "6", "1", noLI, noVendors) + disclosed, now, "valid: policy_unknown"},
		"global scope":            {core(day("2026-11-01"), "5", "0", noLI, noVendors) + disclosed, now, "not valid: not_service_specific"},
		"LI on 1":                 {core(day("2026-11-01"), "5", "1", "1:1 23:0", noVendors) + disclosed, now, "valid: legitimate_interest_ignored"},
		"LI on 6":                 {core(day("2026-11-01"), "5", "1", "5:0 1:1 18:0", noVendors) + disclosed, now, "valid: legitimate_interest_ignored"},
		"LI on 2 and 7":           {core(day("2026-11-01"), "5", "1", "1:0 1:1 4:0 1:1 17:0", noVendors) + disclosed, now, "valid"},
		"publisher's LI on 3":     {on("2026-11-01") + "." + fields("3:3 24:0 2:0 1:1 21:0 6:0"), now, "valid: legitimate_interest_ignored"},
		"a core twice":            {on("2026-11-01") + "." + core(day("2026-11-01"), "5", "1", noLI, noVendors), now, "not valid: segment_twice"},
		"something behind":        {on("2026-11-01") + "AAAAAAAAAAAAAAAAAAAAAAB", now, "not valid: trailing_bits"},
		"disclosed vendors twice": {on("2026-11-01") + disclosed, now, "not valid: segment_twice"},

		"the day before they were due":  {core(day("2026-02-27"), "5", "1", noLI, noVendors), now, "valid: old_without_disclosed_vendors"},
		"the last instant before":       {core(fmt.Sprint(instant(t, "2026-02-28").UnixMilli()/100-1), "5", "1", noLI, noVendors), now, "valid: old_without_disclosed_vendors"},
		"the day they were due":         {core(day("2026-02-28"), "5", "1", noLI, noVendors), now, "not valid: no_disclosed_vendors"},
		"created after, updated before": {madeAt(day("2026-03-01"), day("2026-02-27"), "6:5 1:1", noLI, noVendors), now, "not valid: no_disclosed_vendors"},
		"created before, updated after": {madeAt(day("2026-02-27"), day("2026-03-01"), "6:5 1:1", noLI, noVendors), now, "not valid: no_disclosed_vendors"},

		"13 months to the instant": {on("2025-10-28"), "2026-11-28", "valid"},
		"a nanosecond more":        {on("2025-10-28"), "2026-11-28T00:00:00.000000001Z", "not valid: expired"},
		"a day more":               {on("2025-10-27"), "2026-11-28", "not valid: expired"},
		"to a month with 28 days":  {on("2026-01-31"), "2027-02-28", "valid"},
		"and a day more":           {on("2026-01-31"), "2027-03-01", "not valid: expired"},
		"of the epoch":             {on("1970-01-01"), now, "not valid: expired"},

		"a day ahead":                 {on("2026-11-29"), now, "valid"},
		"two days ahead":              {on("2026-11-30"), now, "not valid: from_the_future"},
		"a day ahead, a moment early": {on("2026-11-29"), "2026-11-27T23:59:59.999999999Z", "not valid: from_the_future"},
		"created two days ahead":      {madeAt(day("2026-11-30"), day("2026-11-01"), "6:5 1:1", noLI, noVendors) + disclosed, now, "not valid: from_the_future"},
		"created ahead of its end":    {madeAt("68719476735", day("2026-11-01"), "6:5 1:1", noLI, noVendors) + disclosed, now, "not valid: from_the_future"},
		"of the year 4147":            {core("68719476735", "5", "1", noLI, noVendors) + disclosed, now, "not valid: from_the_future"},
	} {
		var s String
		if err := s.Parse([]byte(c.text)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v := s.Judge(instant(t, c.now))
		got := "valid"
		if !v.Valid {
			got = "not valid"
		}
		if v.Reasons != 0 {
			got += ": " + strings.Join(v.Reasons.Names(), " ")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		if v.Until.IsZero() {
			continue
		}
		if before, after := s.Judge(v.Until.Add(-1)), s.Judge(v.Until); before.Valid != v.Valid || after.Reasons == v.Reasons {
			t.Errorf("%s: judged until %s, and then no other way", name, v.Until)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range reasons {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d has no name of its own", r)
		}
		seen[r.String()] = true
	}
	if all := Reasons(1<<reasons - 1); string(all.AppendJSON(nil)) != `["`+strings.Join(all.Names(), `","`)+`"]` {
		t.Error("names and JSON differ")
	}
}

// TestReasonsAreDocumented holds the names to the table of docs/signals.md.
func TestReasonsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/signals.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## tcf\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for r := range reasons {
		want := "| not valid |"
		if Noted.Has(r) {
			want = "| noted |"
		}
		found := false
		for line := range strings.Lines(section) {
			found = found || strings.HasPrefix(line, "| `") && strings.Contains(line, "`"+r.String()+"`") && strings.Contains(line, want)
		}
		if !found {
			t.Errorf("no row for %s that says %s", r, want)
		}
	}
}

func TestWholeDay(t *testing.T) {
	var s String
	if s.LastUpdated = instant(t, "2026-11-28").UnixMilli() / 100; !s.WholeDay() {
		t.Error("midnight")
	}
	if s.LastUpdated++; s.WholeDay() {
		t.Error("a moment later")
	}
}
