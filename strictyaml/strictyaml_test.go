package strictyaml

import (
	"errors"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) *Node {
	t.Helper()
	docs, wrong := Parse([]byte(text), true)
	if wrong != nil || len(docs) != 1 {
		t.Fatalf("%q: %d documents, %v", text, len(docs), wrong)
	}
	return docs[0]
}

// TestParsePlaces: what each value is, and where it begins.
func TestParsePlaces(t *testing.T) {
	root := parse(t, "\ufeffa:\n  b: [x, 'y']\n  c: &n 5\nd: *n\ne: *none\nf: !!str 1\ng:\n<<: 1\n? h\n: true\n")
	f := func(path string, kind Kind, text string, line, column int) {
		t.Helper()
		n := root.At(path)
		if n == nil || n.Kind != kind || n.Text != text || n.Pos != (Pos{line, column}) {
			t.Errorf("%s: %+v", path, n)
		}
	}
	f("$", Table, "", 1, 1)
	f("$.a", Table, "", 2, 3)
	f("$.a.b", List, "", 2, 6)
	f("$.a.b[1]", Scalar, "y", 2, 10)
	f("$.a.c", Scalar, "5", 3, 9)
	f("$.d", Scalar, "5", 3, 9)
	f("$.e", Alias, "none", 5, 4)
	f("$.f", Tagged, "", 6, 4)
	f("$.g", Null, "", 7, 3)
	f("$.h", Scalar, "true", 10, 3)
	for _, path := range []string{"$.a.b[2]", "$.a.b.x", "$.z", "$.d.z", "$.a[0]"} {
		if n := root.At(path); n != nil {
			t.Errorf("%s: %+v", path, n)
		}
	}
	if (*Node)(nil).At("$.a") != nil {
		t.Error("nothing has a value")
	}
	if b := root.At("$.a.b"); b.Items[0].Plain != true || b.Items[1].Plain != false {
		t.Error("quotes are not seen")
	}
}

// TestParseRefuses: a syntax error has its place and no excerpt of the document.
func TestParseRefuses(t *testing.T) {
	f := func(text string, repeats bool, want Problem) {
		t.Helper()
		if _, wrong := Parse([]byte(text), repeats); wrong == nil || *wrong != want {
			t.Errorf("%q: %+v, want %+v", text, wrong, want)
		}
	}
	f("a: 1\na: canary\n", false, Problem{Line: 2, Column: 1, Message: `mapping key "a" already defined at [1:1]`})
	f("a: [canary\n", true, Problem{Line: 1, Column: 4, Message: "sequence end token ']' not found"})
	root := parse(t, "a: 1\na: 2\n")
	r := Report{File: "f"}
	root.Entries(&r, "it", func(key, value *Node) {})
	if got := r.Sorted().Error(); got != `f:2:1: it: "a" is already in line 1: keep one` {
		t.Error(got)
	}
}

// TestExcess: nesting of each form and entries beyond reason are seen before parsing.
func TestExcess(t *testing.T) {
	deep := strings.Repeat("[", 40)
	lines := ""
	for i := range 40 {
		lines += strings.Repeat(" ", i) + "a:\n"
	}
	for text, want := range map[string]error{
		deep: ErrDeep, lines: ErrDeep, strings.Repeat("- ", 40): ErrDeep,
		strings.Repeat("a: 1\n", maxEntries+1): errMany,
		strings.Repeat("a: 1\n", 100):          nil, "": nil,
	} {
		if _, err := Excess([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.20q…: %v, want %v", text, err, want)
		}
	}
}

// TestProblem: with a place, with a path, with neither.
func TestProblem(t *testing.T) {
	for want, p := range map[string]Problem{
		"f:1:2: wrong":        {File: "f", Line: 1, Column: 2, Message: "wrong"},
		"f:1:2: $.a.b: wrong": {File: "f", Line: 1, Column: 2, Path: "$.a.b", Message: "wrong"},
		"a.b: wrong":          {File: "f", Path: "$.a.b", Message: "wrong"},
		"wrong":               {Message: "wrong"},
	} {
		if got := p.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for name, want := range map[string]string{"lisen": `; did you mean "listen"?`, "LISTEN": `; did you mean "listen"?`, "zebra": "", "": ""} {
		if got := DidYouMean(name, []string{"listen", "data_directory"}); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
