package cmp

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite golden files")

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// decoded is a line as assent decode shows it.
func decoded(line string) string {
	k, value, beside := Detect([]byte(line))
	dst := appendQuoted([]byte(`{"kind":`), k.String())
	var r Reading
	if err := r.Read(k, value, beside); err != nil {
		return string(append(appendQuoted(append(dst, `,"valid":false,"error":`...), err.Error()), '}'))
	}
	v := r.Judge(now)
	dst = append(dst, `,"valid":`...)
	dst = append(dst, map[bool]string{true: "true", false: "false"}[v.Valid]...)
	dst = v.Reasons.AppendJSON(append(dst, `,"reasons":`...))
	dst = append(appendQuoted(append(dst, ','), k.String()), ':')
	return string(append(r.AppendJSON(dst), '}'))
}

// TestDecode holds lines to what is decoded: after each line of a golden file stands its
// answer. Lines that begin with # are remarks.
func TestDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		line := ""
		for l := range strings.Lines(string(text)) {
			l = strings.TrimSuffix(l, "\n")
			switch {
			case l == "" || strings.HasPrefix(l, "#"):
			case line == "":
				line = l
			default:
				got := decoded(line)
				if got != l && !*update {
					t.Errorf("%s: %s\n got %s\nwant %s", name, line, got, l)
				}
				if !json.Valid([]byte(got)) {
					t.Errorf("%s: no JSON: %s", line, got)
				}
				k, _, _ := Detect([]byte(line))
				seen[k.String()] = true
				line, l = "", got
			}
			out = append(out, l)
		}
		if line != "" {
			t.Errorf("%s: no answer after %s", name, line)
		}
		if *update {
			if err := os.WriteFile(name, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k := range kinds {
		if !seen[k.String()] {
			t.Errorf("no line of kind %s", k)
		}
	}
}

// TestDocs holds the examples of docs/signals.md, and that it has every kind and reason.
func TestDocs(t *testing.T) {
	const name = "../../docs/signals.md"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	sections := map[string]int{}
	section, line, fenced := "", "", false
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSuffix(l, "\n")
		switch {
		case strings.HasPrefix(l, "## "):
			section = l[3:]
			sections[section]++
		case strings.HasPrefix(l, "```"):
			fenced = !fenced && KindOf(section) > GPP
		case fenced && line == "":
			line = l
		case fenced:
			if got := decoded(line); got != l && !*update {
				t.Errorf("%s: %s\n got %s\nwant %s", name, line, got, l)
			} else {
				l = got
			}
			if k, _, _ := Detect([]byte(line)); k.String() != section {
				t.Errorf("%s: %s is of kind %s", section, line, k)
			}
			line = ""
		}
		out = append(out, l)
	}
	if *update {
		if err := os.WriteFile(name, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for k := TCF; k < kinds; k++ {
		if sections[k.String()] != 1 {
			t.Errorf("%s: %d sections %s", name, sections[k.String()], k)
		}
	}
	for r := range reasons {
		if !bytes.Contains(text, []byte("| `"+r.String()+"` |")) {
			t.Errorf("%s: reason %s is missing", name, r)
		}
	}
}

// vector is a cookie that a package wrote, and what it reads back.
type vector struct {
	Kind, Value string
	Lists       map[string]map[string]string
	Made        int64
	Chosen      bool
}

// vectors are those of testdata/packages.ndjson: see testdata/gen.
func vectors(tb testing.TB) (out []vector) {
	text, err := os.ReadFile("testdata/packages.ndjson")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			tb.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// TestPackages holds what is read of real cookies to what the packages that wrote them
// read back themselves.
func TestPackages(t *testing.T) {
	seen := map[string]int{}
	var r Reading
	for _, v := range vectors(t) {
		seen[v.Kind]++
		if err := r.Read(KindOf(v.Kind), []byte(v.Value), nil); err != nil {
			t.Errorf("%s: %v", v.Value, err)
			continue
		}
		want := 0
		for _, words := range v.Lists {
			want += len(words)
		}
		if len(r.Words) != want {
			t.Errorf("%s: %d words, want %d", v.Value, len(r.Words), want)
		}
		for _, w := range r.Words {
			if v.Lists[w.Of][string(w.Text)] != w.Said.String() {
				t.Errorf("%s: %s of %s is %s", v.Value, w.Text, w.Of, w.Said)
			}
		}
		if made := r.Made.UnixMilli(); v.Made != 0 && made != v.Made || v.Made == 0 && !r.Made.IsZero() {
			t.Errorf("%s: made %v", v.Value, r.Made)
		}
		if verdict := r.Judge(now); verdict.Choice != v.Chosen {
			t.Errorf("%s: %+v", v.Value, verdict)
		}
	}
	for _, k := range []Kind{CookieConsent, C15t, Klaro, Tarteaucitron} {
		if seen[k.String()] < 10 {
			t.Errorf("%d vectors of %s", seen[k.String()], k)
		}
	}
}
