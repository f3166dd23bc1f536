package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"assent/strictyaml"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// policyOf is a policy with a category and a recipient's topic.
func policyOf(category, topic string) string {
	return `policy: p
version: 1
controller: {name: n}
purposes: {necessary: {basis: contract}}
recipients: {warehouse: {purposes: [necessary], role: own, topic: ` + topic + `}}
defaults: {events: [necessary]}
fields:
  type: {purposes: [necessary], category: '` + category + `', why: w}
`
}

// told is what check says of a config file, a problem a line, but of databases.
func told(t *testing.T, path string) string {
	t.Helper()
	cfg, err := loadConfig(path, &config{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, p := cfg.examine()
	wrong, _ := checkPolicies(cfg, "")
	var said []string
	for _, row := range problemRows(append([]error{p.List}, wrong...)) {
		said = append(said, row.String())
	}
	return strings.Join(said, "\n")
}

// TestCheckRefusesWhatBreaksTheNode: what a start or a reload would trip over later,
// with its place in the file where it can be mended.
func TestCheckRefusesWhatBreaksTheNode(t *testing.T) {
	dir := t.TempDir()
	f := func(config, document, want string) {
		t.Helper()
		path := write(t, filepath.Join(dir, "assent.yaml"), "policy: policy.yaml\n"+config, 0o600)
		write(t, filepath.Join(dir, "policy.yaml"), document, 0o600)
		if got := strings.ReplaceAll(told(t, path), dir+"/", ""); got != want {
			t.Errorf("%s\n%s\ngot  %s\nwant %s", config, document, got, want)
		}
	}
	good := policyOf("event", "events")
	f("", good, "")
	f("", policyOf(`e"vent`, "events"), `policy.yaml:8:43: field type: category: "e\"vent" goes into headers and metrics: use up to 128 letters, digits and . _ - + : / and begin with a letter or digit`)
	const topic = "not a topic name: want 1 to 249 of a-z A-Z 0-9 . _ - with no leading dot"
	f("", policyOf("event", ".events"), `policy.yaml:5:67: recipient warehouse: topic ".events": `+topic)
	f("", policyOf("event", "consent.sync"), `policy.yaml:5:67: recipient warehouse: topic "consent.sync" is reserved: choose another`)
	f("", policyOf("event", "events.bad"), `policy.yaml:5:67: recipient warehouse: topic "events.bad" is that of topics.bad in the configuration: change one of them`)
	f("topics: {bad: events}\n", good, `policy.yaml:5:67: recipient warehouse: topic "events" is that of topics.bad in the configuration: change one of them`)
	f("topics: {bad: refused}\n", policyOf("event", "events.bad"), "")
	f("topics: {bad: .bad}\n", good, `assent.yaml:2:15: $.topics.bad: ".bad": `+topic)
	f("topics: {bad: __bad}\n", good, `assent.yaml:2:15: $.topics.bad: "__bad": topics that begin with __ are internal to Kafka: choose another`)
	f("topics: {bad: consent.log}\n", good, `assent.yaml:2:15: $.topics.bad: "consent.log" is reserved: choose another`)
	f("sources: [{id: 'a\"b', key: k}]\n", good, `assent.yaml:2:11: $.sources[0]: source "a\"b": its id goes into headers and metrics: use up to 128 letters, digits and . _ - + : / and begin with a letter or digit`)
	f("demo: true\n", good, `assent.yaml:2:7: $.demo: the demo page shows the embedded policy: remove demo, or policy`)
	const name = "write a name: letters, digits, - and _"
	f("cookies: {choice: a;b}\n", good, `assent.yaml:2:19: $.cookies.choice: "a;b": `+name)
	f("cookies: {id: a=b}\n", good, `assent.yaml:2:15: $.cookies.id: "a=b": `+name)
	f("cookies: {domain: a;b}\n", good, `assent.yaml:2:19: $.cookies.domain: "a;b": write a domain, such as shop.example`)
	f("cookies: {path: /; Secure}\n", good, `assent.yaml:2:17: $.cookies.path: "/; Secure": write a path, such as /collect`)
	f("cookies: {path: a}\n", good, `assent.yaml:2:17: $.cookies.path: "a": write a path, such as /collect`)
	const same = "assent.yaml:2:10: $.cookies: choice and id must have different names, also without __Host-"
	f("cookies: {id: assent_choice}\n", good, same)
	f("cookies: {choice: __Host-assent_id}\n", good, same)
	f("cookies: {choice: a, id: __Host-a}\n", good, same)
	f("cookies: {choice: c, id: __Secure-i, path: /, domain: .shop.example}\n", good, "")
	f("cookies: {choice: __Host-c, id: __Host-i, path: /}\n", good, "")
	const dropped = "browsers drop a cookie of this prefix with "
	f("cookies: {choice: __Host-a, domain: shop.example}\n", good, `assent.yaml:2:19: $.cookies.choice: "__Host-a": `+dropped+`a domain: leave out the prefix, or cookies.domain`)
	f("cookies: {id: __Host-a, path: /x}\n", good, `assent.yaml:2:15: $.cookies.id: "__Host-a": `+dropped+`another path than /: leave out the prefix, or cookies.path`)
	const cased = "browsers know the prefix in any case, and this node as "
	f("cookies: {choice: __host-a}\n", good, `assent.yaml:2:19: $.cookies.choice: "__host-a": `+cased+`__Host- alone: write it so, with a name after it`)
	f("cookies: {id: __secure-a}\n", good, `assent.yaml:2:15: $.cookies.id: "__secure-a": `+cased+`__Secure- alone: write it so, with a name after it`)
	f("cookies: {id: __Host-}\n", good, `assent.yaml:2:15: $.cookies.id: "__Host-": `+cased+`__Host- alone: write it so, with a name after it`)
	const anybody = "anybody can have a name under it, and browsers drop its cookies: name your own domain, such as shop.example"
	f("cookies: {domain: localhost}\n", good, "")
	f("cookies: {domain: com}\n", good, `assent.yaml:2:19: $.cookies.domain: "com": `+anybody)
	f("cookies: {domain: .CO.UK}\n", good, `assent.yaml:2:19: $.cookies.domain: ".CO.UK": `+anybody)
	f("cookies: {domain: github.io}\n", good, `assent.yaml:2:19: $.cookies.domain: "github.io": `+anybody)
	write(t, filepath.Join(dir, "token"), placeholder+enough, 0o600)
	f("sources: [{id: a, kind: server, bearer_file: token}]\n", good, `assent.yaml:2:46: $.sources[0].bearer_file: source "a": its bearer token is the example's: put a secret of your own in its file`)
}

// TestSinksKnowTheBadTopic: by the configuration, not by a name.
func TestSinksKnowTheBadTopic(t *testing.T) {
	cfg := &config{Topics: topicsConfig{Bad: "refused"}}
	if files, journal := cfg.fileOptions(), cfg.journalOptions(); files.BadTopic != "refused" || journal.BadTopic != "refused" {
		t.Errorf("files have %q, the journal %q", files.BadTopic, journal.BadTopic)
	}
}

// TestCheckWarns: of keys that do nothing yet, without a negative answer.
func TestCheckWarns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	document := strings.Replace(policyOf("event", "events"), "basis: contract", "basis: contract, audience_measurement: true", 1)
	write(t, path, document, 0o600)
	const want = "purpose necessary: audience_measurement has no effect yet: the purpose is judged by its basis alone"
	errs, warnings := check("", path, "")
	if len(errs) > 0 || len(warnings) != 1 || warnings[0].Error() != path+":4:63: "+want {
		t.Errorf("problems %v, warnings %v", errs, warnings)
	}
	var out bytes.Buffer
	if err := printProblems(&out, errs, warnings); err != nil {
		t.Error(err)
	}
	var got struct {
		OK       bool
		Problems []strictyaml.Problem
		Warnings []strictyaml.Problem
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !got.OK || len(got.Problems) > 0 || len(got.Warnings) != 1 || got.Warnings[0] != (strictyaml.Problem{File: path, Line: 4, Column: 63, Message: want}) {
		t.Errorf("as JSON: %s", &out)
	}
	if _, warnings := check("", "", ""); len(warnings) > 0 {
		t.Errorf("of the embedded policy: %v", warnings)
	}
}

// TestReloadIsWhole: a policy that cannot be put in force changes neither the
// collector nor the registry.
func TestReloadIsWhole(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "policy.yaml"), policyOf("event", "events"), 0o600)
	cfg := &config{Data: t.TempDir(), Policy: path}
	cfg.ensureDefaults()
	p := &program{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if err := p.open(p.openData, p.openKeys, p.openPolicies, p.openConsent, p.openDedup, p.openSink, p.openGeo, p.openEdge); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for name, document := range map[string]string{
		"a category": policyOf(`e"vent`, "events"), "a topic": policyOf("event", ".events"), "the bad rows' topic": policyOf("event", "events.bad"),
	} {
		write(t, path, document, 0o600)
		if err := p.reload(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	write(t, path, strings.Replace(policyOf("event", "events"), "necessary: {basis", "necessary: {revision: 2, basis", 1), 0o600)
	edge := p.edge
	p.edge = nil
	if err := p.reload(); err == nil || !strings.HasPrefix(err.Error(), "BUG: ") { // no collector: it panics
		t.Errorf("a panic: %v", err)
	}
	p.edge = edge
	if edge.Policy() != p.pol || p.registry.Purposes() != p.pol.Purposes() {
		t.Error("something of a policy that failed is in force")
	}
	if err := p.reload(); err != nil || edge.Policy() == p.pol || p.registry.Purposes() != edge.Policy().Purposes() {
		t.Errorf("a good policy: %v", err)
	}
}
