package arch

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var root = os.DirFS("../..")

func TestHouse(t *testing.T) {
	broken, err := check(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range broken {
		t.Error(b)
	}
}

// TestTable finds rules that hold for nothing any more, by a misspelt name or
// because a package has moved.
func TestTable(t *testing.T) {
	entries := map[string]bool{}
	if err := walk(root, func(name string, _ []byte) error {
		for name != "." && strings.Contains(name, "/") {
			name = name[:strings.LastIndex(name, "/")]
			entries[name] = true
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// Wings of the design that are built later.
	later := map[string]bool{"rights": true, "consent/tcf": true, "consent/gpp": true}
	exists := func(pattern string) bool {
		for e := range entries {
			if match(pattern, e) {
				return true
			}
		}
		return later[pattern]
	}
	for _, w := range wings {
		for _, p := range append([]string{w.pattern}, w.may...) {
			if !exists(p) {
				t.Errorf("wing %s: no package matches %s", w.pattern, p)
			}
		}
	}
	for _, d := range dependencies {
		for _, p := range d.in {
			if !exists(p) {
				t.Errorf("dependency %s: no package matches %s", d.prefix, p)
			}
		}
	}
}

// TestPlanted shows that each rule can be broken: one violation a case, in an
// otherwise good file.
func TestPlanted(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		broken, err := check(fstest.MapFS{name: {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case want == "" && len(broken) > 0:
			t.Errorf("%s: refused though it is good: %q", name, broken)
		case want != "" && (len(broken) != 1 || !strings.Contains(broken[0], want)):
			t.Errorf("%s: want one violation with %q, got %q", name, want, broken)
		}
	}
	imports := func(p string) string { return "package x\n\nimport \"" + p + "\"\n" }

	// Good ones.
	f("redact/x.go", imports("net/netip"), "")
	f("collector/x.go", imports("github.com/valyala/fasthttp"), "")
	f("collector/x.go", imports("assent/policy"), "")
	f("sinks/kafka/x.go", imports("github.com/segmentio/kafka-go/protocol"), "")
	f("sinks/kafka/x_test.go", imports("assent/test/kafka"), "")
	f("test/kafka/x.go", imports("github.com/segmentio/kafka-go"), "")
	f("sinks/kafka/x.go", "package x\n\nfunc f() { go f() }\n", "")
	f("geo/mmdb/x.go", "package x\n\nimport \"time\"\n\nvar now = time.Now\n", "")
	f("redact/x_test.go", "package x\n\nimport \"time\"\n\nvar now = time.Now\n", "")
	f("redact/x.go", "package x\n\nimport \"time\"\n\nconst day = 24 * time.Hour\n", "")
	f("redact/x.go", "package x\n"+strings.Repeat("\n", maxLines-1), "")
	f("collector/x.go", "package x\n\nimport _ \"embed\"\n", "")

	// Who imports whom.
	f("redact/x.go", imports("assent/geo"), "redact/x.go:3: redact may not import assent/geo: a leaf")
	f("consent/replica/x.go", imports("assent/sinks"), "knows its parent and no other adapter")
	f("sinks/kafka/x.go", imports("assent/sinks/file"), "knows its parent and no other adapter")
	f("sinks/x.go", imports("assent/sinks/file"), "knows none of them")
	f("policy/x.go", imports("assent/collector"), "policy may not import")
	f("collector/x.go", imports("assent/geo/mmdb"), "never a technology")
	f("collector/x.go", imports("assent/test/kafka"), "for tests alone")
	f("billing/x.go", "package x\n", "decide where it stands")

	// Dependencies.
	f("collector/dialect/x.go", imports("github.com/valyala/fasthttp"), "belongs to collector")
	f("consent/x.go", imports("github.com/cockroachdb/pebble/v2"), "belongs to consent/store")
	f("cmd/assent/x_test.go", imports("github.com/segmentio/kafka-go"), "belongs to sinks/kafka")
	f("cmd/assent/x.go", imports("github.com/twmb/franz-go/pkg/kgo"), "not in the table")
	f("policy/x.go", imports("pgregory.net/rapid"), "not in the table")

	// Purity.
	f("policy/x.go", imports("os"), "touches no disk")
	f("geo/x.go", imports("net/http"), "touches no network")
	f("keys/x.go", imports("log/slog"), "does not log")
	f("consent/x.go", imports("crypto/rand"), "randomness comes as an argument")
	f("consent/x.go", "package x\n\nimport \"time\"\n\nvar now = time.Now\n", "takes the instant")
	f("consent/x.go", "package x\n\nimport clock \"time\"\n\nvar now = clock.Now()\n", "takes the instant")
	f("policy/x.go", "package x\n\nfunc f() { go f() }\n", "starts a goroutine")
	f("sinks/x.go", imports("testing"), "does not test itself")

	// Habits.
	f("sinks/file/x.go", "package x\n\nfunc init() {}\n", "func init")
	f("sinks/file/x.go", "package x\n\nimport _ \"assent/sinks\"\n", "for its side effect")
	f("test/helpers/x.go", "package x\n", "folder helpers")
	f("redact/x.go", "package x\n"+strings.Repeat("\n", maxLines), "501 lines")
	f("redact/x_test.go", "package x\n"+strings.Repeat("\n", maxTestLines), "1001 lines")
}

// traces are what only one machine or one network knows.
var traces = []struct{ pattern, why string }{
	{`(^|[^\w./$}-])/(work|root|tmp|home)/\w`, "a path of one machine: use a relative one, or ask for a temporary directory"},
	{`https?://(registry|proxy|repo|repo1|files|deb|security|sum|index|mirrors?)[.-][\w.-]*\w`, "a host of a registry: the package manager's own settings know it"},
}

func TestNoTraces(t *testing.T) {
	if err := walk(root, func(name string, text []byte) error {
		for _, found := range findTraces(text) {
			t.Errorf("%s: %s", name, found)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// findTraces looks through a text; a file with a NUL is no text.
func findTraces(text []byte) (found []string) {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil
	}
	for _, trace := range traces {
		if m := regexp.MustCompile(`(?m)` + trace.pattern).Find(text); m != nil {
			found = append(found, string(bytes.TrimSpace(m))+": "+trace.why)
		}
	}
	return found
}

func TestPlantedTraces(t *testing.T) {
	f := func(text string, want int) {
		t.Helper()
		if got := findTraces([]byte(text)); len(got) != want {
			t.Errorf("%q: %q, want %d", text, got, want)
		}
	}
	// Written in halves, so that this file holds none.
	f("cd /"+"work/main", 1)
	f("open \"/"+"root/x\"", 1)
	f("/"+"tmp/x", 1)
	f("https://"+"registry.example.org/x and http://"+"proxy.example", 1)
	f("/"+"home/ada http"+"://deb.example.org", 2)
	f("https://shop.example/root/page ../root/x ${TMPDIR}/tmp/x WORKDIR /src", 0)
	f("\x00 /"+"work/main", 0)
}
