package tcf

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/consent/bitstring"
)

// slow reads a TC string from its digits written out, as the specification lists the
// fields: the twin of Parse.
type slow struct {
	digits string
	bad    bool
}

func slowBits(text string) *slow {
	var b strings.Builder
	for i := range len(text) {
		v := strings.IndexByte(alphabet, text[i])
		if v < 0 {
			return &slow{bad: true}
		}
		fmt.Fprintf(&b, "%06b", v)
	}
	return &slow{digits: b.String()}
}

func (s *slow) int(width int) (n int) {
	if s.bad || width > len(s.digits) {
		s.bad = true
		return 0
	}
	for _, d := range s.digits[:width] {
		n = n<<1 | int(d-'0')
	}
	s.digits = s.digits[width:]
	return n
}

func (s *slow) ids(width int) []int {
	out := []int{}
	for id := 1; id <= width; id++ {
		if s.int(1) == 1 && !s.bad {
			out = append(out, id)
		}
	}
	return out
}

func (s *slow) text() string { return string([]byte{s.letter(), s.letter()}) }

func (s *slow) letter() byte {
	n := s.int(6)
	s.bad = s.bad || n > 25
	return byte('A' + n)
}

func (s *slow) ranges(most int) []int {
	var in [1 << 16]bool
	for range s.int(12) {
		isRange, start := s.int(1), s.int(16)
		end := start
		if isRange == 1 {
			end = s.int(16)
		}
		if start < 1 || start > end || end > most {
			s.bad = true
		}
		for id := start; id <= end && !s.bad; id++ {
			in[id] = true
		}
		if s.bad {
			break
		}
	}
	out := []int{}
	for id, yes := range in {
		if yes {
			out = append(out, id)
		}
	}
	return out
}

func (s *slow) vendors() []int {
	most := s.int(16)
	if s.int(1) == 1 {
		return s.ranges(most)
	}
	return s.ids(most)
}

func pairs(list []int) [][2]int {
	out := [][2]int{}
	for _, id := range list {
		if n := len(out); n > 0 && out[n-1][1] == id-1 {
			out[n-1][1] = id
		} else {
			out = append(out, [2]int{id, id})
		}
	}
	return out
}

// slowParse gives the object that AppendJSON writes and what reading notes; nil: it cannot
// be read.
func slowParse(text string) (out map[string]any, notes map[string]bool) {
	parts := strings.Split(text, ".")
	c := slowBits(parts[0])
	if c.int(6) != 2 || len(text) > bitstring.MaxText {
		return nil, nil
	}
	out, notes = map[string]any{"version": 2}, map[string]bool{}
	for _, f := range []struct {
		name string
		get  func() any
	}{
		{"created_ds", func() any { return c.int(36) }},
		{"last_updated_ds", func() any { return c.int(36) }},
		{"cmp_id", func() any { return c.int(12) }},
		{"cmp_version", func() any { return c.int(12) }},
		{"consent_screen", func() any { return c.int(6) }},
		{"consent_language", func() any { return c.text() }},
		{"vendor_list_version", func() any { return c.int(12) }},
		{"policy_version", func() any { return c.int(6) }},
		{"is_service_specific", func() any { return c.int(1) == 1 }},
		{"use_non_standard_texts", func() any { return c.int(1) == 1 }},
		{"special_feature_optins", func() any { return c.ids(12) }},
		{"purpose_consents", func() any { return c.ids(24) }},
		{"purpose_li", func() any { return c.ids(24) }},
		{"purpose_one_treatment", func() any { return c.int(1) == 1 }},
		{"publisher_cc", func() any { return c.text() }},
		{"vendor_consents", func() any { return pairs(c.vendors()) }},
		{"vendor_li", func() any { return pairs(c.vendors()) }},
	} {
		if out[f.name] = f.get(); c.bad {
			return nil, nil
		}
	}
	restrictions := []any{}
	for range c.int(12) {
		restrictions = append(restrictions, map[string]any{"purpose": c.int(6), "type": c.int(2), "vendors": pairs(c.ranges(65535))})
		if c.bad {
			return nil, nil
		}
	}
	out["restrictions"], out["disclosed_vendors"], out["publisher_tc"] = restrictions, nil, nil
	if c.bad {
		return nil, nil
	}
	if strings.Contains(c.digits, "1") {
		notes["trailing_bits"] = true
	}
	for _, part := range parts[1:] {
		p := slowBits(part)
		kind := p.int(3)
		if p.bad {
			return nil, nil
		}
		switch {
		case kind == 1 && out["disclosed_vendors"] == nil:
			out["disclosed_vendors"] = pairs(p.vendors())
		case kind == 3 && out["publisher_tc"] == nil:
			tc := map[string]any{"consents": p.ids(24), "li": p.ids(24)}
			n := p.int(6)
			tc["num_custom_purposes"], tc["custom_consents"], tc["custom_li"] = n, p.ids(n), p.ids(n)
			out["publisher_tc"] = tc
		case kind == 0 || kind == 1 || kind == 3:
			notes["segment_twice"] = true
			continue
		case kind == 2:
			notes["allowed_vendors"] = true
			continue
		default:
			notes["unknown_segment"] = true
			continue
		}
		if p.bad {
			return nil, nil
		}
		if strings.Contains(p.digits, "1") {
			notes["trailing_bits"] = true
		}
	}
	return out, notes
}

