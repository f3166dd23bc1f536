//go:build !race

package redact

import "testing"

func TestNothingIsAllocated(t *testing.T) {
	event := readEvent(t)
	escaped := []byte(`{"t\u0079pe":"t\u0072ack","context":{"i\u0070":"2001:db8::\u0031","page":{"url":"https:\/\/u@h\/?a=1&utm_source=x"}},"properties":{"\u0065mail":"\u0061@b","price":12.5,"at":"2026-11-22T07:04:54+01:00","born":"1990-05-17","ms":1795331094123.5,"card":"4111\u0031111"}}`)
	key := testKey(t, "k")
	p, err := Compile([]Rule{
		{Path: "type", Any: 1},
		{Path: "context.ip", Any: 2, Else: Fallback{Any: 1, Do: Action{Do: Truncate}}},
		{Path: "context.page.url", Any: 1, Keep: Action{Do: StripQuery, Allow: []string{"utm_source"}}},
		{Path: "properties.email", Any: 2, Else: Fallback{Any: 1, Do: Action{Do: HMAC, Key: key}}},
		{Path: "properties.price", Any: 1, Keep: Action{Do: Coarsen, Step: "5"}},
		{Path: "properties.at", Any: 1, Keep: Action{Do: Coarsen, Step: "day"}},
		{Path: "properties.born", Any: 1, Keep: Action{Do: Coarsen, Step: "year"}},
		{Path: "properties.ms", Any: 1, Keep: Action{Do: Coarsen, Step: "hour"}},
		{Path: "properties.card", Any: 1, Keep: Action{Do: Mask, Last: 4}},
		{Path: "anonymousId", Any: 1},
	}, "anonymousId", "context.ip", "receivedAt")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Compile(eventRules())
	if err != nil {
		t.Fatal(err)
	}
	var s Supply
	var tally Tally
	dst := make([]byte, 0, 4096)
	finder := NewFinder("type", "context.ip", "properties.email")
	spans := make([]Span, 3)
	batch := append(append(append([]byte("["), event...), ','), append(append([]byte{}, event...), ']')...)
	check := func(what string, f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n := testing.AllocsPerRun(100, func() { _ = f() }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
	appendTo := func(p *Program, src []byte, g Grants) func() error {
		return func() error {
			tally.Reset()
			s.Reset()
			s.Set(0, "a1")
			s.Set(1, "203.0.113.77")
			s.Set(2, "never declared")
			_, err := p.Append(dst[:0], src, g, &s, &tally)
			return err
		}
	}
	check("Append", appendTo(plain, event, Grants{First, 3}))
	check("Append with every action", appendTo(p, escaped, Grants{First, 1}))
	check("Append again", appendTo(p, escaped, Grants{3, 1}))
	check("Append of an event with supply", appendTo(p, event, Grants{First, 1}))
	check("Find", func() error { return finder.Find(event, spans) })
	check("Find of escaped keys", func() error { return finder.Find(escaped, spans) })
	check("Value", func() error { _, err := Value(event, 0); return err })
	n := 0
	check("EachElement", func() error { return EachElement(batch, func([]byte) error { n++; return nil }) })
	check("FindEach", func() error {
		return finder.FindEach(batch, spans, func(_ []byte, refused error) error { n++; return refused })
	})
	check("EachMember", func() error { return EachMember(event, func(_, _ []byte) error { n++; return nil }) })
	check("AppendUnquoted", func() error { _, err := AppendUnquoted(dst[:0], []byte(`"a\u0062"`)); return err })
	check("AppendQuoted", func() error { dst = AppendQuoted(dst[:0], "a\"é\xff"); return nil })
}
