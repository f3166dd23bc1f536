package collector_test

import (
	"strings"
	"testing"
	"time"

	"assent/collector"
)

// TestChoiceRate: choices are held to a rate by address, by count and by bytes. What
// only denies has a reserve that grants cannot touch; a server that showed its token
// and the reading of a state are not limited.
func TestChoiceRate(t *testing.T) {
	at := newClock()
	s := serve(t, &fakeSink{}, func(o *collector.Options) {
		o.Now = at.Now
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "s", Kind: collector.KindServer, Bearer: "secret"}}
		o.Limits.ChoiceRate, o.Limits.ChoiceBurst = 1, 10
	})
	const grant, some, deny = `{"all":"granted"}`, `{"purposes":{"analytics":"denied","preferences":"granted"}}`, `{"all":"denied"}`
	long := func(body string, n int) string { return body + strings.Repeat(" ", n<<10-len(body)) }
	send := func(address, body string, times, status int, headers ...string) {
		t.Helper()
		for range times {
			line := "X-Forwarded-For: " + address + "\r\n"
			if address == "" {
				line = ""
			}
			r, got := s.send(strings.Replace(post("/v1/consent", body, headers...), "X-Forwarded-For: 80.10.0.1\r\n", line, 1))
			if r.StatusCode != status {
				t.Errorf("%.60s from %s: %d %s, want %d", body, address, r.StatusCode, got, status)
			}
			if status == 429 {
				refused(t, r, got, 429, "rate_limited")
			}
		}
	}
	key := "Authorization: Bearer a"
	send("12.0.0.1", grant, 4, 201, key)
	send("12.0.0.1", some, 3, 201, key)
	send("12.0.0.1", deny, 1, 201, key)
	send("12.0.0.1", long(grant, 3), 1, 429, key) // three tokens, and two are left
	send("12.0.0.1", long(grant, 2), 1, 201, key)
	for _, none := range []string{grant, some, `{}`, `{"all":"granted","purposes":{"analytics":"denied"}}`} {
		send("12.0.0.1", none, 2, 429, key)
	}
	send("12.0.0.1", deny, 4, 201, key)
	send("12.0.0.1", choice, 3, 201, key)
	send("12.0.0.1", `{"all":"denied","link":{"anonymousId":"t-1"}}`, 1, 201, key)
	send("12.0.0.1", long(deny, 2), 1, 201, key)
	send("12.0.0.1", deny, 1, 429, key)
	if r, body := s.send("GET /v1/consent?k=a HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 12.0.0.1\r\n\r\n"); r.StatusCode != 200 {
		t.Errorf("reading the state: %d %s", r.StatusCode, body)
	}
	if r, body := s.send(strings.Replace(post("/v1/events?k=a", order("m")), "80.10.0.1", "12.0.0.1", 1)); r.StatusCode != 200 {
		t.Errorf("an event: %d %s", r.StatusCode, body)
	}
	send("12.0.0.1", grant, 30, 201, "Authorization: Bearer secret")
	send("", grant, 30, 201, key) // this machine's own proxy, saying nothing
	// What a stranger writes beside the proxy's line does not make them this machine.
	send("12.0.0.9", grant, 10, 201, key, "Forwarded: for=unknown")
	send("12.0.0.9", grant, 1, 429, key, "Forwarded: for=unknown")
	send("2001:db8::1", grant, 10, 201, key)
	send("2001:db8::ffff:2", grant, 1, 429, key) // the same network
	send("12.0.0.2", grant, 10, 201, key)
	at.pass(10 * time.Second)
	send("12.0.0.1", grant, 1, 429, key) // the reserve fills first
	send("12.0.0.1", deny, 10, 201, key)
	at.pass(20 * time.Second)
	send("12.0.0.1", grant, 10, 201, key)
	send("12.0.0.1", grant, 1, 429, key)
}
