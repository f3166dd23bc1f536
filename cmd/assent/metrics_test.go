package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// exposed runs serve and returns what its /metrics says of Assent itself.
func exposed(t *testing.T, brokers []string) string {
	t.Helper()
	return exposedIn(t, t.TempDir(), brokers)
}

func exposedIn(t *testing.T, data string, brokers []string) string {
	t.Helper()
	cfg, err := loadConfig("", &config{
		Listen: "127.0.0.1:0", Admin: adminConfig{Listen: "127.0.0.1:0"}, Data: data, Kafka: kafkaConfig{Brokers: brokers},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, admin, stop := launch(t, cfg)
	answer, err := http.Get(admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	return string(body)
}

// launch runs serve and returns the addresses that it greets with, and what ends it.
func launch(t *testing.T, cfg *config) (public, admin string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	greeting, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(signals{end: ctx, hurry: ctx}, cfg, out)
		out.CloseWithError(errors.Join(errors.New("serve ended"), err))
		ended <- err
	}()
	var said strings.Builder
	addresses := regexp.MustCompile(`(?s)POST (http://[^/]+)/v1/events.*admin +(http://[^/]+)/`)
	for buf := make([]byte, 1024); addresses.FindString(said.String()) == ""; {
		n, err := greeting.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		said.Write(buf[:n])
	}
	go io.Copy(io.Discard, greeting)
	found := addresses.FindStringSubmatch(said.String())
	return found[1], found[2], func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

// TestMetricsAreTheTable: what the program exposes is in the table, with its help
// and type before its samples and all of them together, and what the table
// promises from the start is exposed.
func TestMetricsAreTheTable(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	for since, brokers := range map[string][]string{"start": nil, "kafka": cluster.ListenAddrs()} {
		text := exposed(t, brokers)
		shown := map[string]string{} // types by name
		current := ""
		for line := range strings.Lines(text) {
			if after, ok := strings.CutPrefix(line, "# TYPE "); ok {
				name, kind, _ := strings.Cut(strings.TrimSpace(after), " ")
				if shown[name] != "" {
					t.Errorf("%s is in two places", name)
				}
				shown[name], current = kind, name
				continue
			}
			if !strings.HasPrefix(line, "assent_") {
				continue
			}
			rest, ok := strings.CutPrefix(line, current)
			if shown[current] == "histogram" {
				rest = regexp.MustCompile(`^_(bucket|sum|count)`).ReplaceAllString(rest, "")
			}
			if !ok || rest[0] != '{' && rest[0] != ' ' {
				t.Errorf("nothing says what this is: %s", line)
			}
		}
		for _, f := range families {
			promised := f.since == "start" || f.since == since
			if kind := shown[f.name]; promised && kind == "" || kind != "" && kind != f.kind {
				t.Errorf("with %s: %s is shown as %q, the table says %q", since, f.name, kind, f.kind)
			}
			if shown[f.name] != "" && !strings.Contains(text, "# HELP "+f.name+" "+f.help+"\n") {
				t.Errorf("%s is shown without its help", f.name)
			}
		}
		if shown["go_goroutines"] != "gauge" || shown["process_resident_memory_bytes"] != "gauge" {
			t.Error("the runtime and the process are shown without their types")
		}
		if since == "start" && shown["assent_journal_bytes"] != "" {
			t.Error("there is a journal without Kafka")
		}
	}
}

// TestMetricsThatAppearLater: what the table promises for when it first happens is
// in the program's code, and no name in the code is missing in the table.
func TestMetricsThatAppearLater(t *testing.T) {
	code := map[string]bool{}
	name := regexp.MustCompile("[\"`](assent_[a-z_]+[a-z])[\"`{]")
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
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
	golden(t, "../../docs/metrics.md", b.String())
}
