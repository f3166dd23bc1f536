package names

import (
	"strings"
	"testing"
)

func TestRules(t *testing.T) {
	rules := map[string]func(string) error{"identifier": Identifier, "label": Label, "topic": Topic}
	f := func(rule, name string, ok bool) {
		t.Helper()
		if err := rules[rule](name); (err == nil) != ok {
			t.Errorf("%s %q: %v", rule, name, err)
		}
	}
	// What means something in a header, a metric label, JSON, a list or a path is in no name.
	for rule := range rules {
		f(rule, "shop", true)
		f(rule, "a-b_1", true)
		f(rule, "", false)
		f(rule, ".", false)
		f(rule, "..", false)
		f(rule, ".lock", false)
		for _, c := range "\"\\,;=@ \t\n\r\x00\x7f{}[]()<>%?#&*'`|^$!~é\u2028\ufeff" {
			f(rule, "a"+string(c), false)
			f(rule, "a"+string(c)+"b", false)
			f(rule, string(c)+"b", false)
		}
		f(rule, "a\xff", false)
	}
	f("identifier", "a.b", false)
	f("identifier", "A", false)
	f("identifier", "1a", false)
	f("identifier", strings.Repeat("x", 64), true)
	f("identifier", strings.Repeat("x", 65), false)
	f("label", "sensitive.health", true)
	f("label", "2026-11-22", true)
	f("label", "v1.2.3+build:a/b", true)
	f("label", "/a", false)
	f("label", strings.Repeat("x", 128), true)
	f("label", strings.Repeat("x", 129), false)
	f("topic", "A-z_0..9", true)
	f("topic", "a/b", false)
	f("topic", "__consumer_offsets", false)
	f("topic", "_a", true)
	f("topic", strings.Repeat("x", 249), true)
	f("topic", strings.Repeat("x", 250), false)
	for name, want := range map[string]bool{"consent.log": true, "consent.sync": true, "consent.state": true, "privacy.requests": true, "events": false, "events.bad": false} {
		if Reserved(name) != want {
			t.Errorf("Reserved(%q) is not %v", name, want)
		}
	}
}