func FuzzParse(f *testing.F) {
	for i, v := range vectors(f) {
		if i%10 == 0 {
			f.Add(v.String)
		}
	}
	made := day("2026-11-01")
	good := core(made, "5", "1", noLI, noVendors)
	for _, text := range []string{
		"", ".", "C", good, good + disclosed, good + disclosed + disclosed, good + ".", good + "=", good + ".oAAA", good + "." + fields("3:3 24:0 24:0 6:63 63:1 63:2"),
		core(made, "5", "1", noLI, "16:90 1:1 12:2 1:1 16:5 16:9 1:1 16:2 16:6 16:65535 1:0 12:0"), core(made, "5", "1", noLI, "16:0 1:0 16:0 1:0 12:4095"),
		strings.Repeat("A", 9000), "%43", "C\x00", "CÿA",
	} {
		f.Add(text)
	}
	for n := range 6 * len(good+disclosed) {
		f.Add(cutBits(good+disclosed, n))
	}
	var s String
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 600 && len(text) <= bitstring.MaxText { // the twin takes its time
			if s.Parse([]byte(text)) == nil && !json.Valid(s.AppendJSON(nil)) {
				t.Fatalf("%q: no JSON", text)
			}
			return
		}
		agree(t, &s, text)
	})
}

// agree holds what is read to the twin.
func agree(t *testing.T, s *String, text string) {
	t.Helper()
	want, notes := slowParse(text)
	if err := s.Parse([]byte(text)); err != nil {
		if want != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if e := new(bitstring.Error); !errors.As(err, &e) || e.Bit < 0 || e.Bit > 6*len(text) {
			t.Fatalf("%q: %v", text, err)
		}
		if now := time.Unix(0, 0); s.Judge(now).Valid || s.Consents != 0 || s.HasDisclosed || s.HasPublisher || s.VendorConsents.Has(1) {
			t.Fatalf("%q: something is left of what cannot be read", text)
		}
		return
	}
	if want == nil {
		t.Fatalf("%q is read", text)
	}
	wanted, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, wanted := sortedRestrictions(t, s.AppendJSON(nil)), sortedRestrictions(t, wanted); got != wanted {
		t.Fatalf("%q: got\n%s\nwant\n%s", text, got, wanted)
	}
	for r := range reasons {
		if s.notes.Has(r) != notes[r.String()] {
			t.Fatalf("%q: notes %v, want %v", text, s.notes.Names(), notes)
		}
	}
}

// cutBits is a text of n bits of another, its last character filled up with zeros.
func cutBits(text string, n int) string {
	out := text[:n/6]
	if c := strings.IndexByte(alphabet, text[n/6]); n%6 > 0 && c >= 0 {
		out += string(alphabet[c>>(6-n%6)<<(6-n%6)])
	}
	return out
}

// TestTruncatedBits cuts at every bit and holds what is left to the twin.
func TestTruncatedBits(t *testing.T) {
	var s String
	all := vectors(t)
	slices.SortStableFunc(all, func(a, b vector) int { return len(a.String) - len(b.String) })
	for i := 0; i < 100; i += 10 {
		for n := range 6 * len(all[i].String) {
			agree(t, &s, cutBits(all[i].String, n))
		}
	}
}
