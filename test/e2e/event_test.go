package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestOneEvent takes one event through all eight steps to the file sink, with
// nothing configured.
func TestOneEvent(t *testing.T) {
	p := start(t)
	r := p.send("POST", "/v1/events", `{"type":"track","event":"Order Completed","anonymousId":"visitor-7",
		"properties":{"order_id":"o-1","total":95.50,"secret":"undeclared"},"context":{"ip":"80.10.0.77"}}`, inFrance)
	if want := `{"accepted":1,"withheld":0,"refused":[]}` + "\n"; r.status != 200 || r.body != want {
		t.Fatalf("got %d %s, want 200 %s", r.status, r.body, want)
	}
	got := p.records("events")
	if len(got) != 1 {
		t.Fatalf("got %d records, want 1", len(got))
	}
	value := string(got[0].Value)
	for _, want := range []string{`"type":"track"`, `"event":"Order Completed"`, `"order_id":"o-1"`, `"total":95.50`} {
		if !strings.Contains(value, want) {
			t.Errorf("the record lacks %s: %s", want, value)
		}
	}
	for _, leak := range []string{"visitor-7", "undeclared", "secret", "80.10.0"} {
		if strings.Contains(value+fmt.Sprint(got[0].Headers), leak) || got[0].Key != nil {
			t.Errorf("the record holds %q, which nothing allows: key %v, %s", leak, got[0].Key, value)
		}
	}
	for name, want := range map[string]string{
		"ce_specversion": "1.0", "ce_type": "assent.track", "ce_dataschema": "urn:assent:event:1", "content-type": "application/json",
		"privacy-jurisdiction": "FR", "privacy-regime": "GDPR", "privacy-purposes": "necessary,security",
	} {
		if got[0].Headers[name] != want {
			t.Errorf("header %s is %q, want %q", name, got[0].Headers[name], want)
		}
	}
	p.stop()
}
