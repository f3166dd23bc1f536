package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tenMistakes is a policy with ten mistakes, each on the line that mistakes names.
const tenMistakes = `policy: broken
version: 2026-11-22
controller: {name: Shop, contact: a@shop.example}
colour: blue
purposes:
  necessary: {title: Orders}
  analytics: {title: Measuring, basis: concent}
  unserved: {title: Nothing, basis: contract}
recipients:
  warehouse: {topic: events, purposes: [necessary, analytics, nobody], role: own}
  ads: {topic: "no topic", purposes: [analytics], role: friend}
defaults: {events: [analytics]}
events:
  - {match: {type: track}, purposes: [analytics]}
  - {match: {type: track}, purposes: [necessary]}
fields:
  type: {purposes: [necessary, analytics], category: event, why: Kind of event, retention: 1y}
  a..b: {purposes: [analytics], category: event, why: Something, retention: 1y}
  properties.email: {purposes: [analytics], category: contact, retention: 1y}
  properties.total: {purposes: [analytics], category: order, why: Worth, retention: soon}
`

// TestCheck: check reports every mistake at once, each with line and column.
func TestCheck(t *testing.T) {
	t.Parallel()
	path := save(t, "broken.yaml", tenMistakes)
	o := assent(t, "", "check", "-p", path)
	if o.code != 1 || o.stdout != "" {
		t.Errorf("exit %d, stdout %q", o.code, o.stdout)
	}
	lines := map[string]bool{}
	place := regexp.MustCompile(`^assent: check: ` + regexp.QuoteMeta(path) + `:(\d+):(\d+): \S`)
	for l := range strings.Lines(o.stderr) {
		m := place.FindStringSubmatch(l)
		if m == nil {
			t.Errorf("not `assent: check: file:line:column: why`: %s", l)
			continue
		}
		lines[m[1]] = true
	}
	for _, want := range []string{"4", "6", "7", "10", "11", "15", "18", "19", "20"} {
		if !lines[want] {
			t.Errorf("nothing is said of line %s", want)
		}
	}
	if n := strings.Count(o.stderr, "\n"); n < 10 {
		t.Errorf("%d mistakes found:\n%s", n, o.stderr)
	}

	var list struct {
		OK       bool
		Problems []struct {
			File         string
			Line, Column int
			Message      string
		}
	}
	j := assent(t, "", "check", "-p", path, "--json")
	if err := json.Unmarshal([]byte(j.stdout), &list); err != nil || j.code != 1 || list.OK || j.stderr != "" {
		t.Fatalf("--json: exit %d, %v\n%s%s", j.code, err, j.stdout, j.stderr)
	}
	if len(list.Problems) != strings.Count(o.stderr, "\n") {
		t.Errorf("--json lists %d problems, the text %d", len(list.Problems), strings.Count(o.stderr, "\n"))
	}
	for _, p := range list.Problems {
		if want := fmt.Sprintf("assent: check: %s:%d:%d: %s\n", p.File, p.Line, p.Column, p.Message); !strings.Contains(o.stderr, want) {
			t.Errorf("the text lacks %s", want)
		}
	}
}

