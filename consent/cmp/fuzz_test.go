package cmp

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// lines are the inputs of the golden files and the values of the packages.
func lines(tb testing.TB) (out []string) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, v := range vectors(tb) {
		out = append(out, v.Kind+"="+v.Value)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		for l := range strings.Lines(string(text)) {
			if !strings.HasPrefix(l, "#") && !strings.HasPrefix(l, `{"kind"`) {
				out = append(out, strings.TrimSuffix(l, "\n"))
			}
		}
	}
	return append(out,
		"", "\x00", "%", "%0", "%00", "=", "====", strings.Repeat("A", 5), strings.Repeat("\x00", 100),
		strings.Repeat("a:1,", 300), "groups="+strings.Repeat("a:1,", 300), strings.Repeat("[", 40), "{\"\\u006", "\"\\",
		"{\"a\":1e5,\"b\":-0.5E+2,\"c\":01}", "CookieConsent={stamp:'", "\xff\xfe", "{}", " { } ", "cc_cookie="+strings.Repeat("9", MaxText),
		"klaro={"+strings.Repeat(`"a":true,`, 10)+`"\ud83d\ude00":true,"\ud83d":1}`,
		`axeptio_cookies={"$$completed":true,"$":true,"$$":true,"*":true}`,
		`usercentrics={"services":{"":{"consent":{"given":true}}}}`, `iubenda={"purposes":{"":null}}`,
		"c15t=c.a.b:1,i.t.x:1,c.:1,.a:1,c.a:1,c.a:0", "cmplz_marketing=allow; cmplz_marketing=deny")
}

// check holds what is true of every value of every kind: it is neither written to nor
// kept, nothing is left of the value before, the JSON is JSON, and a value that cannot be
// read grants nothing.
func check(t *testing.T, r *Reading, k Kind, value, beside string) error {
	t.Helper()
	mine, second := []byte(value), []byte(beside)
	err := r.Read(k, mine, second)
	if string(mine) != value || string(second) != beside {
		t.Fatal("the value was written to")
	}
	clear(mine)
	if err != nil && (len(r.Words) > 0 || !r.Made.IsZero() || r.Judge(now).Valid || r.Judge(now).Choice) {
		t.Fatalf("%s: %q says something", k, value)
	}
	var fresh Reading
	if again := fresh.Read(k, []byte(value), []byte(beside)); (again == nil) != (err == nil) {
		t.Fatalf("%s: %q: %v, then %v", k, value, err, again)
	}
	got, want := r.AppendJSON(nil), fresh.AppendJSON(nil)
	if !bytes.Equal(got, want) || r.Judge(now) != fresh.Judge(now) {
		t.Fatalf("%s: %q: %s, fresh %s", k, value, got, want)
	}
	if !json.Valid(got) || !json.Valid(r.Judge(now).Reasons.AppendJSON(nil)) {
		t.Fatalf("%s: %q: no JSON: %s", k, value, got)
	}
	return err
}

var forms = map[Kind]Form{
	CookieConsent: formCookieConsent, Didomi: formDidomi, CookieYes: formCookieYes, Complianz: formComplianz,
	Iubenda: formIubenda, Usercentrics: formUsercentrics, C15t: formC15t, Klaro: formKlaro,
	Tarteaucitron: formTarteaucitron, Axeptio: formAxeptio, CookieInformation: formCookieInformation,
}

// FuzzForm holds every preset to its form, read slowly.
func FuzzForm(f *testing.F) {
	for _, l := range lines(f) {
		k, value, _ := Detect([]byte(l))
		f.Add(uint8(k), string(value))
	}
	var r Reading
	f.Fuzz(func(t *testing.T, kind uint8, value string) {
		k := CookieConsent + Kind(kind)%(kinds-CookieConsent)
		if kind >= uint8(CookieConsent) && kind < uint8(kinds) {
			k = Kind(kind)
		}
		err := check(t, &r, k, value, "")
		want, ok := readTwin(forms[k], value)
		if ok != (err == nil) {
			t.Fatalf("%s: %q: %v, the twin reads: %v", k, value, err, ok)
		}
		if !ok {
			return
		}
		if len(r.Words) != len(want.words) || !r.Made.Equal(want.made) || r.facts.Has(NoChoice) == want.chosen {
			t.Fatalf("%s: %q: %s, want %v", k, value, r.AppendJSON(nil), want)
		}
		for _, w := range r.Words {
			if s, ok := want.words[[2]string{w.Of, string(w.Text)}]; !ok || s != w.Said {
				t.Fatalf("%s: %q: %q is %s", k, value, w.Text, w.Said)
			}
		}
	})
}

