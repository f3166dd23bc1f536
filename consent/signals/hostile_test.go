package signals

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"assent/consent"
)

// allowing are values that allow something and deny nothing, one for each place that can:
// the first of each in testdata/verdicts.txt.
func allowing(t testing.TB, r *Reader) map[*Place][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[*Place][]byte{}
	for line := range strings.Lines(string(text)) {
		for _, p := range table {
			v, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), p.String()+": ")
			if !ok || out[p] != nil || p.read == nil {
				continue
			}
			if a := r.verdict(p, value(v), answeredAt, now); a.Allowed != 0 && !a.Unreadable {
				out[p] = value(v)
			}
		}
	}
	for _, p := range table {
		if out[p] == nil && p.read != nil && p.Scheme != consent.GPC {
			t.Errorf("no value of %s allows anything", p)
		}
	}
	return out
}

// answeredAt stands beside OptanonConsent.
var answeredAt = []byte("2026-11-21T07:20:51.814Z")

// longer are the ends by which values of a scheme can be made longer and stay well formed.
var longer = map[consent.Scheme]string{
	consent.TCF: ".oAAA", consent.GPP: ".AAAA", consent.OneTrust: "&x=x", consent.CookieYes: ",x:x", consent.C15t: ",x:x", consent.Tarteaucitron: "!x=x",
	consent.CookieConsent: " ", consent.Klaro: " ", consent.Axeptio: " ", consent.CookieInformation: " ",
}

// free are schemes whose values are entries of a key and a value, of which only known ones
// are read. odd is damage that there can be an entry of nobody's concern, or a repetition.
var free = consent.SchemeSet(0).With(consent.OneTrust).With(consent.CookieYes).With(consent.C15t).With(consent.Tarteaucitron)

var odd = []string{"an encoded NUL before", "padded", "standard alphabet", "a standard character", "twice, one behind the other", "a line and what it would hide"}

// damaged are values that nobody may be allowed anything by, made of one that allows.
func damaged(p *Place, good []byte) map[string][]byte {
	all := func(format string, times int) (out []byte) {
		out = good
		for range times {
			was := out
			out = nil
			for _, c := range was {
				out = fmt.Appendf(out, format, c)
			}
		}
		return out
	}
	// In an event, a string's text; its quotes stay where they are.
	wrap := func(damage func(text []byte) []byte) []byte {
		if p.In == Event && good[0] == '"' {
			return append(append([]byte{'"'}, damage(good[1:len(good)-1])...), '"')
		}
		return damage(bytes.Clone(good))
	}
	out := map[string][]byte{
		"longer than 8 KiB":             wrap(func(v []byte) []byte { return append(v, bytes.Repeat([]byte{'A'}, 9<<10)...) }),
		"longer than 8 KiB, before":     wrap(func(v []byte) []byte { return append(bytes.Repeat([]byte{'A'}, 9<<10), v...) }),
		"megabytes of zeros":            wrap(func([]byte) []byte { return bytes.Repeat([]byte{'0'}, 5<<20) }),
		"megabytes of zero bits":        wrap(func([]byte) []byte { return bytes.Repeat([]byte{'A'}, 5<<20) }),
		"megabytes of NUL":              wrap(func([]byte) []byte { return make([]byte, 5<<20) }),
		"nothing":                       {},
		"NUL before":                    wrap(func(v []byte) []byte { return append([]byte{0}, v...) }),
		"NUL behind":                    wrap(func(v []byte) []byte { return append(v, 0) }),
		"an encoded NUL before":         wrap(func(v []byte) []byte { return append([]byte("%00"), v...) }),
		"percent-encoded twice":         all("%%%02X", 2),
		"percent-encoded three times":   all("%%%02x", 3),
		"base64 of it":                  []byte(base64.StdEncoding.EncodeToString(good) + "="),
		"padded":                        wrap(func(v []byte) []byte { return append(v, "==="...) }),
		"standard alphabet":             wrap(func(v []byte) []byte { return append([]byte("+/"), v...) }),
		"a standard character":          wrap(func(v []byte) []byte { return append(v, '+') }),
		"deep arrays":                   bytes.Repeat([]byte{'['}, 100_000),
		"deep objects":                  bytes.Repeat([]byte(`{"x":`), 100_000),
		"deep, and closed":              append(bytes.Repeat([]byte{'['}, 5000), bytes.Repeat([]byte{']'}, 5000)...),
		"no UTF-8":                      wrap(func(v []byte) []byte { return append(v, 0xff) }),
		"a UTF-16 surrogate":            wrap(func(v []byte) []byte { return append([]byte{0xed, 0xa0, 0x80}, v...) }),
		"twice, one behind the other":   append(bytes.Clone(good), good...),
		"a line and what it would hide": wrap(func(v []byte) []byte { return append(append(v, "\r\n"...), v...) }),
	}
	if end := longer[p.Scheme]; end != "" && p.In != Event {
		out["longer than 8 KiB, well formed"] = append(bytes.Clone(good), strings.Repeat(end, 9<<10/len(end))...)
	}
	return out
}

// TestHostile: at every place, a value that allows and is damaged allows nothing.
func TestHostile(t *testing.T) {
	_, r := market(t)
	for p, good := range allowing(t, r) {
		for what, v := range damaged(p, good) {
			if free.Has(p.Scheme) && slices.Contains(odd, what) {
				continue // below: no more than without
			}
			if a := r.verdict(p, v, answeredAt, now); a.Allowed != 0 && !a.Unreadable {
				t.Errorf("%s: %s: %.80q allows %b", p, what, v, a.Allowed)
			}
		}
		// With a byte too many at any place, or one too few at the end, it allows no more.
		whole := r.verdict(p, good, answeredAt, now).Allowed
		for what, v := range damaged(p, good) {
			if a := r.verdict(p, v, answeredAt, now); a.Allowed&^whole != 0 {
				t.Errorf("%s: %s: %.80q allows %b", p, what, v, a.Allowed)
			}
		}
		for i := range len(good) + 1 {
			for _, c := range []string{"", "\x00", "=", "+", "%", "A", "\xff"} {
				v := append(append(bytes.Clone(good[:i]), c...), good[i:]...)
				if c == "" {
					v = good[:i]
				}
				if a := r.verdict(p, v, answeredAt, now); !a.Unreadable && a.Allowed&^whole != 0 {
					t.Errorf("%s: %q allows %b", p, v, a.Allowed)
				} else if c == "\x00" && a.Allowed != 0 {
					t.Errorf("%s: %q allows in spite of a NUL", p, v)
				}
			}
		}
	}
}

// TestManyOfOneName: of 200 values at one place, one that denies or cannot be read is
// enough, wherever it stands.
func TestManyOfOneName(t *testing.T) {
	p, r := market(t)
	for place, good := range allowing(t, r) {
		for _, at := range []int{0, 100, 199} {
			came := []Carried{{At(Cookie, "OptanonAlertBoxClosed"), answeredAt}}
			for range 200 {
				came = append(came, Carried{place, good})
			}
			var all, but consent.Signals
			r.Read(came, now, &all)
			came[1+at].Value = []byte("\x00")
			r.Read(came, now, &but)
			if all.Unreadable != 0 || but.Unreadable == 0 {
				t.Errorf("%s: unreadable %s; with one of 200 that is, %s", place, all.Unreadable, but.Unreadable)
			}
			if res := consent.Resolve(consent.Rules{}, consent.Fold(p, nil), &but, now, now); !res.Unreadable || res.Granted != 0 {
				t.Errorf("%s: %+v", place, res)
			}
		}
	}
}
