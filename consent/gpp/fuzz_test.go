package gpp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"assent/consent/bitstring"
)

// seeds are the vectors, the strings made by hand, and texts that hang or break others.
func seeds(f *testing.F) {
	for i, v := range vectors(f) {
		if i%8 == 0 {
			f.Add(v.GPP)
		}
	}
	for _, text := range hostile(f)[:200] {
		f.Add(string(text))
	}
}

// FuzzParse holds whole strings to the slow twin.
func FuzzParse(f *testing.F) {
	seeds(f)
	widths := slowWidths(f)
	var s String
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) <= 400 {
			compare(t, &s, widths, text)
		}
	})
}

// compare holds a text to the slow twin.
func compare(t *testing.T, s *String, widths map[string][]slowField, text string) error {
	t.Helper()
	err := Parse(s, []byte(text))
	check(t, s, text, err)
	if strings.HasPrefix(text, "C") {
		if !errors.Is(err, ErrTC) {
			t.Fatalf("%q: %v", text, err)
		}
		return err
	}
	ids, want, ok, sure := slow(widths, text)
	if sure && ok != (err == nil) || !sure && !ok && err == nil {
		t.Fatalf("%q: %v, the twin says %v", text, err, ok)
	}
	if err != nil {
		return err
	}
	var got struct {
		IDs      []int                      `json:"section_ids"`
		Sections map[string]json.RawMessage `json:"sections"`
	}
	out, jsonErr := AppendJSON(nil, s)
	if jsonErr != nil {
		return nil // of section 2
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%q: %v: %s", text, err, out)
	}
	if fmt.Sprint(got.IDs) != fmt.Sprint(ids) {
		t.Fatalf("%q: ids %v, want %v", text, got.IDs, ids)
	}
	for i, w := range want {
		sec := &s.Sections()[i]
		if w.name == "" {
			continue
		}
		if sec.Name() != w.name || string(got.Sections[w.name]) != w.json {
			t.Fatalf("%q: %s %s, want %s %s", text, sec.Name(), got.Sections[w.name], w.name, w.json)
		}
		if (sec.Status() == Undefined) == w.valid || (sec.Status() != Defined) != w.denies {
			t.Fatalf("%q: %s has status %d", text, w.name, sec.Status())
		}
	}
	return nil
}

// check is what holds for every text.
func check(t *testing.T, s *String, text string, err error) {
	t.Helper()
	if err != nil {
		var e *bitstring.Error
		if !errors.As(err, &e) || e.Bit < 0 || e.Bit > 6*len(text) || len(s.Sections()) > 0 || s.TCF() != nil {
			t.Fatalf("%q: %v, %d sections", text, err, len(s.Sections()))
		}
		if _, ok := s.Canada(); ok {
			t.Fatalf("%q: Canada after an error", text)
		}
	}
	for i := range s.Sections() {
		sec := &s.Sections()[i]
		u, ok := sec.US()
		if ok && sec.Status() != Defined {
			u.GPC = false
			if u != restrictive {
				t.Fatalf("%q: %s says %+v", text, sec.Name(), u)
			}
		}
		if sec.gpc && (u.SaleOptOut != Denied || u.SharingOptOut != Denied || u.TargetedAdvertisingOptOut != Denied) {
			t.Fatalf("%q: GPC is no opt-out: %+v", text, u)
		}
		if u.SensitiveDenied&^u.SensitiveAsked != 0 {
			t.Fatalf("%q: denied and not asked: %+v", text, u)
		}
		if (sec.Reason() == "") != (sec.Status() >= Defined) {
			t.Fatalf("%q: %s: %q", text, sec.Name(), sec.Reason())
		}
	}
}

// FuzzCanada holds the lists of vendors of section 5, given as digits, to the slow twin.
func FuzzCanada(f *testing.F) {
	for _, v := range vectors(f) {
		if core, found := strings.CutPrefix(v.GPP, "DBABDA~"); found {
			core, _, _ = strings.Cut(core, ".")
			bits, _ := slowBits(core)
			f.Add(strings.TrimRight(bits[vendorsAt:], "0"))
		}
	}
	for _, lists := range []string{
		"", "1", strings.Repeat("0", 45),
		"0000000000000011 1 000000000001 1 011 11 0000000000000000 0 000000000000",
		"0000000000000100 1 000000000001 0 0000000000000011 0000000000000000 0 000000000000",
		"1111111111111111 1 000000000001 1 0000000000000001 1111111111111111 0000000000000000 0 000000000001 000001 00 000000000001 1 0000000000000001 1111111111111111",
		"1111111111111111 0 1",
		"0000000000000001 1 111111111111 0 11",
	} {
		f.Add(strings.ReplaceAll(lists, " ", ""))
	}
	var s String
	f.Fuzz(func(t *testing.T, lists string) {
		if strings.Trim(lists, "01") != "" || len(lists) > 500 {
			return
		}
		digits := "000001" + strings.Repeat("0", vendorsAt-6) + lists
		text := "DBABDA~" + string(spell(t, digits))
		err := Parse(&s, []byte(text))
		check(t, &s, text, err)
		want, ok := slowLists(lists)
		if ok != (err == nil) {
			t.Fatalf("%s: %v, the twin says %v", lists, err, ok)
		}
		if err != nil {
			return
		}
		out, err := AppendJSON(nil, &s)
		if err != nil {
			if !strings.Contains(err.Error(), "restricted vendors") {
				t.Fatalf("%s: %v", lists, err)
			}
			return
		}
		if _, after, _ := strings.Cut(string(out), `"VendorExpressConsent":`); !strings.HasPrefix(after, want) {
			t.Fatalf("%s:\n%s\nwant\n%s", lists, after, want)
		}
	})
}