// FuzzOneTrust holds the cookie to net/url and strings.Split.
func FuzzOneTrust(f *testing.F) {
	for _, l := range lines(f) {
		_, value, beside := Detect([]byte(l))
		f.Add(string(value), string(beside))
	}
	var r Reading
	f.Fuzz(func(t *testing.T, value, beside string) {
		err := check(t, &r, OneTrust, value, beside)
		want := newTwin(Form{})
		ok := read(func() {
			refuse(len(value) > MaxText)
			plainText(value)
			for _, entry := range strings.Split(value, "&") {
				key, v, ok := strings.Cut(entry, "=")
				refuse(!ok)
				switch key {
				case "groups", "datestamp", "version", "consentId", "interactionCount", "isGpcEnabled":
				default:
					continue
				}
				refuse(want.seen[key])
				want.seen[key] = true
				v, err := url.QueryUnescape(v)
				refuse(err != nil)
				plainText(v)
				refuse(key == "interactionCount" && !number.MatchString(v))
				if key != "groups" || v == "" {
					continue
				}
				for _, g := range strings.Split(v, ",") {
					i := strings.LastIndex(g, ":")
					refuse(i < 0)
					want.add("groups", g[:i], map[string]Said{"1": Granted, "0": Denied}[g[i+1:]])
				}
			}
			refuse(!want.seen["groups"])
		})
		if ok != (err == nil) {
			t.Fatalf("%q: %v, the twin reads: %v", value, err, ok)
		}
		if !ok {
			return
		}
		if len(r.Words) != len(want.words) {
			t.Fatalf("%q: %s", value, r.AppendJSON(nil))
		}
		for _, w := range r.Words {
			if want.words[[2]string{"groups", string(w.Text)}] != w.Said {
				t.Fatalf("%q: %q is %s", value, w.Text, w.Said)
			}
		}
		closed, err := url.PathUnescape(beside)
		made, answered := slowInstant(closed)
		answered = answered && err == nil && len(beside) <= maxBeside
		if r.facts.Has(NoChoice) == answered || answered && !made.Equal(r.Made) || !answered && !r.Made.IsZero() {
			t.Fatalf("%q: answered %v, made %v", beside, answered, r.Made)
		}
	})
}

var (
	number  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	object  = regexp.MustCompile(`^\{` + element + `(,` + element + `)*\}$`)
	element = `([A-Za-z0-9_]+):('[^'\\]*'|[A-Za-z0-9_.-]+)`
	each    = regexp.MustCompile(element)
)

// FuzzCookiebot holds the cookie to a regular expression.
func FuzzCookiebot(f *testing.F) {
	for _, l := range lines(f) {
		_, value, _ := Detect([]byte(l))
		f.Add(string(value))
	}
	var r Reading
	f.Fuzz(func(t *testing.T, value string) {
		err := check(t, &r, Cookiebot, value, "")
		want := newTwin(Form{})
		chosen := true
		ok := read(func() {
			refuse(len(value) > MaxText)
			text, err := url.PathUnescape(value)
			refuse(err != nil)
			plainText(text)
			if text == "0" || text == "-1" {
				chosen = false
				return
			}
			refuse(!object.MatchString(text))
			said := map[string]string{}
			for _, m := range each.FindAllStringSubmatch(text[1:], -1) {
				name, v := m[1], m[2]
				str := v[0] == '\''
				refuse(!str && v != "true" && v != "false" && !number.MatchString(v))
				switch name {
				case "necessary", "preferences", "statistics", "marketing", "unclassified":
					refuse(v != "true" && v != "false")
					want.add("", name, map[string]Said{"true": Granted, "false": Denied}[v])
				case "stamp", "method", "region":
					refuse(!str)
				case "ver", "utc":
					refuse(!number.MatchString(v))
					if name == "utc" {
						var ok bool
						want.made, ok = slowInstant(v)
						refuse(!ok)
					}
				default:
					continue
				}
				_, twice := said[name]
				refuse(twice)
				said[name] = v
			}
			stamp := said["stamp"]
			chosen = said["method"] == "'explicit'" && stamp != "" && stamp != "''" && stamp != "'0'" && stamp != "'-1'"
		})
		if ok != (err == nil) {
			t.Fatalf("%q: %v, the twin reads: %v", value, err, ok)
		}
		if !ok {
			return
		}
		if len(r.Words) != len(want.words) || !r.Made.Equal(want.made) || r.Judge(now).Choice != (chosen && len(r.Words) > 0) {
			t.Fatalf("%q: %s, want %v, chosen %v", value, r.AppendJSON(nil), want, chosen)
		}
		for _, w := range r.Words {
			if want.words[[2]string{"", string(w.Text)}] != w.Said {
				t.Fatalf("%q: %q is %s", value, w.Text, w.Said)
			}
		}
	})
}

