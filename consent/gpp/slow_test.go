package gpp

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// The slow twin: strings of digits, fields by the widths that the library has of them,
// no shortcut and no bound that the specification does not name.

// slowWidths are testdata/layouts.json: of each segment of the library, name, bits and
// number of answers of its fields.
func slowWidths(t testing.TB) (widths map[string][]slowField) {
	t.Helper()
	text, err := os.ReadFile("testdata/layouts.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string][][3]any
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	widths = map[string][]slowField{}
	for name, fields := range raw {
		for _, f := range fields {
			widths[name] = append(widths[name], slowField{f[0].(string), int(f[1].(float64)), int(f[2].(float64))})
		}
	}
	return widths
}

type slowField struct {
	name    string
	bits, n int
}

// slowBits is a text as digits.
func slowBits(text string) (bits string, ok bool) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range len(text) {
		v := strings.IndexByte(alphabet, text[i])
		if v < 0 {
			return "", false
		}
		bits += fmt.Sprintf("%06b", v)
	}
	return bits, true
}

// slowReader takes digits from the front; past the end it fails for good.
type slowReader struct {
	bits   string
	failed bool
}

func (r *slowReader) take(n int) string {
	if n > len(r.bits) {
		r.failed = true
		r.bits = ""
		return strings.Repeat("0", n)
	}
	out := r.bits[:n]
	r.bits = r.bits[n:]
	return out
}

func (r *slowReader) int(n int) (v int) {
	for _, digit := range r.take(n) {
		v = v<<1 | int(digit-'0')
	}
	return v
}

// number is a Fibonacci code, up to 65535.
func (r *slowReader) number() (v int) {
	end := strings.Index(r.bits, "11")
	if end < 0 || end > 40 {
		r.failed = true
		return 0
	}
	a, b := 1, 2
	for _, digit := range r.take(end + 1) {
		if digit == '1' {
			v += a
		}
		a, b = b, a+b
	}
	r.take(1)
	r.failed = r.failed || v > 65535
	return v
}

func (r *slowReader) zeros() bool { return !r.failed && strings.Trim(r.bits, "0") == "" }

// list is a Range(Fibonacci) of ids; most is how many may follow.
func (r *slowReader) list(most int) (ids []int) {
	last := 0
	for n := r.int(12); n > 0 && !r.failed; n-- {
		group := r.int(1) == 1
		last += r.number()
		first := last
		if group {
			last += r.number()
		}
		if last > 65535 || len(ids)+last-first+1 > most {
			r.failed = true
			return nil
		}
		for id := first; id <= last; id++ {
			ids = append(ids, id)
		}
	}
	return ids
}

// slowSection is the JSON of a section, empty for one with no name; sure is false where
// the twin does not know: sections 2 and 5, and section headers.
type slowSection struct {
	name, json string
	valid      bool
	denies     bool // an answer is not defined, or the version not known
}

var slowNames = []string{
	6: "uspv1", "usnat", "usca", "usva", "usco", "usut", "usct", "usfl", "usmt", "usor", "ustx", "usde", "usia", "usne",
	"usnh", "usnj", "ustn", "usmn", "usmd", "usin", "usky", "usri",
}

// slow reads a GPP string.
func slow(widths map[string][]slowField, text string) (ids []int, sections []slowSection, ok, sure bool) {
	parts := strings.Split(text, "~")
	bits, ok := slowBits(parts[0])
	r := &slowReader{bits: bits}
	if !ok || r.int(6) != 3 || r.int(6) != 1 {
		return nil, nil, false, true
	}
	ids = r.list(min(len(parts)-1, 32))
	if !r.zeros() || len(ids) != len(parts)-1 || slices.Contains(parts[1:], "") {
		return nil, nil, false, true
	}
	sure = true
	for i, id := range ids {
		sec := slowSection{valid: true}
		part := parts[i+1]
		switch {
		case id == 2 || id == 5 || id >= 24 && id <= 27 && part[0] == "YZab"[id-24]:
			sure = false
		case id == 6:
			sec, ok = slowUSP(part)
		case id >= 7 && id < len(slowNames):
			sec, ok = slowUS(widths, id, part)
		}
		if !ok {
			return nil, nil, false, sure
		}
		sections = append(sections, sec)
	}
	return ids, sections, true, sure
}