// slowLists reads both forms and tells them apart as formOf says.
func slowLists(bits string) (json string, ok bool) {
	bits += strings.Repeat("0", (6-(vendorsAt+len(bits))%6)%6) // as spell fills it
	for _, exact := range []bool{true, false} {
		now, isNow := slowForm(bits, true, exact)
		old, isOld := slowForm(bits, false, exact)
		switch {
		case isNow && (exact || !isOld):
			return now, true
		case isOld && !isNow:
			return old, true
		case isNow:
			return "", false
		}
	}
	return "", false
}

func slowForm(bits string, fibonacci, exact bool) (json string, ok bool) {
	r := &slowReader{bits: bits}
	good := true
	ranges := func() (set []bool, last int) {
		set = make([]bool, 65536)
		for n := r.int(12); n > 0 && !r.failed && good; n-- {
			group := r.int(1) == 1
			before := last
			var first int
			if fibonacci {
				first = last + r.number()
				last = first
				if group {
					last += r.number()
				}
			} else {
				first = r.int(16)
				last = first
				if group {
					last = r.int(16)
				}
			}
			good = good && first > before && last <= 65535 && last >= first
			if exact {
				good = good && (before == 0 || first > before+1) && (!group || last > first)
			}
			for id := first; good && id <= last; id++ {
				set[id] = true
			}
		}
		return set, last
	}
	list := func() []bool {
		most := r.int(16)
		if r.int(1) == 1 {
			set, last := ranges()
			good = good && last <= most && (!exact || last == most)
			return set
		}
		set := make([]bool, 65536)
		for i, digit := range r.take(most) {
			set[i+1] = digit == '1'
		}
		return set
	}
	json = slowIDs(list())
	json += `,"VendorImpliedConsent":` + slowIDs(list()) + `,"PubRestrictions":[`
	for n := r.int(12); n > 0 && !r.failed && good; n-- {
		json += fmt.Sprintf(`{"key":%d,"type":%d,"ids":`, r.int(6), r.int(2))
		var set []bool
		if fibonacci {
			set = list()
		} else {
			set, _ = ranges()
		}
		json += slowIDs(set) + "},"
	}
	return strings.TrimSuffix(json, ",") + "]", good && r.zeros()
}

func slowIDs(set []bool) string {
	var out []byte
	for id, in := range set {
		if in {
			out = append(strconv.AppendInt(out, int64(id), 10), ',')
		}
	}
	return "[" + strings.TrimSuffix(string(out), ",") + "]"
}

// FuzzList holds Fibonacci codes to their definition.
func FuzzList(f *testing.F) {
	for _, n := range []int{1, 2, 3, 4, 5, 143, 144, 65534, 65535, 65536, 75024, 75025, 1 << 30} {
		f.Add(code(n), 1)
	}
	f.Add(strings.Repeat("0", 80)+"11", 1)
	f.Add("111111", 3)
	var b bitstring.Bits
	f.Fuzz(func(t *testing.T, digits string, count int) {
		if strings.Trim(digits, "01") != "" || len(digits) > 300 {
			return
		}
		digits = fmt.Sprintf("%012b", count&0xfff) + digits
		text := spell(t, digits)
		bits, _ := slowBits(string(text))
		slow := &slowReader{bits: bits}
		want := slow.list(8)
		r := bitstring.Decode(&b, text)
		var ids [8]uint16
		got := ids[:list(&r, ids[:])]
		if slow.failed != (r.Err() != nil) || !slow.failed && (fmt.Sprint(got) != fmt.Sprint(want) || r.Left() != len(slow.bits)) {
			t.Fatalf("%s: %v, %v, want %v", digits, got, r.Err(), want)
		}
	})
}
