package tcf

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/consent/bitstring"
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

type vector struct {
	String string
	TCF    json.RawMessage
}

func vectors(t testing.TB) (out []vector) {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestVectors holds what is read to what two libraries of different origin read.
func TestVectors(t *testing.T) {
	var s String
	all := vectors(t)
	for _, v := range all {
		if err := s.Parse([]byte(v.String)); err != nil {
			t.Errorf("%s: %v", v.String, err)
			continue
		}
		if got := sortedRestrictions(t, s.AppendJSON(nil)); got != sortedRestrictions(t, v.TCF) {
			t.Errorf("%s: got\n%s\nwant\n%s", v.String, got, v.TCF)
		}
	}
	if len(all) < 300 {
		t.Errorf("%d vectors", len(all))
	}
}

// sortedRestrictions is the same object with its restrictions in an order of their own.
func sortedRestrictions(t *testing.T, raw []byte) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	list := m["restrictions"].([]any)
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// fields writes fields as widths and values: "6:2 36:0 …".
func fields(list ...string) string {
	var digits strings.Builder
	for _, f := range strings.Fields(strings.Join(list, " ")) {
		var width, value int
		if _, err := fmt.Sscanf(f, "%d:%d", &width, &value); err != nil {
			panic(err)
		}
		fmt.Fprintf(&digits, "%0*b", width, value)
	}
	all := digits.String()
	all += strings.Repeat("0", (6-len(all)%6)%6)
	var out strings.Builder
	for i := 0; i < len(all); i += 6 {
		n := 0
		for _, d := range all[i : i+6] {
			n = n<<1 | int(d-'0')
		}
		out.WriteByte(alphabet[n])
	}
	return out.String()
}

// day is deciseconds of a day's start.
func day(s string) string {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return fmt.Sprint(t.UnixMilli() / 100)
}

// core writes a core segment that says yes to purposes 1 and 2, with fields that a test
// may set otherwise.
func core(made, policy, serviceSpecific, li, rest string) string {
	return madeAt(made, made, "6:"+policy+" 1:"+serviceSpecific, li, rest)
}

// madeAt is the same with two dates, that of the creation and that of the last change.
func madeAt(created, updated, policy, li, rest string) string {
	return fields("6:2 36:"+created+" 36:"+updated+" 12:7 12:1 6:1 6:4 6:13 12:9", policy, "1:0 12:0 1:1 1:1 22:0", li, "1:0 6:5 6:17", rest)
}

const (
	noLI      = "24:0"
	noVendors = "16:0 1:0 16:0 1:0 12:0"
	disclosed = ".IAAA" // type 1, nobody
)

func TestParse(t *testing.T) {
	made := day("2026-11-01")
	good := core(made, "5", "1", noLI, noVendors)
	publisher := "." + fields("3:3 24:8388608 24:0 6:2 2:1 2:2")
	for name, c := range map[string]struct{ text, want string }{
		"core alone":                   {good, "consents=3 disclosed=false"},
		"disclosed":                    {good + disclosed, "consents=3 disclosed=true"},
		"publisher":                    {good + publisher, "consents=3 disclosed=false publisher=1/0 custom=2/2/1"},
		"any order":                    {good + publisher + disclosed, "consents=3 disclosed=true publisher=1/0 custom=2/2/1"},
		"retired type":                 {good + "." + fields("3:2 16:1 1:0 1:1") + disclosed, "consents=3 disclosed=true notes=[allowed_vendors]"},
		"unknown type":                 {good + "." + fields("3:5 30:7") + disclosed, "consents=3 disclosed=true notes=[unknown_segment]"},
		"disclosed twice":              {good + disclosed + disclosed, "consents=3 disclosed=true notes=[segment_twice]"},
		"publisher twice":              {good + publisher + publisher, "consents=3 disclosed=false publisher=1/0 custom=2/2/1 notes=[segment_twice]"},
		"core twice":                   {good + disclosed + "." + good, "consents=3 disclosed=true notes=[segment_twice]"},
		"retired type twice":           {good + "." + fields("3:2 16:0 1:0") + "." + fields("3:2 16:0 1:0"), "consents=3 disclosed=false notes=[allowed_vendors]"},
		"many zeros behind":            {good + strings.Repeat("A", 60), "consents=3 disclosed=false"},
		"a field of bits":              {core(made, "5", "1", noLI, "16:9 1:0 9:257 16:0 1:0 12:0"), "consents=3 disclosed=false vendors=1-1 9-9"},
		"ranges, overlapping":          {core(made, "5", "1", noLI, "16:90 1:1 12:3 1:1 16:5 16:9 1:0 16:90 1:1 16:2 16:6 16:0 1:0 12:0"), "consents=3 disclosed=false vendors=2-9 90-90"},
		"ranges, side by side":         {core(made, "5", "1", noLI, "16:90 1:1 12:3 1:1 16:5 16:9 1:0 16:4 1:1 16:10 16:12 16:0 1:0 12:0"), "consents=3 disclosed=false vendors=4-12"},
		"ranges, one in another":       {core(made, "5", "1", noLI, "16:90 1:1 12:3 1:1 16:5 16:9 1:1 16:6 16:7 1:0 16:9 16:0 1:0 12:0"), "consents=3 disclosed=false vendors=5-9"},
		"60 custom purposes":           {good + "." + fields("3:3 24:0 24:0 6:60 60:1 60:1"), fmt.Sprintf("consents=3 disclosed=false publisher=0/0 custom=60/%d/%d", 1<<59, 1<<59)},
		"something behind the core":    {good + "AB", "consents=3 disclosed=false notes=[trailing_bits]"},
		"something behind a segment":   {good + disclosed + "AAAAAAAAAAAAAAAAAAAAAAB", "consents=3 disclosed=true notes=[trailing_bits]"},
		"restrictions of nobody known": {core(made, "5", "1", noLI, "16:0 1:0 16:0 1:0 12:1 6:3 2:1 12:1 1:1 16:60000 16:65535"), "consents=3 disclosed=false restricted=3/1:60000-65535"},

		"version 1":                {"B" + good[1:], "version 1, which version 2 has replaced, at bit 0"},
		"version 3":                {"D" + good[1:], "a version other than 2, at bit 0"},
		"nothing":                  {"", "the text ends too early, at bit 0"},
		"a dot":                    {".", "the text ends too early, at bit 0"},
		"an empty segment":         {good + ".", fmt.Sprintf("a segment without a type, at bit %d", (len(good)+1)*6)},
		"padding":                  {good + "=", fmt.Sprintf("no character of base64url, at bit %d", len(good)*6)},
		"standard alphabet":        {good[:20] + "+" + good[21:], "no character of base64url, at bit 120"},
		"percent-encoded":          {"%43" + good[1:], "no character of base64url, at bit 0"},
		"a NUL":                    {good + disclosed[:3] + "\x00", fmt.Sprintf("no character of base64url, at bit %d", (len(good)+3)*6)},
		"no letter":                {fields("6:2 36:0 36:0 12:7 12:1 6:1 6:26 6:13 200:0"), "no letter, at bit 108"},
		"a range backwards":        {core(made, "5", "1", noLI, "16:90 1:1 12:1 1:1 16:9 16:5 16:0 1:0 12:0"), "a range that ends before it begins, at bit 242"},
		"a range from 0":           {core(made, "5", "1", noLI, "16:90 1:1 12:1 1:1 16:0 16:5 16:0 1:0 12:0"), "a range from vendor 0, at bit 242"},
		"a range past its end":     {core(made, "5", "1", noLI, "16:90 1:1 12:1 1:0 16:91 16:0 1:0 12:0"), "a range beyond the largest vendor, at bit 242"},
		"fewer ranges than said":   {core(made, "5", "1", noLI, "16:90 1:1 12:4095 1:0 16:9"), "the text ends too early, at bit 264"},
		"fewer bits than said":     {core(made, "5", "1", noLI, "16:65535 1:0 9:1"), "the text ends too early, at bit 240"},
		"4,095 empty restrictions": {core(made, "5", "1", noLI, "16:0 1:0 16:0 1:0 12:4095"), "the text ends too early, at bit 264"},
		"too long":                 {good + strings.Repeat("A", 8<<10), "longer than 8192 characters, at bit 49152"},
		"megabytes of zeros":       {strings.Repeat("A", 5<<20), "longer than 8192 characters, at bit 49152"},
	} {
		var s String
		got := ""
		if err := s.Parse([]byte(c.text)); err != nil {
			got = err.Error()
			if s.Consents != 0 || s.HasDisclosed || s.HasPublisher {
				t.Errorf("%s: something is left of what cannot be read", name)
			}
		} else {
			got = describe(&s)
		}
		if got != c.want {
			t.Errorf("%s: got  %s\nwant %s", name, got, c.want)
		}
	}
}

func describe(s *String) string {
	out := fmt.Sprintf("consents=%d disclosed=%t", s.Consents, s.HasDisclosed)
	if p := s.Publisher; s.HasPublisher {
		out += fmt.Sprintf(" publisher=%d/%d custom=%d/%d/%d", p.Consents, p.LI, p.Custom, p.CustomConsents, p.CustomLI)
	}
	if list := ranges(&s.VendorConsents); list != "" {
		out += " vendors=" + list
	}
	s.EachRestriction(func(purpose int, kind Restriction, v Vendors) {
		out += fmt.Sprintf(" restricted=%d/%d:%s", purpose, kind, ranges(&v))
	})
	if s.notes != 0 {
		out += fmt.Sprintf(" notes=%v", s.notes.Names())
	}
	return out
}

func ranges(v *Vendors) string {
	return strings.NewReplacer("[[", "", "]]", "", "],[", " ", ",", "-", "[]", "").Replace(string(v.AppendJSON(nil)))
}

// TestSpecification reads the examples that stand in the specification (TC String Format,
// and Full TC String passing), one of which has more bits than its fields.
func TestSpecification(t *testing.T) {
	const (
		disclosed = ".IFukWSQgAIQwgI0QEByFAAAAeIAACAIgSAAQAIAgEQACEABAAAAgAQFAEAIAAAGBAAgAAAAQAIFAAMCQAAgAAQiRAEQAAAAANAAIAAggAIYQFAAARmggBC3ZCYzU2yIA"
		allowed   = ".QFukWSQgAIQwgI0QEByFAAAAeIAACAIgSAAQAIAgEQACEABAAAAgAQFAEAIAAAGBAAgAAAAQAIFAAMCQAAgAAQiRAEQAAAAANAAIAAggAIYQFAAARmggBC3ZCYzU2yIA"
	)
	now := instant(t, "2026-11-28")
	for text, want := range map[string]string{
		"CLcVDxRMWfGmWAVAHCENAXCkAKDAADnAABRgA5mdfCKZuYJez-NQm0TBMYA4oCAAGQYIAAAAAAEAIAEgAA.argAC0gAAAAAAAAAAAA":                                                                       "policy_too_old expired old_without_disclosed_vendors",
		"COw4XqLOw4XqLAAAAAENAXCAAAAAAAAAAAAAAAAAAAAA" + disclosed + allowed + ".YAAAAAAAAAAAAAAAAAA":                                                                                  "policy_too_old not_service_specific expired trailing_bits allowed_vendors",
		"COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA.IFoEUQQgAIQwgIwQABAEAAAAOIAACAIAAAAQAIAgEAACEAAAAAgAQBAAAAAAAGBAAgAAAAAAAFAAECAAAgAAQARAEQAAAAAJAAIAAgAAAYQEAAAQmAgBC3ZAYzUw": "policy_too_old not_service_specific expired",
	} {
		var s String
		if err := s.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if v := s.Judge(now); strings.Join(v.Reasons.Names(), " ") != want || v.Valid {
			t.Errorf("%s: %v", text, v.Reasons.Names())
		}
	}
}

// TestTruncated: a string cut at any character cannot be read, or says what the whole
// says but for segments that are gone: the last characters of a segment may be padding.
func TestTruncated(t *testing.T) {
	var s String
	for _, v := range vectors(t) {
		var whole map[string]json.RawMessage
		if err := json.Unmarshal(v.TCF, &whole); err != nil {
			t.Fatal(err)
		}
		delete(whole, "restrictions") // in another order; the core is there whole or not at all
		for n := range len(v.String) {
			if s.Parse([]byte(v.String[:n])) != nil {
				continue
			}
			var cut map[string]json.RawMessage
			if err := json.Unmarshal(s.AppendJSON(nil), &cut); err != nil {
				t.Fatal(err)
			}
			for name, want := range whole {
				gone := string(cut[name]) == "null" && (name == "disclosed_vendors" || name == "publisher_tc")
				if !gone && string(cut[name]) != string(want) {
					t.Errorf("%s cut to %d: %s is %s, of the whole %s", v.String, n, name, cut[name], want)
				}
			}
		}
	}
}

func TestInterests(t *testing.T) {
	var s String
	s.LI, s.Publisher.LI, s.PolicyVersion = 1<<11-1, 1<<11-1, 4
	if s.PurposeLI() != 0b11111000010 || s.PublisherLI() != s.PurposeLI() {
		t.Errorf("policy 4: %b", s.PurposeLI())
	}
	if s.PolicyVersion = 3; s.PurposeLI() != 0b11111111110 {
		t.Errorf("policy 3: %b", s.PurposeLI())
	}
}

// TestHostile: strings as long as they may be, and full of what costs most.
func TestHostile(t *testing.T) {
	const room = bitstring.MaxText * 6
	head := len(core("0", "5", "1", noLI, "")) * 6
	overlapping := (room - head - 100) / (1 + 16 + 16)
	empty := (room - head - 100) / (6 + 2 + 12)
	for name, c := range map[string]struct{ text, has string }{
		"overlapping ranges": {
			core("0", "5", "1", noLI, fmt.Sprintf("16:65535 1:1 12:%d ", overlapping)+strings.Repeat("1:1 16:1 16:65535 ", overlapping)+"16:0 1:0 12:0"),
			`"vendor_consents":[[1,65535]]`,
		},
		"empty restrictions": {
			core("0", "5", "1", noLI, fmt.Sprintf("16:0 1:0 16:0 1:0 12:%d ", empty)+strings.Repeat("6:63 2:3 12:0 ", empty)),
			`{"purpose":63,"type":3,"vendors":[]}],"publisher_tc"`,
		},
		"a field of every second": {
			core("0", "5", "1", noLI, fmt.Sprintf("16:%d 1:0 ", room-head-100)+strings.Repeat("2:1 ", (room-head-100)/2)+"16:0 1:0 12:0"),
			`"vendor_consents":[[2,2],[4,4],[6,6],`,
		},
	} {
		if len(c.text) > bitstring.MaxText || len(c.text) < bitstring.MaxText-100 {
			t.Fatalf("%s: %d characters", name, len(c.text))
		}
		var s String
		if err := s.Parse([]byte(c.text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		out := s.AppendJSON(nil)
		if !bytes.Contains(out, []byte(c.has)) || !json.Valid(out) {
			t.Errorf("%s: no %s", name, c.has)
		}
		if len(out) > 50*len(c.text) {
			t.Errorf("%s: %d bytes out of %d", name, len(out), len(c.text))
		}
		s.Restriction(63, 1)
	}
}
