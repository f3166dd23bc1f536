package admin

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

const metricsPage = "../docs/metrics.md"

// TestMetricsThatAppearLater: what the table promises for when it first happens is
// in the program's code, and no name in the code is missing in the table.
func TestMetricsThatAppearLater(t *testing.T) {
	code := map[string]bool{}
	name := regexp.MustCompile("[\"`](assent_[a-z_]+[a-z])[\"`{]")
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "test" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		raw, err := os.ReadFile(path)
		for _, found := range name.FindAllSubmatch(raw, -1) {
			code[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cookies := []string{"assent_choice", "assent_id"}
	for _, f := range families {
		if f.since == "first" && !code[f.name] {
			t.Errorf("the table has %s, which nothing counts", f.name)
		}
		delete(code, f.name)
	}
	for name := range code {
		if !slices.Contains(cookies, name) {
			t.Errorf("the table lacks %s", name)
		}
	}
}

// TestMetricsPage: docs/metrics.md is the table.
func TestMetricsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`/metrics`" + ` of the admin listener says about Assent; it says as much about the Go runtime (` + "`go_*`" + `) and the process (` + "`process_*`" + `).
What to watch, and from where on to worry, is in [operate.md](operate.md). No name and no label holds anything of a visitor.
Each is there from the start, if the third column does not say otherwise.

| name | type | there | says |
|---|---|---|---|
`)
	last := ""
	for _, f := range families {
		if f.name <= last {
			t.Errorf("%s is not in order", f.name)
		}
		last = f.name
		there, ok := map[string]string{"start": "", "kafka": "with Kafka", "first": "once it happens"}[f.since]
		if !ok || !slices.Contains([]string{"counter", "gauge", "histogram"}, f.kind) || (f.kind == "counter") != strings.HasSuffix(f.name, "_total") || !strings.HasSuffix(f.help, ".") {
			t.Errorf("%+v does not read like the others", f)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.kind, there, f.help)
	}
	if *update {
		if err := os.WriteFile(metricsPage, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(metricsPage); err != nil || string(want) != b.String() {
		t.Errorf("%s is not the table (%v): run the test with -update", metricsPage, err)
	}
}
