package e2e

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sourcesConfig = `
sources:
  - {id: shop, key: shop-key, origins: ["https://shop.example", "https://www.shop.example:8443"], hosts: [data.shop.example]}
  - {id: app, kind: app, key: app-key}
  - {id: backend, kind: server, bearer_file: token, may_name: [address, event_time]}
  - {id: plain, kind: server, key: plain-key}
  - {id: brand-b, paths: [/brand-b, /eu/brand-b], origins: ["https://brand-b.example"]}
`

const backendToken = "a-secret-of-more-than-twenty-characters"

// startSources runs with the sources above.
func startSources(t *testing.T) *proxy {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"assent.yaml": sourcesConfig, "token": backendToken + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return start(t, "-c", filepath.Join(dir, "assent.yaml"))
}

// TestSourceKeys shows a key in each place that the field's SDKs put it.
func TestSourceKeys(t *testing.T) {
	t.Parallel()
	p := startSources(t)
	basic := func(user string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"))
	}
	with := func(key string) string { return `{"writeKey":"` + key + `",` + anOrder()[1:] }
	for _, c := range []struct{ name, path, body, header, source string }{
		{"query", "?k=shop-key", anOrder(), "", "shop"},
		{"query, long", "?writeKey=shop-key", anOrder(), "", "shop"},
		{"basic", "", anOrder(), basic("app-key"), "app"},
		{"basic in another case", "", anOrder(), strings.Replace(basic("app-key"), "Basic", "bASIC ", 1), "app"},
		{"a staging site's own login", "?k=shop-key", anOrder(), basic("staging"), "shop"},
		{"bearer in another case", "", anOrder(), "Authorization: bearer  app-key", "app"},
		{"bearer, public key", "", anOrder(), "Authorization: Bearer app-key", "app"},
		{"bearer, secret", "", anOrder(), "Authorization: Bearer " + backendToken, "backend"},
		{"body", "", with("app-key"), "", "app"},
		{"body of a batch", "", `{"batch":[` + anOrder() + `],"writeKey":"app-key"}`, "", "app"},
		{"body of a batch with a bad item", "", `{"batch":[` + anOrder() + `,{"type":01}],"writeKey":"app-key"}`, "", "app"},
		{"host", "", anOrder(), "Host: data.shop.example", "shop"},
		{"host as somebody may write it", "", anOrder(), "Host: Data.Shop.Example.:443", "shop"},
		{"key above host", "?k=app-key", anOrder(), "Host: data.shop.example", "app"},
		{"query above body", "?k=app-key", with("shop-key"), "", "app"},
	} {
		before := len(p.records("events"))
		r := p.send("POST", "/v1/events"+c.path, c.body, headers(c.header, inFrance)...)
		got := p.records("events")[before:]
		if r.status != 200 || len(got) != 1 || got[0].Headers["ce_source"] != "urn:assent:source:"+c.source {
			t.Errorf("%s: got %d %s, %v; want one record of source %s", c.name, r.status, r.body, got, c.source)
		}
	}
	for path, want := range map[string]string{
		"/brand-b/v1/events": "brand-b", "/eu/brand-b/v1/events": "brand-b", "/brand-b/v1/events/": "brand-b", "/brand-b/v1/events?k=app-key": "app",
		"/brand-bee/v1/events": "", "/eu/v1/events": "", "/brand-b//v1/events": "brand-b",
	} {
		before := len(p.records("events"))
		r := p.send("POST", path, anOrder(), inFrance)
		got := p.records("events")[before:]
		if want == "" && r.status != 404 || want != "" && (r.status != 200 || len(got) != 1 || got[0].Headers["ce_source"] != "urn:assent:source:"+want) {
			t.Errorf("%s: got %d %s, %v; want source %q", path, r.status, r.body, got, want)
		}
	}
	before := len(p.records("events"))
	p.send("POST", "/v1/events", anOrder(), inFrance, "X-Forwarded-Prefix: /brand-b")
	if got := p.records("events")[before:]; len(got) != 1 || got[0].Headers["ce_source"] != "urn:assent:source:brand-b" {
		t.Errorf("behind a front that strips the prefix: %v", got)
	}
	for _, c := range []struct{ name, path, body, header string }{
		{"none", "", anOrder(), ""},
		{"unknown in query", "?k=nobody", anOrder(), ""},
		{"unknown, though the host is known", "?k=nobody", anOrder(), "Host: data.shop.example"},
		{"unknown in body", "", with("nobody"), ""},
		{"unknown bearer", "", anOrder(), "Authorization: Bearer nobody"},
		{"cut bearer", "", anOrder(), "Authorization: Bearer " + backendToken[:30]},
		{"the secret in the query", "?k=" + backendToken, anOrder(), ""},
		{"unknown basic", "", anOrder(), basic("nobody")},
		{"basic that is not base64", "", anOrder(), "Authorization: Basic !!"},
		{"empty bearer", "?k=", anOrder(), "Authorization: Bearer "},
	} {
		events, bad := len(p.records("events")), len(p.records("events.bad"))
		r := p.send("POST", "/v1/events"+c.path, c.body, headers(c.header, inFrance)...)
		r.problem(t, 401, "source_unknown")
		if len(p.records("events")) != events || len(p.records("events.bad")) != bad {
			t.Errorf("%s: a stranger wrote to disk", c.name)
		}
	}
	p.stop()
}

