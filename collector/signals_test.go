package collector_test

import (
	"strings"
	"testing"
	"time"

	"assent/collector"
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
	const closed = "; OptanonAlertBoxClosed=2026-11-01T10:00:00.000Z"
	f(`[]`, "", "X-GPC: 1")
	f(`["gpc"]`, "", "sec-gpc: 0", "Sec-GPC: 1")
	f(`["consent_mode"]`, "?gc%73=%47101&a=b")
	f(`["consent_mode"]`, "?gcs=G100&gcs=G111")
	f(`[]`, "?Gcs=G100&ags=1&us_privacy=1YYN") // the last is mapped to nothing
	f(`["onetrust"]`, "", "Cookie: a=b; OptanonConsent=groups=C0002%3A0"+closed)
	f(`[]`, "?gcs=&gdpr_consent=", "Cookie: OptanonConsent=")
	f(`[]`, "", "Cookie: optanonconsent=groups=C0002%3A0; OptanonConsent2=1"+closed)
	f(`["gpc","consent_mode","onetrust"]`, "?gcs=G100", "Cookie: OptanonConsent=groups=C0002%3A1; OptanonConsent=groups=C0002%3A0"+closed, "Sec-GPC: 1")
}

// TestStricterOfSeveral: of one cookie that comes many times, in one line or in several,
// the strictest counts, wherever it stands; and what cannot be read among them leaves
// what contract and law allow.
func TestStricterOfSeveral(t *testing.T) {
	s := serve(t, &fakeSink{})
	f := func(want, cookies string) {
		t.Helper()
		// In the United States silence is not no.
		_, body := s.send("GET /v1/consent HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 12.0.0.1\r\n" + cookies + "\r\n")
		if !strings.Contains(body, `"analytics":{`+want) {
			t.Errorf("%.200q: %s, want %s", cookies, body, want)
		}
	}
	const (
		box   = "Cookie: OptanonAlertBoxClosed=2026-11-01T10:00:00.000Z\r\n"
		grant = "OptanonConsent=groups=C0002%3A1%2CC0003%3A1%2CC0004%3A1"
		deny  = "OptanonConsent=groups=C0002%3A0%2CC0003%3A1%2CC0004%3A1"

		allowed = `"status":"unknown","allowed":true`
		denied  = `"status":"denied","allowed":false,"source":"signal","why":"denied_preference"`
	)
	f(allowed, "")
	f(allowed, box+"Cookie: "+grant+"\r\n")
	f(denied, box+"Cookie: "+deny+"\r\n")
	f(denied, box+"Cookie: "+deny+"; "+grant+"\r\n")
	f(denied, box+"Cookie: "+grant+"; "+deny+"\r\n")
	f(denied, box+"Cookie: "+deny+"\r\nCookie: "+grant+"\r\n")
	f(denied, box+"Cookie: "+strings.Repeat(grant+"; ", 60)+deny+"; "+strings.Repeat(grant+"; ", 60)+grant+"\r\n")
	f(`"status":"unknown","allowed":false,"source":"law","why":"unreadable"`, box+"Cookie: "+grant+"; OptanonConsent=groups=C0002\r\n")
	// Defaults, before anybody chose: a no by default is no refusal.
	f(`"status":"denied","allowed":false,"source":"signal","why":"signal_unusable"`, "Cookie: "+deny+"\r\n")
	f(allowed, "Cookie: "+grant+"\r\n")
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

// TestBatchContext: what a batch says of consent is said of each of its events.
func TestBatchContext(t *testing.T) {
	s := serve(t, &fakeSink{})
	for context, withheld := range map[string]string{
		``: "0", `,"context":null`: "0", `,"context":{}`: "0",
		`,"context":{"consent":{"categoryPreferences":{"Analytics":false,"Advertising":false,"Functional":true}}}`: "1",
		`,"context":{"consent":7}`: "1", `,"context":[1]`: "1", `,"context":{"consent":{"categoryPreferences":{"Analytics":true,"Advertising":true,"Functional":true}}}`: "0",
	} {
		for _, event := range []string{`{"type":"page"}`, `{"type":"page","x":"\ud800"},{"type":"page"}`} { // the second: a body that is not wholly valid
			_, body := s.send(post("/v1/events", `{"batch":[`+event+`]`+context+`}`, "X-Forwarded-For: 12.0.0.1"))
			if want := `{"accepted":1,"withheld":` + withheld; !strings.HasPrefix(body, want) {
				t.Errorf("%s %s: %s, want %s", event, context, body, want)
			}
		}
	}
}

// TestHeardIsCounted: by scheme and verdict, and where two schemes contradict each other.
func TestHeardIsCounted(t *testing.T) {
	s := serve(t, &fakeSink{})
	event := `{"type":"page","context":{"consent":{"categoryPreferences":{"Analytics":true,"Functional":true,"Advertising":true}}}}`
	for _, cookies := range []string{
		"Cookie: OptanonConsent=groups=C0002%3A0%2CC0003%3A1%2CC0004%3A1; OptanonAlertBoxClosed=2026-11-01T10:00:00.000Z",
		"Cookie: euconsent-v2=garbled",
		"Cookie: a=b; OptanonConsent=groups=C0002%3A0", // defaults
	} {
		if r, body := s.send(post("/v1/events", event, cookies, "Sec-GPC: 1")); r.StatusCode != 200 {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
	}
	for name, want := range map[string]int{
		`assent_consent_signals_total{scheme="segment",verdict="allows"}`:            3,
		`assent_consent_signals_total{scheme="gpc",verdict="opt_out"}`:               3,
		`assent_consent_signals_total{scheme="onetrust",verdict="refuses"}`:          1,
		`assent_consent_signals_total{scheme="onetrust",verdict="unusable"}`:         1,
		`assent_consent_signals_total{scheme="tcf",verdict="unreadable"}`:            1,
		`assent_consent_signal_conflicts_total{allows="segment",refuses="onetrust"}`: 1,
	} {
		if got := s.metric(name); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}