var flags = map[Kind]*regexp.Regexp{
	USPrivacy: regexp.MustCompile(`^1[YN-]{3}$`), GCS: regexp.MustCompile(`^G[0-9][01-]{2}$`), GCD: regexp.MustCompile(`^1[0-9]?([a-z][0-9]){4,}$`),
	UET: regexp.MustCompile(`^[GD]$`), ATT: regexp.MustCompile(`^[0-3]$`), LMT: regexp.MustCompile(`^(1|true|yes|0|false|no)$`),
	LAT: regexp.MustCompile(`^(1|true|yes|0|false|no)$`), AdTracking: regexp.MustCompile(`^(1|true|yes|0|false|no)$`),
	IFAType: regexp.MustCompile(`^(idfa|aaid|rida|tifa|afai|vida|lgudid|msai|dpid|ppid|sspid|sessionid)$`),
}

var grants = map[Kind]*regexp.Regexp{
	USPrivacy: regexp.MustCompile(`^1YN`), GCS: regexp.MustCompile(`^G.(1.|.1)$`), GCD: regexp.MustCompile(`^1[0-9]?([a-z].){0,3}[trnv]`),
	UET: regexp.MustCompile(`G`), ATT: regexp.MustCompile(`3`), LMT: regexp.MustCompile(`^(0|false|no)$`), LAT: regexp.MustCompile(`^(0|false|no)$`),
	AdTracking: regexp.MustCompile(`^(1|true|yes)$`), IFAType: regexp.MustCompile(`^(idfa|aaid|rida|tifa|afai|vida|lgudid|msai)$`),
}

// FuzzFlag: what is read is what its expression says, and nothing else; a grant stands
// where the vocabulary has its letter for one.
func FuzzFlag(f *testing.F) {
	for _, l := range lines(f) {
		k, value, _ := Detect([]byte(l))
		f.Add(uint8(k), string(value))
	}
	var r Reading
	f.Fuzz(func(t *testing.T, kind uint8, value string) {
		k := Kind(kind) % kinds
		re := flags[k]
		if re == nil {
			return
		}
		err := check(t, &r, k, value, "")
		ok := len(value) <= MaxText && re.MatchString(value)
		if ok != (err == nil) {
			t.Fatalf("%s: %q: %v", k, value, err)
		}
		granted := false
		for _, w := range r.Words {
			granted = granted || w.Said == Granted
		}
		if want := ok && grants[k].MatchString(value); granted != want {
			t.Fatalf("%s: %q grants: %v", k, value, granted)
		}
	})
}

// FuzzDetect: a line of any kind, told and read, is a line of JSON; what was taken off
// was its name.
func FuzzDetect(f *testing.F) {
	for _, l := range lines(f) {
		f.Add(l)
	}
	var r Reading
	f.Fuzz(func(t *testing.T, line string) {
		k, value, beside := Detect([]byte(line))
		if !strings.HasSuffix(line, string(value)) && !strings.HasSuffix(line, string(value)+besideOneTrust+string(beside)) {
			t.Fatalf("%q: value %q, beside %q", line, value, beside)
		}
		if k >= kinds || KindOf(k.String()) != k {
			t.Fatalf("%q: kind %d", line, k)
		}
		if again, v, _ := Detect([]byte(k.String() + "=" + string(value))); k != Unknown && k != Complianz && (again != k || string(v) != string(value)) {
			t.Fatalf("%q: by its own name %s", line, again)
		}
		check(t, &r, k, string(value), string(beside))
		if got := decoded(line); !json.Valid([]byte(got)) {
			t.Fatalf("%q: %s", line, got)
		}
	})
}

// TestTruncated: the beginning of a value that is JSON is none, and no beginning of any
// value panics.
func TestTruncated(t *testing.T) {
	var r, whole Reading
	for _, l := range lines(t) {
		k, value, beside := Detect([]byte(l))
		err := whole.Read(k, value, beside)
		for i := range min(len(value), 2000) {
			check(t, &r, k, string(value[:i]), string(beside))
			if err != nil || table[k].form == nil || table[k].form.pairs[0] != "" || k == Didomi {
				continue
			}
			if r.Read(k, value[:i], beside) == nil {
				t.Errorf("%s: %s reads", k, strconv.Quote(string(value[:i])))
			}
		}
	}
}