func headers(list ...string) []string {
	var out []string
	for _, h := range list {
		if h != "" {
			out = append(out, h)
		}
	}
	return out
}

// TestServerSource: a server speaks of people elsewhere. Its own address tells
// nothing of them, and only its secret lets it name theirs.
func TestServerSource(t *testing.T) {
	t.Parallel()
	p := startSources(t)
	event := `{"type":"page","name":"Home","anonymousId":"a","context":{"ip":"12.0.0.1"}}`
	for _, c := range []struct{ name, header, jurisdiction string }{
		{"without the right", "Authorization: Bearer plain-key", ""},
		{"with the right and the secret", "Authorization: Bearer " + backendToken, "US"},
	} {
		before := len(p.records("events"))
		r := p.send("POST", "/v1/events", event, c.header, inUSA)
		got := p.records("events")[before:]
		switch {
		case r.status != 200:
			t.Errorf("%s: %d %s", c.name, r.status, r.body)
		case c.jurisdiction == "" && len(got) != 0:
			t.Errorf("%s: judged as if its place were known: %v", c.name, got[0].Headers)
		case c.jurisdiction != "" && (len(got) != 1 || got[0].Headers["privacy-jurisdiction"] != c.jurisdiction):
			t.Errorf("%s: records %v", c.name, got)
		}
		if len(r.cookies) != 0 {
			t.Errorf("%s: a server was given cookies", c.name)
		}
	}
	p.stop()
}

