package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRates: who sends too fast is told so and when to come again; other sources,
// other addresses, a server that proves itself and people's choices are not
// touched.
func TestRates(t *testing.T) {
	t.Parallel()
	token := save(t, "token", backendToken)
	config := func(limits string) string {
		return save(t, "assent.yaml", limits+`
sources:
  - {id: shop, key: shop}
  - {id: app, kind: app, key: app}
  - {id: backend, kind: server, bearer_file: `+token+`}
`)
	}
	choice := func(p *proxy) {
		t.Helper()
		for range 10 {
			if r := p.send("POST", "/v1/consent?k=shop", `{"all":"denied"}`, inFrance, "Content-Type: application/json"); r.status != 201 {
				t.Errorf("a choice: %d %s", r.status, r.body)
			}
		}
	}
	// Three requests at once, then one a second.
	exhaust := func(p *proxy) {
		t.Helper()
		before, taken, begun := len(p.records("events")), 0, time.Now()
		for {
			r := p.send("POST", "/v1/events?k=shop", anOrder(), inFrance)
			if r.status != 200 {
				r.problem(t, 429, "rate_limited")
				if r.header.Get("Retry-After") == "" {
					t.Error("429 without Retry-After")
				}
				break
			}
			taken++
		}
		if most := 4 + int(time.Since(begun).Seconds()); taken < 3 || taken > most {
			t.Errorf("%d requests taken, want 3 to %d", taken, most)
		}
		if n := len(p.records("events")) - before; n != taken {
			t.Errorf("%d events stored of %d taken", n, taken)
		}
	}

	p := start(t, "-c", config("limits: {source_rate: 1, source_burst: 3}"))
	exhaust(p)
	choice(p)
	p.works("Authorization: Bearer app")
	p.stop()

	p = start(t, "-c", config("limits: {address_rate: 1, address_burst: 3}"))
	exhaust(p)
	choice(p)
	p.works("Authorization: Bearer " + backendToken)
	if r := p.send("POST", "/v1/events?k=shop", anOrder(), inGermany); r.status != 200 {
		t.Errorf("from another address: %d %s", r.status, r.body)
	}
	p.stop()
}

// TestFloodOfBadRows: 5,000 refused events leave about as many rows as a burst has
// (100), and what is beyond is added up.
func TestFloodOfBadRows(t *testing.T) {
	t.Parallel()
	p := start(t)
	const events = 5000
	for range 5 {
		r := p.send("POST", "/v1/events", "["+strings.Repeat("7,", events/5-1)+"7]", inFrance)
		if r.status != 200 || strings.Count(r.body, "not_an_object") != events/5 {
			t.Errorf("%d %.200s", r.status, r.body)
		}
	}
	p.works()
	p.stop()
	single, added, sums := 0, 0, 0
	for _, r := range p.records("events.bad") {
		var row struct {
			Stage, Reason, Hash, Source string
			Count, Size                 int
		}
		if err := json.Unmarshal(r.Value, &row); err != nil || row.Stage != "receive" || row.Reason != "not_an_object" || row.Source != "demo" {
			t.Errorf("%v: %s", err, r.Value)
		}
		switch {
		case row.Count == 0 && row.Size == 1 && row.Hash != "":
			single++
		case row.Count > 0 && row.Size == row.Count && row.Hash == "":
			sums++
			added += row.Count
		default:
			t.Errorf("a row of %s", r.Value)
		}
	}
	// The rows that the rate (10 a second) lets by, and the sums that are written
	// while this runs (every 10 s), depend on how long it takes.
	if told := fmt.Sprintf("%d rows, %d added up in %d", single, added, sums); single+added != events || single < 100 || single > 400 || sums < 1 || sums > 4 {
		t.Error(told)
	} else {
		t.Log(told)
	}
}
