package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
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
		err := serve(osSignals{end: ctx, hurry: ctx}, cfg, out)
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
				t.Errorf("no row of admin/metrics.txt has this: %s", line)
			}
		}
		for _, f := range families(t) {
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

// A family is a row of the closed table: see admin/metrics.txt.
type family struct{ name, kind, since, help string }

func families(t *testing.T) (all []family) {
	t.Helper()
	table, err := os.ReadFile("../../admin/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		cell := strings.SplitN(strings.TrimSpace(line), " | ", 4)
		all = append(all, family{cell[0], cell[1], cell[2], cell[3]})
	}
	return all
}