func slowUSP(part string) (sec slowSection, ok bool) {
	if len(part) != 4 || part[0] < '0' || part[0] > '9' {
		return sec, false
	}
	if part[0] != '1' {
		return slowSection{"uspv1", fmt.Sprintf(`{"Version":%c}`, part[0]), true, true}, true
	}
	if strings.Trim(part[1:], "YN-") != "" {
		return sec, false
	}
	return slowSection{"uspv1", fmt.Sprintf(`{"Version":1,"Notice":%q,"OptOutSale":%q,"LspaCovered":%q}`, part[1:2], part[2:3], part[3:]), true, false}, true
}

func slowUS(widths map[string][]slowField, id int, part string) (sec slowSection, ok bool) {
	sec = slowSection{name: slowNames[id], valid: true}
	prefix := "Us" + strings.ToUpper(sec.name[2:3]) + sec.name[3:]
	subs := strings.Split(part, ".")
	bits, ok := slowBits(subs[0])
	if !ok || len(bits) < 6 {
		return sec, false
	}
	head := &slowReader{bits: bits}
	version := head.int(6)
	known := version == 1 || id == 7 && version == 2 || id >= 24 && version <= 2
	if !known {
		sec.json, sec.denies = fmt.Sprintf(`{"Version":%d}`, version), true
		return sec, true
	}
	core := widths[prefix+"CoreSegment"]
	out := "{"
	shown := func(name string, n int) int { return n }
	if id == 7 && version == 1 {
		// Version 1 is what is left of version 2 without categories 13 to 16 and ages 3.
		short := slices.Clone(core)
		for i := range short {
			switch short[i].name {
			case "SensitiveDataProcessing":
				short[i].bits, short[i].n = 24, 12
			case "KnownChildSensitiveDataConsents":
				short[i].bits, short[i].n = 4, 2
			}
		}
		if len(bits) < 60 || strings.Trim(bits[60:], "0") == "" {
			core = short
		} else {
			shown = func(name string, n int) int { return map[int]int{16: 12, 3: 2}[n] }
		}
	}
	r := &slowReader{bits: bits}
	fields(r, core, &out, &sec, shown)
	if !r.zeros() {
		return sec, false
	}
	gpc, consents := widths[prefix+"GpcSegment"], widths[prefix+"SensitiveDataConsentSegment"]
	value := false
	if len(consents) > 0 {
		r := &slowReader{bits: strings.Repeat("0", 16)}
		if len(subs) > 1 {
			bits, ok := slowBits(subs[1])
			r.bits = bits
			if !ok {
				return sec, false
			}
		}
		fields(r, consents, &out, &sec, shown)
		if !r.zeros() {
			return sec, false
		}
	}
	for i, sub := range subs[1:] {
		bits, ok := slowBits(sub)
		switch r := (&slowReader{bits: bits}); {
		case !ok:
			return sec, false
		case i == 0 && len(consents) > 0:
		case i > 0 || len(gpc) == 0:
			sec.valid = false
		case r.int(2) != 1:
			sec.valid = false
			if r.failed {
				return sec, false
			}
		default:
			value = r.int(1) == 1
			if !r.zeros() {
				return sec, false
			}
		}
	}
	if len(gpc) > 0 {
		out += fmt.Sprintf(`,"GpcSegmentType":1,"Gpc":%v`, value)
	}
	sec.json = out + "}"
	sec.denies = !sec.valid
	return sec, true
}

// fields reads fields into JSON.
func fields(r *slowReader, fields []slowField, out *string, sec *slowSection, shown func(string, int) int) {
	for _, f := range fields {
		if *out != "{" {
			*out += ","
		}
		var values []string
		for range f.n {
			v := r.int(f.bits / f.n)
			if f.bits/f.n == 2 && v == 3 || f.name == "MspaCoveredTransaction" && v == 0 {
				sec.valid = false
			}
			values = append(values, fmt.Sprint(v))
		}
		if f.n == 1 {
			*out += fmt.Sprintf("%q:%s", f.name, values[0])
		} else {
			*out += fmt.Sprintf("%q:[%s]", f.name, strings.Join(values[:shown(f.name, f.n)], ","))
		}
	}
}
