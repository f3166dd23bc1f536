package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCheckTellsEveryMistake: each config in the archive is followed by what is
// said of it: every mistake at once, with its line, column and path, in words that
// need no knowledge of Go.
func TestCheckTellsEveryMistake(t *testing.T) {
	const file = "testdata/mistakes.txtar"
	archive, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, pair := range regexp.MustCompile(`(?m)^-- (\S+) --\n((?:[^-].*\n|- .*\n|---.*\n)+)`).FindAllStringSubmatch(string(archive), -1) {
		name, config := pair[1], pair[2]
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		for _, err := range checked(path) {
			said.WriteString(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "") + "\n")
		}
		for _, foreign := range []string{"unmarshal", "Go ", "int64", "interface", "[]", "Config", "canary"} {
			if strings.Contains(said.String(), foreign) {
				t.Errorf("%s: it says %q", name, foreign)
			}
		}
		out.WriteString("-- " + name + " --\n" + config + "-- " + name + ": said --\n" + said.String())
	}
	golden(t, file, out.String())
}

// checked is what check refuses.
func checked(path string) []error {
	errs, _ := check(path, "", "")
	return errs
}

// TestFlagsStandAboveVariablesAboveTheFile: the order of authority.
func TestFlagsStandAboveVariablesAboveTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "assent.yaml")
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:1\nadmin: {listen: '127.0.0.1:2'}\ndata: here\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ASSENT_LISTEN", "127.0.0.1:3")
	t.Setenv("ASSENT_ADMIN", "127.0.0.1:4")
	t.Setenv("ASSENT_TRUST", "10.0.0.0/8,fd00::/8")
	c, err := loadConfig(path, &config{Listen: "127.0.0.1:5"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:5" || c.Admin.Listen != "127.0.0.1:4" || c.Data != filepath.Join(filepath.Dir(path), "here") || len(c.Trust.Networks) != 2 {
		t.Errorf("got listen %s, admin %s, data %s, trust %v", c.Listen, c.Admin.Listen, c.Data, c.Trust.Networks)
	}
}

// warned is one warning of check --json.
type warned struct {
	Line    int
	Path    string
	Message string
}

// TestWarnsOfDescriptors: more connections than the process may have descriptors.
func TestWarnsOfDescriptors(t *testing.T) {
	if descriptors() == 0 {
		t.Log("this system has no such limit")
		return
	}
	c := &config{Listen: "127.0.0.1:1"}
	c.Limits.Connections = int(descriptors())
	if w := c.warnings(); len(w) != 1 || !strings.Contains(w[0].String(), "LimitNOFILE") {
		t.Errorf("got %v", w)
	}
	c.Limits.Connections = 1
	if w := c.warnings(); len(w) != 0 && descriptors() > 1024 {
		t.Errorf("got %v", w)
	}
}

// TestCheckWarnsOfOpenListener: a public listener without a rate for addresses is told of, with
// its place, beside the mistakes; it is none itself.
func TestCheckWarnsOfOpenListener(t *testing.T) {
	for _, k := range []struct {
		config string
		warns  bool
	}{
		{"data: here\n", false},
		{"listen: '[::1]:8080'\n", false},
		{"data: here\nlisten: 0.0.0.0:8080\n", true},
		{"data: here\nlisten: :8080\n", true},
		{"listen: 0.0.0.0:8080\nlimits: {address_rate: 100}\n", false},
		{"data: here\nlisten: 192.0.2.1:8080\nlimits: {source_rate: 100}\n", true},
	} {
		path := filepath.Join(t.TempDir(), "assent.yaml")
		if err := os.WriteFile(path, []byte(k.config), 0o600); err != nil {
			t.Fatal(err)
		}
		c := checkCommand()
		var out strings.Builder
		c.SetOut(&out)
		c.SetArgs([]string{"-c", path, "--json"})
		if err := c.Execute(); err != nil {
			t.Errorf("%s: %v", k.config, err)
		}
		var answer struct {
			OK       bool
			Problems []any
			Warnings []warned
		}
		if err := json.Unmarshal([]byte(out.String()), &answer); err != nil || !answer.OK || len(answer.Problems) != 0 || answer.Warnings == nil {
			t.Errorf("%s: %v %s", k.config, err, out.String())
		}
		// How many descriptors this machine gives is its own business here.
		answer.Warnings = slices.DeleteFunc(answer.Warnings, func(w warned) bool { return w.Path == "$.limits.connections" })
		switch {
		case !k.warns && len(answer.Warnings) != 0, k.warns && len(answer.Warnings) != 1:
			t.Errorf("%s: %s", k.config, out.String())
		case k.warns && (answer.Warnings[0].Line != 2 || answer.Warnings[0].Path != "$.listen" || !strings.Contains(answer.Warnings[0].Message, "limits.address_rate")):
			t.Errorf("%s: %s", k.config, out.String())
		}
	}
}