// TestCheckGood: what ships passes, and a widening without a new revision does not.
func TestCheckGood(t *testing.T) {
	t.Parallel()
	policies, err := filepath.Glob("../../deploy/policies/*.yaml")
	if err != nil || len(policies) == 0 {
		t.Fatal("no policies", err)
	}
	for _, path := range policies {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		o := assent(t, "", "check", "-p", path)
		for line := range strings.Lines(o.stderr) {
			if !strings.HasPrefix(line, "assent: check: warning: "+path+":") || !strings.Contains(line, "no effect yet") {
				t.Errorf("%s: %s", path, line)
			}
		}
		if o.code != 0 || o.stdout != "ok\n" {
			t.Errorf("%s: exit %d %s%s", path, o.code, o.stdout, o.stderr)
		}
	}
	if o := assent(t, "", "check"); o.code != 0 || o.stdout != "ok\n" {
		t.Errorf("the embedded policy: exit %d %s%s", o.code, o.stdout, o.stderr)
	}
	raw, err := os.ReadFile("../../deploy/policies/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	old := save(t, "old.yaml", string(raw))
	wider := save(t, "wider.yaml", string(raw)+"  context.locale: {purposes: [analytics], category: device, why: \"Languages read\", retention: 25mo}\n")
	if o := assent(t, "", "check", "-p", wider, "--against", old); o.code != 1 || !strings.Contains(o.stderr, "analytics") || !strings.Contains(o.stderr, "revision") {
		t.Errorf("a widening: exit %d %s", o.code, o.stderr)
	}
	if o := assent(t, "", "check", "-p", old, "--against", old); o.code != 0 {
		t.Errorf("against itself: exit %d %s", o.code, o.stderr)
	}
	config := save(t, "assent.yaml", "sources:\n  - {id: a, kind: radio, key: k}\nlissten: x\n")
	if o := assent(t, "", "check", "-c", config); o.code != 1 || !strings.HasPrefix(o.stderr, "assent: check: "+config+":3:1: ") {
		t.Errorf("a config: exit %d %s", o.code, o.stderr)
	}
}

// mistakenConfig has a mistake in every line that says so, at the column where its
// value begins.
const mistakenConfig = `sources:
  - {id: shop, key: shop, promise: quick} # 2:36
journal:
  max_bytes: 100 # 4:14
  reserve_bytes: -1 # 5:18
  high_water: 2 # 6:15
dedup:
  count: 1 # 8:10
kafka:
  brokers: [nowhere] # 10:12
  compression: brotli # 11:16
  partitions: -1 # 12:15
  linger: -1s # 13:11
  producer_life: 1s # 14:18
  tls: {ca_file: none.pem} # 15:8
  sasl: {mechanism: GSSAPI, username: u, password_file: password} # 16:9
limits:
  source_rate: -1 # 18:16
  address_burst: -2 # 19:18
  bad_rows: -3 # 20:13
`

// TestCheckConfig: every mistake in the sections about the way to Kafka is told at
// once, each with its line and column; a config without mistakes passes.
func TestCheckConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("password", "a password")
	path := write("broken.yaml", mistakenConfig)
	o := assent(t, "", "check", "-c", path)
	for _, m := range regexp.MustCompile(`(\w+): .* # (\S+)\n`).FindAllStringSubmatch(mistakenConfig, -1) {
		if !strings.Contains(o.stderr, "assent: check: "+path+":"+m[2]+": ") {
			t.Errorf("%s: nothing is said at %s", m[1], m[2])
		}
	}
	if o.code != 1 || strings.Count(o.stderr, "\n") != strings.Count(mistakenConfig, "#") {
		t.Errorf("exit %d, and it says\n%s", o.code, o.stderr)
	}

	for content, want := range map[string]string{
		"journal:\n  max_bites: 1\n":                      `:2:3: $.journal: unknown key "max_bites"; did you mean "max_bytes"?`,
		"sources:\n  - {id: a, key: a, promise: kafka}\n": `:2:30: $.sources[0].promise: source "a": promise kafka needs kafka.brokers`,
		"kafka:\n  brokers: [\"127.0.0.1:9\"]\n  sasl: {mechanism: PLAIN, username: u, password_file: none}\n": ":3:56: ",
	} {
		path := write("wrong.yaml", content)
		if o := assent(t, "", "check", "-c", path); o.code != 1 || !strings.HasPrefix(o.stderr, "assent: check: "+path+want) || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%s: exit %d, want %s\n%s", content, o.code, want, o.stderr)
		}
	}
	good := write("good.yaml", `
kafka:
  brokers: ["127.0.0.1:9092"]
  sasl: {mechanism: SCRAM-SHA-512, username: u, password_file: password}
journal: {max_bytes: 1073741824, reserve_bytes: 0, high_water: 0.5}
dedup: {count: 1000}
limits: {source_rate: 100, address_rate: 10, bad_rows: 1}
sources:
  - {id: shop, key: shop, promise: kafka}
`)
	if o := assent(t, "", "check", "-c", good); o.code != 0 || o.stdout != "ok\n" {
		t.Errorf("a good config: exit %d %s%s", o.code, o.stdout, o.stderr)
	}
}

