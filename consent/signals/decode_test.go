package signals

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"assent/consent/cmp"
)

// literals are the texts that stand in the source of the readers: an error says what is
// wrong in one of these words, and so nothing of the value.
func literals(t testing.TB) map[string]bool {
	t.Helper()
	out := map[string]bool{"longer than 8192 characters": true}
	for _, c := range "{:,'" {
		out["no "+strconv.QuoteRune(c)] = true
	}
	for _, dir := range []string{"../bitstring", "../tcf", "../gpp", "../cmp", "."} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					if text, err := strconv.Unquote(l.Value); err == nil {
						out[text] = true
					}
				}
				return true
			})
		}
	}
	return out
}

var errorForm = regexp.MustCompile(`^(?:tcfeuv2: )?(.+), at (?:bit|byte) \d+$`)

// decoded is what is common to all answers.
type decoded struct {
	Kind    string
	Valid   *bool
	Reasons []string
	Error   string
}

// checkDecode holds one answer to what docs/signals.md says of all.
func checkDecode(t *testing.T, words map[string]bool, d *Decoder, line []byte) {
	was := bytes.Clone(line)
	out, valid := d.AppendJSON([]byte("before\n"), line, now)
	again, _ := new(Decoder).AppendJSON([]byte("before\n"), line, now)
	if !bytes.Equal(was, line) {
		t.Errorf("%q: the line was written over", was)
	}
	if !bytes.Equal(out, again) {
		t.Errorf("%q: a Decoder that has read others says\n%s\nand a new one\n%s", line, out, again)
	}
	out, ok := bytes.CutPrefix(out, []byte("before\n"))
	if !ok || bytes.ContainsAny(out, "\n\r") || !json.Valid(out) {
		t.Fatalf("%q: not one line of JSON: %q", line, out)
	}
	var a decoded
	var members map[string]json.RawMessage
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &members); err != nil {
		t.Fatal(err)
	}
	if a.Valid == nil || *a.Valid != valid {
		t.Errorf("%q: valid is %v, and it said %v", line, a.Valid, valid)
	}
	if cmp.KindOf(a.Kind) == cmp.Unknown && a.Kind != "unknown" {
		t.Errorf("%q: no kind %q", line, a.Kind)
	}
	if _, failed := members["error"]; failed {
		m := errorForm.FindStringSubmatch(a.Error)
		if valid || len(members) != 3 || m == nil || !words[m[1]] {
			t.Errorf("%q: %s", line, out)
		}
		return
	}
	if len(members) != 4 || a.Reasons == nil || len(members[a.Kind]) < 2 || members[a.Kind][0] != '{' {
		t.Errorf("%q: %s", line, out)
	}
	if !valid && len(a.Reasons) == 0 {
		t.Errorf("%q: not valid, for no reason: %s", line, out)
	}
}

// seeds are lines of every kind, whole and spoilt.
func seeds(t testing.TB) (out []string) {
	t.Helper()
	_, r := market(t)
	for p, good := range allowing(t, r) {
		out = append(out, string(good), p.Name+"="+string(good))
		for _, v := range damaged(p, good) {
			if len(v) < 20<<10 {
				out = append(out, p.Name+"="+string(v))
			}
		}
	}
	for _, name := range []string{"../tcf/testdata/vectors.ndjson", "../gpp/testdata/vectors.ndjson"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		for line := range strings.Lines(string(text)) {
			var v struct{ String, GPP string }
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			if i++; i%10 == 0 {
				out = append(out, v.String+v.GPP)
			}
		}
	}
	for k := cmp.Unknown; k.String() != "cookieinformation"; k++ {
		for _, v := range []string{"", "1", "{}", "[]", "null", `{"a":`, "a:1", "a=b", "\x00", "\xff", "%", "{stamp:'", "=", "{\u2028", "\"\\", strings.Repeat("[", 40)} {
			out = append(out, k.String()+"="+v)
		}
	}
	slices.Sort(out)
	return append(out, "cmplz_banner-status=dismissed; cmplz_marketing=allow", `_iub_cs-1={"timestamp":"2026-02-05T15:40:00.391Z","purposes":{"1":true}}`,
		`usercentrics={"consent":{"type":"EXPLICIT"},"services":{"a\n\u007f":{"consent":{"given":true}}}}`)
}

func TestDecode(t *testing.T) {
	words, d := literals(t), &Decoder{}
	for _, line := range seeds(t) {
		checkDecode(t, words, d, []byte(line))
	}
}

// FuzzDecode: whatever the line, the answer is one line of valid JSON of a known kind, an
// invalid one says why, and an error holds nothing of the value.
func FuzzDecode(f *testing.F) {
	for _, line := range seeds(f) {
		f.Add([]byte(line))
	}
	words, d := literals(f), &Decoder{}
	f.Fuzz(func(t *testing.T, line []byte) { checkDecode(t, words, d, line) })
}
