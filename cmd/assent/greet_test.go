package main

import (
	"net"
	"strings"
	"testing"

	"assent/keys"
)

// TestDemoIsForThisMachine: off loopback the demo page is served where it is asked
// for alone, and never beside a policy of one's own.
func TestDemoIsForThisMachine(t *testing.T) {
	ring, err := keys.Generate(zeros{})
	if err != nil {
		t.Fatal(err)
	}
	pol, _, err := readPolicy("", ring, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		listen, policy string
		asked, want    bool
	}{
		{"127.0.0.1:8080", "", false, true},
		{"[::1]:8080", "", false, true},
		{"localhost:8080", "", false, true},
		{"0.0.0.0:8080", "", false, false},
		{":8080", "", false, false},
		{"[::]:8080", "", false, false},
		{"192.0.2.1:8080", "", false, false},
		{"shop.example:8080", "", false, false},
		{"0.0.0.0:8080", "", true, true},
		{"127.0.0.1:8080", "policy.yaml", false, false},
		{"127.0.0.1:8080", "policy.yaml", true, false},
	} {
		cfg := &config{Listen: c.listen, Policy: c.policy, Demo: c.asked}
		if got := cfg.pages(pol)["/"] != nil; got != c.want {
			t.Errorf("%+v: served %v", c, got)
		}
		var greeting strings.Builder
		greet(&greeting, cfg, &net.TCPAddr{}, &net.TCPAddr{})
		if got := strings.Contains(greeting.String(), "try it"); got != c.want {
			t.Errorf("%+v: promised %v", c, got)
		}
	}
}
