package gpp

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestHand holds the strings that no library writes to testdata/hand.txt, which says how
// to read it.
func TestHand(t *testing.T) {
	const file = "testdata/hand.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cases := 0
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "> "):
			cases++
			out.WriteString(line + told(spell(t, strings.TrimSuffix(line[2:], "\n"))))
		case !strings.HasPrefix(line, "\t"):
			out.WriteString(line)
		}
	}
	if cases < 60 {
		t.Errorf("only %d cases", cases)
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if out.String() != string(text) {
		was, is := strings.Split(string(text), "\n"), strings.Split(out.String(), "\n")
		i := 0
		for i < len(was)-1 && i < len(is)-1 && was[i] == is[i] {
			i++
		}
		t.Errorf("%s:%d: is now\n%s\nwas\n%s\nrun go test -update and look at the difference", file, i+1, is[i], was[i])
	}
}

// spell makes a GPP string: words of 0 and 1 are bits, joined up to a delimiter and
// filled with zeros to 6; "quoted" words are Go strings; sec:7,9 is the header of these ids.
func spell(t testing.TB, line string) []byte {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var out []byte
	bits := ""
	flush := func() {
		for bits != "" {
			for len(bits)%6 != 0 {
				bits += "0"
			}
			var v int
			fmt.Sscanf(bits[:6], "%b", &v)
			out, bits = append(out, alphabet[v]), bits[6:]
		}
	}
	for _, word := range strings.Fields(line) {
		switch {
		case strings.Trim(word, "01") == "":
			bits += word
		case strings.HasPrefix(word, "sec:"):
			ids := strings.Split(word[4:], ",")
			bits += fmt.Sprintf("000011000001%012b", len(ids))
			last := 0
			for _, digits := range ids {
				var id int
				fmt.Sscan(digits, &id)
				bits += "0" + code(id-last)
				last = id
			}
		case word[0] == '"':
			flush()
			var s string
			if _, err := fmt.Sscanf(word, "%q", &s); err != nil {
				t.Fatalf("%s: %v", word, err)
			}
			out = append(out, s...)
		default: // ~ and .
			flush()
			out = append(out, word...)
		}
	}
	flush()
	return out
}

// code is the Fibonacci code of a number, from the definition.
func code(n int) string {
	places := []int{1, 2}
	for places[len(places)-1] <= n {
		places = append(places, places[len(places)-1]+places[len(places)-2])
	}
	digits := ""
	for i := len(places) - 1; i >= 0; i-- {
		digit := "0"
		if places[i] <= n {
			digit, n = "1", n-places[i]
		}
		digits = digit + digits
	}
	return strings.TrimRight(digits, "0") + "1"
}

// told is what there is to say of a text, in indented lines.
func told(text []byte) string {
	var s String
	var out strings.Builder
	if len(text) < 60 {
		fmt.Fprintf(&out, "\t%+q\n", text)
	}
	if err := Parse(&s, text); err != nil {
		fmt.Fprintf(&out, "\terror: %v\n", err)
		return out.String()
	}
	fmt.Fprintf(&out, "\tvalid: %v\n", s.Valid())
	for i := range s.Sections() {
		sec := &s.Sections()[i]
		fmt.Fprintf(&out, "\t%d: %s", sec.ID(), statusNames[sec.Status()])
		if reason := sec.Reason(); reason != "" {
			fmt.Fprintf(&out, " (%s)", reason)
		}
		if u, ok := sec.US(); ok {
			fmt.Fprintf(&out, ", sale %s, sharing %s, ads %s, child %s, personal data %s", choiceNames[u.SaleOptOut], choiceNames[u.SharingOptOut],
				choiceNames[u.TargetedAdvertisingOptOut], choiceNames[u.KnownChild], choiceNames[u.PersonalData])
			fmt.Fprintf(&out, ", sensitive %b of %b, GPC %v, notice missing %v", u.SensitiveDenied, u.SensitiveAsked, u.GPC, u.NoticeMissing)
		}
		if c, ok := s.Canada(); ok && sec.ID() == tcfCA {
			fmt.Fprintf(&out, ", express %b, implied %b, features %b, publisher %v: %b, %b", c.Express, c.Implied, c.SpecialFeatures,
				c.Publisher, c.PubExpress, c.PubImplied)
		}
		out.WriteByte('\n')
	}
	if json, err := AppendJSON(nil, &s); err != nil {
		fmt.Fprintf(&out, "\tno JSON: %v\n", err)
	} else if line := strings.NewReplacer("true", "1", "false", "0").Replace(string(json)); len(line) < 1200 {
		fmt.Fprintf(&out, "\t%s\n", line)
	}
	return out.String()
}

var (
	statusNames = [...]string{Unknown: "unknown", Undefined: "undefined", Defined: "defined", Text: "text"}
	choiceNames = [...]string{Unsaid: "unsaid", Denied: "denied", Allowed: "allowed"}
)