// TestCORS: an allowed origin is named, with credentials; any other is refused;
// none is ever reflected unchecked.
func TestCORS(t *testing.T) {
	t.Parallel()
	p := startSources(t)
	const shop = "https://shop.example"
	allowed := func(h http.Header, origin string) bool {
		// Said twice, a browser refuses the answer.
		return slices.Equal(h.Values("Access-Control-Allow-Origin"), []string{origin}) && h.Get("Access-Control-Allow-Credentials") == "true" &&
			strings.Contains(strings.ToLower(h.Get("Vary")), "origin")
	}
	for _, origin := range []string{shop, "https://www.shop.example:8443"} {
		if r := p.send("POST", "/v1/events?k=shop-key", anOrder(), "Origin: "+origin, inFrance); r.status != 200 || !allowed(r.header, origin) {
			t.Errorf("an allowed origin: %d %v", r.status, r.header)
		}
		r := p.send("OPTIONS", "/v1/events?k=shop-key", "", "Origin: "+origin, "Access-Control-Request-Method: POST")
		if r.status != 204 || !allowed(r.header, origin) || !strings.Contains(r.header.Get("Access-Control-Allow-Methods"), "POST") ||
			!strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "content-type") {
			t.Errorf("preflight of an allowed origin: %d %v", r.status, r.header)
		}
	}
	// A page must be able to read why it was refused.
	if r := p.send("POST", "/v1/events?k=shop-key", "hello", "Origin: "+shop, inFrance); r.status != 400 || !allowed(r.header, shop) {
		t.Errorf("a refusal to an allowed origin: %d %v", r.status, r.header)
	}
	if r := p.send("POST", "/v1/consent?k=shop-key", `{"all":"granted"}`, "Origin: "+shop, inFrance); r.status != 415 || !allowed(r.header, shop) {
		t.Errorf("a choice that is not sent as JSON: %d %v", r.status, r.header)
	}
	// So must one whose key is wrong, whatever the route, and what it asks to send is allowed.
	for _, path := range []string{"/v1/events", "/v1/consent", "/nowhere"} {
		const asked = "content-type,traceparent,tracestate,baggage,sentry-trace,x-requested-with"
		r := p.send("OPTIONS", path, "", "Origin: "+shop, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+asked)
		if r.status != 204 || !allowed(r.header, shop) || r.header.Get("Access-Control-Allow-Headers") != asked {
			t.Errorf("preflight of %s: %d %v", path, r.status, r.header)
		}
		if r := p.send("POST", path+"?k=unknown", anOrder(), "Origin: "+shop, inFrance); r.status < 400 || !allowed(r.header, shop) {
			t.Errorf("%s with an unknown key: %d %v", path, r.status, r.header)
		}
	}
	if r := p.send("OPTIONS", "/v1/events", "", "Origin: "+shop, "Access-Control-Request-Headers: <script>"); strings.Contains(r.header.Get("Access-Control-Allow-Headers"), "<") {
		t.Errorf("reflected: %v", r.header)
	}
	for _, origin := range []string{
		"https://evil.example", "null", "https://shop.example.evil.example", "http://shop.example", "https://shop.example:443",
		"https://xshop.example", "https://shop.example/", "*", "https://www.shop.example", "HTTPS://SHOP.EXAMPLE",
	} {
		events := len(p.records("events"))
		const refusals = `assent_collector_refused_total{reason="origin_not_allowed"}`
		before := p.metric(refusals)
		replies := []reply{
			p.send("POST", "/v1/events?k=shop-key", anOrder(), "Origin: "+origin, inFrance),
			p.send("POST", "/v1/events?k=app-key", anOrder(), "Origin: "+origin, inFrance),
			p.send("POST", "/v1/consent?k=shop-key", `{"all":"granted"}`, "Origin: "+origin, "Content-Type: application/json", inFrance),
			p.send("GET", "/v1/consent?k=shop-key", "", "Origin: "+origin, inFrance),
			p.send("OPTIONS", "/v1/events", "", "Origin: "+origin, "Access-Control-Request-Method: POST"),
		}
		if counted := p.metric(refusals) - before; int(counted) != len(replies) {
			t.Errorf("%v of %d refusals to origin %s are counted", counted, len(replies), origin)
		}
		for _, r := range replies {
			r.problem(t, 403, "origin_not_allowed")
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("origin %s is told %s", origin, name)
				}
			}
		}
		if len(p.records("events")) != events {
			t.Errorf("an event of origin %s was stored", origin)
		}
	}
	// The key in the body decides too: the origin is the shop's, not the app's.
	p.send("POST", "/v1/events", `{"writeKey":"app-key",`+anOrder()[1:], "Origin: "+shop, inFrance).problem(t, 403, "origin_not_allowed")
	p.works("Authorization: Bearer app-key")
	p.stop()
}
