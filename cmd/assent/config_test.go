package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckTellsEveryMistake: a config with a dozen mistakes gives a dozen, each
// with its line and column.
func TestCheckTellsEveryMistake(t *testing.T) {
	const file = `listen: nonsense
admin: {listen: 0.0.0.0:9, tokn: x}
policy: nope.yaml
foo: 1
trust: {networks: [10.0.0.0/8, abc]}
sources:
  - {id: a, kind: wob, key: k}
  - {id: b, kynd: web, key: k2}
  - {id: c, key: k, may_name: [shoe]}
  - {id: c, origins: ["https://*"], audience: martians, key: z}
limits: {body: lots}
topics: {bad: "no good"}
`
	path := filepath.Join(t.TempDir(), "assent.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, err := range check(path, "", "") {
		got.WriteString(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "") + "\n")
	}
	const want = `assent.yaml:2:28: unknown field "tokn"
assent.yaml:4:1: foo: there is no such setting, or not in this form
assent.yaml:8:13: unknown field "kynd"
assent.yaml:11:16: cannot unmarshal string into Go struct field limitsConfig.Body of type int
assent.yaml:1:9: listen: "nonsense" is not host:port
assent.yaml:2:17: admin.listen: "0.0.0.0:9" is reachable from outside and needs admin.token_file
assent.yaml:12:15: topics.bad: "no good": not a topic name: want 1 to 249 of a-z A-Z 0-9 . _ - with no leading dot
assent.yaml:9:32: source "c": may_name: "shoe" is none of address, event_time
assent.yaml:9:31: source "c": may_name needs a bearer_file: a public key proves nothing
assent.yaml:10:47: source "c": an audience is one of general, mixed, children
assent.yaml:7:5: source "a": kind "wob" is none of web, app, tv, server
assent.yaml:9:5: source "c": its key is also that of source "a"
assent.yaml:10:5: source "c": every source needs an id of its own
assent.yaml:10:5: source "c": origin "https://*" is not of the form scheme://host
assent.yaml:5:32: trust: "abc" is neither a network nor an address
reading policy: open nope.yaml: no such file or directory
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
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
