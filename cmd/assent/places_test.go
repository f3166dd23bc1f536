package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlacesAndListenersOfTheirOwn: check refuses what a start would fail on, or mix.
func TestPlacesAndListenersOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"folder", "real"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct{ config, want string }{
		{"data: d", ""},
		{"data: d\nfiles: {dir: e}\njournal: {dir: j}\nkeys: folder/keys", ""},
		{"data: d\nfiles: {dir: d}", "$.files.dir: d is data itself"},
		{"data: real\nfiles: {dir: link}", "$.files.dir: link is data itself"},
		{"data: d/e\nfiles: {dir: d}", ""},
		{"data: d\njournal: {dir: d/}", "$.journal.dir: d is data itself"},
		{"data: d\nkeys: d", "$.keys: d is data itself"},
		{"data: real\njournal: {dir: link}", "$.journal.dir: link is data itself"},
		{"data: d\nfiles: {dir: d/dedup}", "$.files.dir: d/dedup overlaps the place of dedup (d/dedup)"},
		{"data: d\nfiles: {dir: d/consent/x}", "$.files.dir: d/consent/x overlaps the place of consent (d/consent)"},
		{"data: d\njournal: {dir: d/policies}", "$.journal.dir: d/policies overlaps the place of policies (d/policies)"},
		{"data: d/e\njournal: {dir: d}", "$.journal.dir: d is data itself, or holds it"},
		{"data: d\njournal: {dir: d/events}", "$.journal.dir: d/events overlaps files.dir (d/events)"},
		{"data: d\nfiles: {dir: real}\njournal: {dir: link}", "$.journal.dir: link overlaps files.dir (real)"},
		{"data: d\nfiles: {dir: real}\njournal: {dir: link/j}", ""},
		{"data: d\nkeys: d/policies", "$.keys: d/policies overlaps the place of policies (d/policies)"},
		{"data: d\nkeys: d/events", "$.keys: d/events overlaps files.dir (d/events)"},
		{"data: d\nkeys: none/keys", "$.keys: its folder none is missing: make it"},
		{"data: d\nkeys: folder", "$.keys: folder is a directory: name a file, such as folder/keys"},
		{"listen: 127.0.0.1:81\nadmin: {listen: '127.0.0.1:81'}", `$.admin.listen: "127.0.0.1:81" is taken by listen: choose another port`},
		{"listen: ':81'\nadmin: {listen: 'localhost:81'}", `$.admin.listen: "localhost:81" is taken by listen`},
		{"listen: localhost:81\nadmin: {listen: '127.0.0.1:81'}", `$.admin.listen: "127.0.0.1:81" is taken by listen`},
		{"listen: '[::ffff:127.0.0.1]:081'\nadmin: {listen: '127.0.0.1:81'}", `$.admin.listen: "127.0.0.1:81" is taken by listen`},
		{"listen: 192.0.2.1:81\nadmin: {listen: '127.0.0.1:81'}", ""},
		{"listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}", ""},
	} {
		cfg, err := loadConfig(write(t, filepath.Join(dir, "assent.yaml"), k.config+"\n", 0o600), &config{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, p := cfg.examine()
		var said []string
		for _, wrong := range p.List {
			said = append(said, strings.ReplaceAll(wrong.String(), resolved(dir)+"/", ""))
		}
		switch {
		case k.want == "" && len(said) > 0, k.want != "" && len(said) != 1:
			t.Errorf("%q: want %q, got %q", k.config, k.want, said)
		case k.want != "" && !strings.Contains(said[0], k.want):
			t.Errorf("%q: want %q, got %q", k.config, k.want, said)
		}
	}
}
