package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// reloadPolicy keeps order_id; with the second field, total too.
const reloadPolicy = `policy: reload
version: %VERSION
controller: {name: Shop, contact: a@shop.example}
purposes:
  necessary: {title: Orders, basis: contract}
recipients:
  warehouse: {topic: events, purposes: [necessary], role: own}
defaults: {events: [necessary]}
fields:
  type: {purposes: [necessary], category: event, why: Kind of event, retention: 1y}
  messageId: {purposes: [necessary], category: event, why: Counts once, retention: 1y}
  %FIELD: {purposes: [necessary], category: order, why: Fulfils it, retention: 1y}
`

func policyText(version, field string) string {
	return strings.NewReplacer("%VERSION", version, "%FIELD", field).Replace(reloadPolicy)
}

// replace puts a file in place at once, as editors and deployments do.
func replace(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".next", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}

// TestPolicyReload: a changed file takes effect on SIGHUP and by itself, under
// load, without a request dropped; a broken one leaves the last good one in force
// and says so.
func TestPolicyReload(t *testing.T) {
	t.Parallel()
	path := save(t, "policy.yaml", policyText("v1", "properties.order_id"))
	p := start(t, "--policy", path)
	stop := make(chan struct{})
	l := p.load(4, "r", stop)
	// last is the policy and the value of an event sent now.
	sent := 0
	last := func() (string, string) {
		sent++
		id := fmt.Sprintf(`"messageId":"m-%d"`, sent)
		event := `{"type":"track",` + id + `,"properties":{"order_id":"ORDER","total":"TOTAL"}}`
		if r := p.send("POST", "/v1/events", event); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		all := p.records("events")
		for i := len(all) - 1; i >= 0; i-- {
			if strings.Contains(string(all[i].Value), id) {
				return all[i].Headers["privacy-policy"], string(all[i].Value)
			}
		}
		t.Fatal("no record")
		return "", ""
	}
	if name, value := last(); name != "reload@v1" || !strings.Contains(value, "ORDER") || strings.Contains(value, "TOTAL") {
		t.Errorf("at first: %s %s", name, value)
	}

	replace(t, path, policyText("v2", "properties.total"))
	p.Signal(t, syscall.SIGHUP)
	eventually(t, "the new policy", func() bool { name, _ := last(); return name == "reload@v2" })
	if _, value := last(); strings.Contains(value, "ORDER") || !strings.Contains(value, "TOTAL") {
		t.Errorf("after SIGHUP: %s", value)
	}

	replace(t, path, policyText("v3", "properties.total")+"  nonsense: 7\nmore: [\n")
	p.Signal(t, syscall.SIGHUP)
	eventually(t, "a failed reload", func() bool { return p.metric("assent_policy_reload_failed") == 1 })
	if name, _ := last(); name != "reload@v2" {
		t.Errorf("a broken policy: %s is in force", name)
	}
	if status, body := p.get("/readyz"); status != 200 || !strings.Contains(body, "does not compile") || !strings.Contains(body, `"policy":"reload@v2"`) {
		t.Errorf("readyz with a broken file: %d %s", status, body)
	}
	if log := p.Stderr(); !strings.Contains(log, path+":1") || !strings.Contains(log, "last good one stays in force") {
		t.Errorf("stderr names no place in the broken file:\n%s", log)
	}

	// One that reads well and would break the node, or put events among the bad rows.
	for name, broken := range map[string]string{
		"goes into headers and metrics": strings.Replace(policyText("v5", "properties.total"), "category: order", `category: 'e"vent'`, 1),
		"topics.bad":                    strings.Replace(policyText("v6", "properties.total"), "topic: events", "topic: events.bad", 1),
		`".events`:                      strings.Replace(policyText("v7", "properties.total"), "topic: events", "topic: .events", 1),
	} {
		replace(t, path, broken)
		p.Signal(t, syscall.SIGHUP)
		eventually(t, "a refusal of "+name, func() bool { return strings.Contains(p.Stderr(), name) })
		if name, value := last(); name != "reload@v2" || !strings.Contains(value, "TOTAL") {
			t.Errorf("a policy that breaks the node: %s is in force, %s", name, value)
		}
	}

	// Without a signal, by the change alone.
	replace(t, path, policyText("v4", "properties.order_id"))
	eventually(t, "the repaired policy", func() bool { return p.metric("assent_policy_reload_failed") == 0 })
	if name, _ := last(); name != "reload@v4" {
		t.Errorf("repaired: %s is in force", name)
	}
	if status, body := p.get("/readyz"); status != 200 || strings.Contains(body, "does not compile") {
		t.Errorf("readyz after the repair: %d %s", status, body)
	}
	close(stop)
	l.done.Wait()
	if int64(len(l.promised)) != l.sent.Load() || len(l.refused) > 0 {
		t.Errorf("of %d events sent meanwhile %d were taken; refused: %v", l.sent.Load(), len(l.promised), l.refused)
	}
	stored := p.count()
	for _, id := range l.promised {
		if stored[id] != 1 {
			t.Fatalf("event %s is in the files %d times", id, stored[id])
		}
	}
	p.stop()
}

// TestGeoReload: a changed database takes effect by itself; one that cannot be
// read leaves the last good one in force.
func TestGeoReload(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "geo.mmdb")
	writeDatabase(t, path, map[string]string{"80.10.0.0/16": "FR"})
	p := start(t, "--geo", path)
	stop := make(chan struct{})
	l := p.load(4, "g", stop)
	sent := 0
	where := func() string {
		sent++
		id := fmt.Sprintf("where-%d", sent)
		if r := p.send("POST", "/v1/events", order(id), inFrance); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		all := p.records("events")
		for i := len(all) - 1; i >= 0; i-- {
			if strings.Contains(string(all[i].Value), `"`+id+`"`) {
				return all[i].Headers["privacy-jurisdiction"]
			}
		}
		return ""
	}
	if got := where(); got != "FR" {
		t.Fatalf("at first in %s", got)
	}
	writeDatabase(t, path, map[string]string{"80.10.0.0/16": "US-CA"})
	eventually(t, "the new database", func() bool { time.Sleep(200 * time.Millisecond); return where() == "US-CA" })
	replace(t, path, strings.Repeat("junk", 1000))
	eventually(t, "a word on the broken database", func() bool { return strings.Contains(p.Stderr(), "geo database not reloaded") })
	if got := where(); got != "US-CA" {
		t.Errorf("a broken database: in %s", got)
	}
	close(stop)
	l.done.Wait()
	if int64(len(l.promised)) != l.sent.Load() || len(l.refused) > 0 {
		t.Errorf("of %d events sent meanwhile %d were taken; refused: %v", l.sent.Load(), len(l.promised), l.refused)
	}
	p.stop()
}