// TestExplainEqualsServe: explain says what serve does with the same event of the
// same person, field by field.
func TestExplainEqualsServe(t *testing.T) {
	t.Parallel()
	geo := cityDatabase(t)
	shop, err := filepath.Abs("../../deploy/policies/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	event := `{"type":"track","event":"Order Completed","messageId":"m-0","anonymousId":"a-1","properties":{"order_id":"o","total":9.50,"email":"ann@example.com","products":[{"sku":"T","cost":1}],"x":{"y":1}},"context":{"ip":"80.10.0.9","page":{"url":"https://shop.example/?utm_source=a&q=b"},"consent":{"categoryPreferences":{"Analytics":false}}}}`
	page := `{"type":"page","name":"Home","messageId":"m-0","anonymousId":"a-1","properties":{"url":"https://shop.example/?utm_source=a&q=b"},"context":{"ip":"80.10.0.9","locale":"fr"}}`
	sent := 0
	for _, policy := range []string{"", shop} {
		args := []string{"--geo", geo}
		if policy != "" {
			args = append(args, "--policy", policy)
		}
		p := start(t, args...)
		config := save(t, "assent.yaml", fmt.Sprintf("keys: %s\ngeo: {file: %s}\n", filepath.Join(p.data, "keys"), geo))
		for _, place := range []string{"FR", "US-CA", "US", "home"} {
			for _, choice := range []string{"", "granted", "denied"} {
				for _, gpc := range []string{"", "Sec-GPC: 1"} {
					for _, body := range []string{event, page} {
						sent++
						body = strings.Replace(body, `"m-0"`, fmt.Sprintf(`"m-%d"`, sent), 1)
						name := fmt.Sprintf("%s, %s, %s, %s, %.12s", filepath.Base(policy), place, choice, gpc, body[8:])
						from := "X-Forwarded-For: " + places[place]
						h := headers(from, gpc, "User-Agent: Browser/1")
						say := []string{"explain", "-c", config, "-e", "-", "--ip", places[place], "--header", "User-Agent: Browser/1", "--json"}
						if policy != "" {
							say = append(say, "-p", policy)
						}
						if gpc != "" {
							say = append(say, "--header", gpc)
						}
						if choice != "" {
							r := p.send("POST", "/v1/consent", `{"purposes":{"analytics":"`+choice+`","ads":"`+choice+`"},"method":"banner"}`, h...)
							if r.status != 201 {
								t.Fatalf("%s: %d %s", name, r.status, r.body)
							}
							h = append(h, cookieHeader(r))
							say = append(say, "--consent", "analytics="+choice+",ads="+choice)
						}
						before := len(fileLines(p))
						if r := p.send("POST", "/v1/events", body, h...); r.status != 200 {
							t.Fatalf("%s: %d %s", name, r.status, r.body)
						}
						served := map[string]string{}
						for _, l := range fileLines(p) {
							served[l.topic] = l.value // the newest of each topic
						}
						if len(fileLines(p)) == before {
							served = nil
						}
						o := assent(t, body, say...)
						var x struct {
							Recipients []struct {
								Topic  string
								Pass   bool
								Output json.RawMessage
							}
						}
						if err := json.Unmarshal([]byte(o.stdout), &x); err != nil || o.code != 0 {
							t.Fatalf("%s: exit %d %v\n%s%s", name, o.code, err, o.stdout, o.stderr)
						}
						passed := 0
						for _, r := range x.Recipients {
							if !r.Pass {
								continue
							}
							passed++
							if got, want := bare(t, string(r.Output)), bare(t, served[r.Topic]); got != want {
								t.Errorf("%s: explain says of %s\n%s\nserve wrote\n%s", name, r.Topic, got, want)
							}
						}
						if got := len(fileLines(p)) - before; got != passed {
							t.Errorf("%s: explain lets %d recipients have it, serve wrote %d records", name, passed, got)
						}
					}
				}
			}
		}
		p.stop()
	}
}

// bare is an event in one form, without the instant.
func bare(t *testing.T, value string) string {
	t.Helper()
	if value == "" {
		return ""
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		t.Fatalf("%v: %s", err, value)
	}
	delete(v, "receivedAt")
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestCommands tries the rest: what they print, how they end.
func TestCommands(t *testing.T) {
	t.Parallel()
	p := start(t)
	event := save(t, "event.json", order("e"))
	for _, c := range []struct {
		args           string
		stdin          string
		code           int
		stdout, stderr string // patterns
	}{
		{"version", "", 0, `^assent \S+ go1\.\S+ linux/\w+\n$`, `^$`},
		{"version --json", "", 0, `^\{"go":"go1.*","version":".*"\}\n$`, `^$`},
		{"version now", "", 2, `^$`, `^assent: version: takes no argument, got "now"\n$`},
		{"explain -e " + event + " --region FR", "", 0, `(?s)default@.*FR.*GDPR.*track "Order Completed".*properties\.order_id`, `^$`},
		{"explain -e - --region FR --consent analytics=granted", order("e"), 0, `yes +analytics +granted `, `^$`},
		{"explain -e - --region US-CA --header Sec-GPC:1 --json", order("e"), 0, `"jurisdiction": "US-CA"`, `^$`},
		{"explain -e - --region US-CA --header Sec-GPC:1 --header Sec-GPC:0", order("e"), 0, `no +ads +denied +a universal opt-out signal`, `^$`},
		{"explain -e - --region US-CA --at 2021-01-01 --json", order("e"), 0, `"jurisdiction": "US-CA"`, `^$`},
		{"explain", "", 2, `^$`, `^assent: explain: needs an event`},
		{"explain -e " + event + " --region XX-YY-Z", "", 2, `^$`, `^assent: explain: --region: `},
		{"explain -e " + event + " --ip here", "", 2, `^$`, `^assent: explain: --ip: not an address\n$`},
		{"explain -e " + event + " --consent analytics=perhaps", "", 2, `^$`, `^assent: explain: --consent: `},
		{"explain -e " + event + " --consent nothing=granted", "", 1, `^$`, `^assent: explain: `},
		{"explain -e " + event + " --header X-Any:1", "", 2, `^$`, `^assent: explain: --header: `},
		{"explain -e " + event + " --at yesterday", "", 2, `^$`, `^assent: explain: --at: `},
		{"explain -e " + event + " --source nobody", "", 2, `^$`, `^assent: explain: --source: `},
		{"explain -e " + event + ".none", "", 1, `^$`, `^assent: explain: reading event: `},
		{"explain -e -", `{"type":`, 1, `\nrefused  unexpected_end: json: unexpected_end at byte `, `^$`},
		{"regimes", "", 0, `(?m)^GDPR +opt_in +2018-05-25 `, `^$`},
		{"regimes diff --at 2022-06-01 --region US-CA", "", 0, `(?s)2020-01-01 until 2023-01-01.*2023-01-01 until -`, `^$`},
		{"regimes diff", "", 2, `^$`, `needs a date`},
		{"regimes list --region US-CA", "", 0, `^REGIME.*\nCCPA .*\n$`, `^$`},
		{"regimes list --region US-CA --at 2022-12-31 --json", "", 0, `^\[\n`, `^$`},
		{"regimes show GDPR", "", 0, `ePrivacy Directive`, `^$`},
		{"regimes show NONE", "", 1, `^$`, `^assent: regimes show: `},
		{"regimes --region 7", "", 2, `^$`, `^assent: regimes: --region: `},
		{"healthcheck --url " + p.Admin + "/readyz", "", 0, `^$`, `^$`},
		{"healthcheck --url " + p.Admin + "/nothing", "", 1, `^$`, `^assent: healthcheck: answered 404\n$`},
		{"healthcheck --url http://127.0.0.1:1/", "", 1, `^$`, `^assent: healthcheck: asking: `},
		{"check -p none.yaml", "", 1, `^$`, `^assent: check: .*none.yaml`},
		{"check -p none.yaml --json", "", 1, `"ok":false`, `^$`},
		{"check -x", "", 2, `^$`, `^assent: check: unknown shorthand flag`},
		{"serve --lissten x", "", 2, `^$`, `^assent: serve: unknown flag`},
		{"serve now", "", 2, `^$`, `^assent: serve: takes no argument`},
		{"serve --listen nowhere", "", 1, `^$`, `^assent: serve: listen: "nowhere" is not host:port\n`},
		{"serve --admin 0.0.0.0:0", "", 1, `^$`, `^assent: serve: admin.listen: .*needs admin.token_file\n$`},
		{"serve --trust everybody", "", 1, `^$`, `^assent: serve: trust.networks\[0\]: "everybody" is neither a network nor an address\n$`},
		{"frobnicate", "", 2, `^$`, `^assent: usage: "frobnicate" is not a command`},
		{"", "", 0, `Usage:`, `^$`},
	} {
		o := assent(t, c.stdin, strings.Fields(c.args)...)
		if o.code != c.code {
			t.Errorf("assent %s: exit %d, want %d", c.args, o.code, c.code)
		}
		if !regexp.MustCompile(c.stdout).MatchString(o.stdout) {
			t.Errorf("assent %s: stdout %q, want %s", c.args, o.stdout, c.stdout)
		}
		if !regexp.MustCompile(c.stderr).MatchString(o.stderr) {
			t.Errorf("assent %s: stderr %q, want %s", c.args, o.stderr, c.stderr)
		}
	}
	p.stop()
}

// TestHelp: every command's --help has an example of that command.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"serve", "check", "explain", "regimes", "regimes list", "regimes show", "regimes diff", "journal", "journal inspect", "healthcheck", "version"} {
		o := assent(t, "", append(strings.Fields(name), "--help")...)
		if o.code != 0 || o.stderr != "" || !strings.Contains(o.stdout, "Examples:\n  assent "+name) {
			t.Errorf("assent %s --help: exit %d, no example:\n%s", name, o.code, o.stdout)
		}
	}
	all := assent(t, "", "--help").stdout
	for _, name := range []string{"serve", "check", "explain", "regimes", "journal", "healthcheck", "version"} {
		if !regexp.MustCompile(`(?m)^  ` + name + ` `).MatchString(all) {
			t.Errorf("assent --help does not name %s", name)
		}
	}
}
