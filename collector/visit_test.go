package collector_test

import (
	"net/http"
	"strings"
	"testing"

	"assent/collector"
	"assent/consent"
)

// refusing is a page whose form, without a script, refuses everything.
func refusing(v *collector.Visit, a *collector.Answer) {
	if string(v.Request().Method) == "POST" {
		form, err := v.Form()
		if err != nil {
			v.Refuse(err)
			return
		}
		choice := consent.Choice{Method: consent.PreferenceCentre}
		if choice.All = consent.Granted; form.Get("all") == "denied" {
			choice.All = consent.Denied
		}
		if _, err := v.Choose(choice); err != nil {
			v.Refuse(err)
			return
		}
	}
	a.Body = append(a.Body, v.Policy().Version()+" "+v.Standing().Purposes["analytics"].Status...)
}

func withPage(o *collector.Options) {
	o.Sources = []*collector.Source{{ID: "shop", Hosts: []string{"shop.example"}, Origins: []string{"https://blog.example"}}}
	o.Pages = map[string]collector.Page{"/choices": refusing}
}

const form = "Content-Type: application/x-www-form-urlencoded"

// TestFormsChoose: a page's form, without a script, chooses for who sends it, and no
// other site's page can.
func TestFormsChoose(t *testing.T) {
	s := serve(t, &fakeSink{}, withPage)
	for _, c := range []struct {
		name    string
		headers []string
		body    string
		status  int
		reason  string
	}{
		{"own page", []string{form, "Sec-Fetch-Site: same-origin", "Origin: https://shop.example"}, "all=denied", 200, ""},
		{"own page, charset", []string{form + "; charset=UTF-8", "Sec-Fetch-Site: same-origin"}, "all=denied", 200, ""},
		{"own page, before Fetch Metadata", []string{form, "Origin: https://shop.example"}, "all=denied", 200, ""},
		{"no browser", []string{form}, "all=denied", 200, ""},
		{"another site", []string{form, "Sec-Fetch-Site: cross-site"}, "all=denied", 403, "origin_not_allowed"},
		{"a sibling", []string{form, "Sec-Fetch-Site: same-site", "Origin: https://blog.example"}, "all=denied", 403, "origin_not_allowed"},
		{"an origin that may send events", []string{form, "Origin: https://blog.example"}, "all=denied", 403, "origin_not_allowed"},
		{"an origin that may send nothing", []string{form, "Origin: https://evil.example"}, "all=denied", 403, "origin_not_allowed"},
		{"an opaque origin", []string{form, "Origin: null"}, "all=denied", 403, "origin_not_allowed"},
		{"JSON", []string{"Sec-Fetch-Site: same-origin"}, `{"all":"denied"}`, 400, "body_unreadable"},
		{"not encoded", []string{form}, "all=%zz", 400, "body_unreadable"},
		{"too many fields", []string{form}, strings.Repeat("a=b&", 256), 400, "body_unreadable"},
		{"too large", []string{form}, strings.Repeat("a", 65<<10), 413, "body_too_large"},
	} {
		raw := post("/choices", c.body, c.headers...)
		if strings.HasPrefix(c.headers[0], form) {
			raw = strings.Replace(raw, "Content-Type: application/json\r\n", "", 1)
		}
		r, body := s.send(raw)
		if c.reason != "" {
			if refused(t, r, body, c.status, c.reason); len(r.Cookies()) > 0 {
				t.Errorf("%s: %v", c.name, r.Cookies())
			}
			continue
		}
		if r.StatusCode != 200 || body != "2026-11-22 denied" || len(r.Cookies()) == 0 {
			t.Errorf("%s: %d %q %v", c.name, r.StatusCode, body, r.Cookies())
		}
	}
}

// TestFormIsRemembered: what a form chose is what the next visit and the next event of
// the same browser are judged by.
func TestFormIsRemembered(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withPage)
	cookies, said := []string(nil), ""
	submit := func(body string) {
		t.Helper()
		r, got := s.send(strings.Replace(post("/choices", body, append(cookies, form, "Sec-Fetch-Site: same-origin")...), "Content-Type: application/json\r\n", "", 1))
		if said = got; r.StatusCode != 200 {
			t.Fatalf("%d %s", r.StatusCode, got)
		}
		cookies = nil
		for _, k := range r.Cookies() {
			if k.MaxAge > 0 {
				cookies = append(cookies, "Cookie: "+(&http.Cookie{Name: k.Name, Value: k.Value}).String())
			}
		}
	}
	for _, c := range []struct {
		form, said string
		values     int
	}{{"all=granted", "2026-11-22 granted", 1}, {"all=denied", "2026-11-22 denied", 0}} {
		submit(c.form)
		if said != c.said {
			t.Errorf("%s: %q", c.form, said)
		}
		r, body := s.send("GET /choices HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 80.10.0.1\r\n" + strings.Join(cookies, "\r\n") + "\r\n\r\n")
		if body != c.said || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("after %s: %d %q", c.form, r.StatusCode, body)
		}
		s.send(post("/v1/events", `{"type":"page","name":"Home"}`, cookies...))
		if got := sink.take(); len(got) != c.values {
			t.Errorf("after %s: %v", c.form, got)
		}
	}
}

// TestVisitsAreOfASource: a page without a source is refused; one that was asked by GET
// cannot choose, whatever it does; a policy is in force for the next visit.
func TestVisitsAreOfASource(t *testing.T) {
	s := serve(t, &fakeSink{}, withPage, func(o *collector.Options) {
		o.Pages["/get"] = func(v *collector.Visit, _ *collector.Answer) {
			if _, err := v.Form(); err == nil {
				t.Error("a GET is a form")
			}
			_, err := v.Choose(consent.Choice{All: consent.Granted, Method: consent.PreferenceCentre})
			if err == nil {
				t.Error("a GET chooses")
				return
			}
			v.Refuse(err)
		}
	})
	r, body := s.send("GET /choices HTTP/1.1\r\nHost: other.example\r\n\r\n")
	refused(t, r, body, 401, "source_unknown")
	r, body = s.send("GET /get HTTP/1.1\r\nHost: shop.example\r\n\r\n")
	refused(t, r, body, 403, "origin_not_allowed")

	if err := s.c.SetPolicy(bent(t, "behaviour")); err != nil {
		t.Fatal(err)
	}
	if _, body := s.send("GET /choices HTTP/1.1\r\nHost: shop.example\r\n\r\n"); !strings.HasPrefix(body, "bent ") {
		t.Errorf("%q", body)
	}
}

// TestPrefixOfAFront: what a front says it cut off is a prefix, or nothing. A page that
// sends its visitor on by it sends nobody to another host.
func TestPrefixOfAFront(t *testing.T) {
	s := serve(t, &fakeSink{}, withPage, func(o *collector.Options) {
		o.Pages["/where"] = func(v *collector.Visit, a *collector.Answer) { a.Body = append(a.Body, v.Request().Prefix...) }
	})
	for said, want := range map[string]string{
		"/collect": "/collect", "/collect/": "/collect", "//evil.example": "", "https://evil.example": "", `/\evil.example`: "", "/a/../b": "", "collect": "",
	} {
		_, got := s.send("GET /where HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Prefix: " + said + "\r\n\r\n")
		if got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
