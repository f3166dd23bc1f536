package collector_test

import (
	"strings"
	"testing"
	"time"

	"assent/collector"
	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/policy"
)

// TestGPCLines: a request signals when one member of one Sec-GPC line is 1,
// however proxies joined or split the lines.
func TestGPCLines(t *testing.T) {
	s := serve(t, &fakeSink{})
	f := func(want bool, lines ...string) {
		t.Helper()
		raw := "GET /v1/consent HTTP/1.1\r\nHost: shop.example\r\n"
		for _, l := range lines {
			raw += "sec-gpc:" + l + "\r\n"
		}
		r, body := s.send(raw + "\r\n")
		if r.StatusCode != 200 || strings.Contains(body, `"signals":["gpc"]`) != want {
			t.Errorf("%q: %d %s, want a signal: %t", lines, r.StatusCode, body, want)
		}
	}
	f(false)
	f(false, "0")
	f(false, "true")
	f(false, "0", "true")
	f(false, "")
	f(true, "1")
	f(true, " 1 ")
	f(true, "1, 1")
	f(true, "0,1")
	f(true, "0", "1")
	f(true, "1", "0")
	f(true, "0", "true,\t1", "0")
}

// TestPlacesOfARequest: what stands at a place of the table reaches the reader, each
// value of several, from header, cookie and query alike.
func TestPlacesOfARequest(t *testing.T) {
	s := serve(t, &fakeSink{})
	s.c.LookFor(
		signals.Place{Scheme: consent.Segment, In: signals.Cookie, Name: "prefs"},
		signals.Place{Scheme: consent.GPC, In: signals.Query, Name: "opt out"},
		signals.Place{Scheme: consent.GPC, In: signals.Header, Name: "X-Opt-Out"},
	)
	f := func(want, query string, lines ...string) {
		t.Helper()
		raw := "GET /v1/consent" + query + " HTTP/1.1\r\nHost: shop.example\r\n"
		for _, l := range lines {
			raw += l + "\r\n"
		}
		r, body := s.send(raw + "\r\n")
		if r.StatusCode != 200 || !strings.Contains(body, `"signals":`+want) {
			t.Errorf("%q, %q: %d %s, want %s", query, lines, r.StatusCode, body, want)
		}
	}
	f(`[]`, "", "Sec-GPC: 1")
	f(`["gpc"]`, "", "x-opt-out: 0", "X-Opt-Out: 1")
	f(`["gpc"]`, "?opt+out=0&a=b&opt%20out=%31")
	f(`[]`, "?Opt+out=1&out=1")
	f(`["segment"]`, "", `Cookie: a=b; prefs={"Analytics":true}`)
	f(`["segment"]`, "", `Cookie: prefs=`)
	f(`[]`, "", `Cookie: Prefs={"Analytics":true}; prefs2=1`)
	f(`["gpc","segment"]`, "?opt+out=1", `Cookie: prefs={"Analytics":true}; prefs={"Analytics":false}`, "X-Opt-Out: 1")
}

// TestEventSignals: what an event says of consent is read, or absent, or a signal
// that cannot be read, which leaves what contract and law allow and gives no id
// cookie. The judgement, the cookie and explain read it alike.
func TestEventSignals(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink)
	const (
		silent     = "for security and analytics, with a cookie" // in the United States silence is not no
		denied     = "for security"
		unreadable = "withheld"
	)
	f := func(context, want string) {
		t.Helper()
		event := `{"type":"track","event":"Signed In"` + context + `}`
		r, body := s.send(post("/v1/events", event, "X-Forwarded-For: 12.0.0.1"))
		got := denied
		switch cookie := len(r.Header["Set-Cookie"]) > 0; {
		case strings.Contains(body, `{"accepted":1,"withheld":1,`) && !cookie:
			got = unreadable
		case !strings.Contains(body, `{"accepted":1,"withheld":0,`):
			got = body
		case cookie:
			got = silent
		}
		if got != want {
			t.Errorf("%s: %s, want %s", context, got, want)
		}
		why, err := collector.Explain(s.c.Policy(), collector.Hypothetical{
			Event: []byte(event), Source: &collector.Source{ID: "demo", Kind: collector.KindWeb, Audience: policy.General},
			Place: &geo.Jurisdiction{Country: [2]byte{'U', 'S'}}, Now: time.Now(),
		})
		if err != nil {
			t.Fatal(err)
		}
		got = unreadable
		for _, u := range why.Purposes {
			switch {
			case u.Name == "security" && u.Allowed && got == unreadable:
				got = denied
			case u.Name == "analytics" && u.Allowed:
				got = silent
			}
		}
		if got != want {
			t.Errorf("explain %s: %s, want %s", context, got, want)
		}
	}
	inContext := func(value, want string) {
		t.Helper()
		f(`,"context":{"locale":"en","consent":`+value+`}`, want)
	}
	f(``, silent)
	f(`,"context":null`, silent)
	f(`,"context":{}`, silent)
	f(`,"context":{ }`, silent)
	f(`,"context":{"locale":"en"}`, silent)
	f(`,"consent":false`, silent) // not where a tracker puts it
	inContext(`null`, silent)
	inContext(`{}`, silent)
	inContext(`{`+"\t"+`}`, silent)
	inContext(`{"categoryPreferences":{"Analytics":true,"Functional":true,"Advertising":true}}`, silent)
	inContext(`{"categoryPreferences":{}}`, denied)
	inContext(`{"categoryPreferences":{"Analytics":false}}`, denied)
	for _, shape := range []string{`[]`, `[{"consent":{}}]`, `"granted"`, `""`, `0`, `true`, `false`} {
		f(`,"context":`+shape, unreadable)
		inContext(shape, unreadable)
		inContext(`{"categoryPreferences":`+shape+`}`, unreadable)
		inContext(`{"categoryPreferences":{"Analytics":true,"Functional":true,"Advertising":true,"Other":`+strings.NewReplacer("true", "1", "false", `"false"`).Replace(shape)+`}}`, unreadable)
	}
	inContext(`{"categoryPreferences":null}`, unreadable)
	inContext(`{"categorypreferences":{"Analytics":false}}`, unreadable)
	inContext(`{"Analytics":false}`, unreadable)
}
