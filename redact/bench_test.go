package redact

import (
	"encoding/json"
	"os"
	"testing"
)

// eventRules declare what a shop would: 30 paths, of which the event of the
// benchmark uses most.
func eventRules() []Rule {
	var rules []Rule
	for _, path := range []string{
		"type", "event", "messageId", "timestamp", "context.locale", "context.userAgent",
		"context.page.url", "context.page.path", "context.page.title", "context.page.referrer",
		"context.library.name", "context.library.version", "context.campaign.source", "context.campaign.medium",
		"properties.cart_id", "properties.product_id", "properties.sku", "properties.name", "properties.category",
		"properties.brand", "properties.price", "properties.currency", "properties.quantity", "properties.position",
		"properties.products[].sku",
	} {
		rules = append(rules, Rule{Path: path, Any: 1 | 2, Category: 1, Days: 395})
	}
	return append(rules,
		Rule{Path: "anonymousId", Any: 2, Category: 2, Days: 395},
		Rule{Path: "context.ip", Any: 4, Category: 3},
		Rule{Path: "properties.email", Any: 8, Category: 4},
	)
}

func readEvent(tb testing.TB) []byte {
	event, err := os.ReadFile("testdata/event.json")
	if err != nil {
		tb.Fatal(err)
	}
	return event
}

func benchmarkAppend(b *testing.B, rules []Rule) {
	event := readEvent(b)
	p, err := Compile(rules)
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	var t Tally
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		t.Reset()
		if dst, err = p.Append(dst[:0], event, Grants{First, 3}, nil, &t); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) { benchmarkAppend(b, eventRules()) }

func BenchmarkFind(b *testing.B) {
	event := readEvent(b)
	f := NewFinder("type", "event", "messageId", "anonymousId", "userId", "timestamp", "context.consent.categoryPreferences")
	spans := make([]Span, 7)
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Find(event, spans); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOracleMap is the work of BenchmarkAppend done with encoding/json:
// decode into maps, delete, encode.
func BenchmarkOracleMap(b *testing.B) {
	event := readEvent(b)
	declared := map[string]bool{}
	for _, r := range eventRules() {
		declared[r.Path] = passes(r.Any, r.All, 3)
	}
	b.SetBytes(int64(len(event)))
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal(event, &m); err != nil {
			b.Fatal(err)
		}
		prune(m, "", declared)
		if _, err := json.Marshal(m); err != nil {
			b.Fatal(err)
		}
	}
}

func prune(m map[string]any, prefix string, declared map[string]bool) {
	for k, v := range m {
		if inner, ok := v.(map[string]any); ok {
			prune(inner, prefix+k+".", declared)
			if len(inner) == 0 {
				delete(m, k)
			}
		} else if !declared[prefix+k] {
			delete(m, k)
		}
	}
}
