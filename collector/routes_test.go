package collector_test

import (
	"strings"
	"testing"

	"assent/collector"
	"assent/collector/dialect"
)

// TestRouteParameters: a route may leave one segment of its path open, for a page and
// for a dialect, under a mounted prefix too. A path that is served as it stands goes
// first, and of two that fit the one that says more before its parameter.
func TestRouteParameters(t *testing.T) {
	sink := &fakeSink{}
	handler := func(name string) collector.Handler {
		return func(r *collector.Request, a *collector.Answer) {
			a.Body = append(append(append(a.Body, name...), ' '), r.Param...)
		}
	}
	s := serve(t, sink, func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "shop", Hosts: []string{"shop.example"}, Paths: []string{"/collect"}}}
		o.Dialects = append(o.Dialects, collector.Route{Method: "POST", Path: "/com.acme/{version}", Dialect: dialect.Native{}})
		o.Handlers = map[string]collector.Handler{
			"/t/{token}": handler("token"), "/t/known": handler("known"),
			"/p/{key}/settings": handler("settings"), "/{any}/settings": handler("any"),
		}
	})
	for _, c := range []struct{ path, says string }{
		{"/t/abc", "token abc"},
		{"/t/abc/", "token abc"},
		{"/collect/t/abc", "token abc"},
		{"/t/a%20b", "token a b"},
		{"/t/{token}", "token {token}"},
		{"/t/known", "known "},
		{"/p/k/settings", "settings k"},
		{"/p/settings", "any p"},
		{"/t", ""},
		{"/t/", ""},
		{"/t/a/b", ""},
		{"/t/a%2Fb", ""},
		{"/p//settings", "any p"},
		{"/p/k/other", ""},
		{"/p/k/settings/more", ""},
	} {
		r, body := s.send("GET " + c.path + " HTTP/1.1\r\nHost: shop.example\r\n\r\n")
		if c.says == "" {
			refused(t, r, body, 404, "not_found")
		} else if r.StatusCode != 200 || body != c.says {
			t.Errorf("%s: %d %q, want %q", c.path, r.StatusCode, body, c.says)
		}
	}
	if r, body := s.send(post("/com.acme/tp2", `{"type":"page"}`)); r.StatusCode != 200 || !strings.Contains(body, `"accepted":1`) {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if r, body := s.send("GET /com.acme/tp2 HTTP/1.1\r\nHost: shop.example\r\n\r\n"); r.Header.Get("Allow") != "OPTIONS, POST" {
		refused(t, r, body, 405, "method_not_allowed")
		t.Errorf("%v", r.Header)
	}
	// A sink that takes nothing is known before the body, also on such a path.
	sink.set(func(s *fakeSink) { s.admit = map[string]error{"": errFull} })
	r, body := s.send(post("/com.acme/tp2", strings.Repeat(" ", 20<<10)))
	refused(t, r, body, 503, "sink_unavailable")
}

// TestPrefixesLeaveRoutesAlone: no source's prefix may hide a route, whichever routes
// there are.
func TestPrefixesLeaveRoutesAlone(t *testing.T) {
	routes := append(dialect.Routes(), collector.Route{Method: "POST", Path: "/com.acme/{version}"})
	for path, hides := range map[string]string{
		"/v1": "/v1", "/v1/x": "/v1", "/.well-known": "/.well-known", "/healthz": "/healthz", "/com.acme": "/com.acme", "/com.acme/tp2": "/com.acme",
		"/collect/com.acme": "/collect/com.acme", "/com": "", "/com.acmes": "", "/collect/v2": "",
	} {
		list := []*collector.Source{{ID: "a", Paths: []string{"/collect"}}, {ID: "b", Paths: []string{path}}}
		wrong := (&collector.Options{Sources: list, Dialects: routes}).CheckSources()
		if hides == "" && len(wrong) > 0 || hides != "" && (len(wrong) != 1 || !strings.Contains(wrong[0].Error(), " under "+hides+" ")) {
			t.Errorf("%s: %v, want %q", path, wrong, hides)
		}
	}
	o := collector.Options{Sources: []*collector.Source{{ID: "a", Paths: []string{"/com.acme"}}}}
	if wrong := o.CheckSources(); len(wrong) > 0 {
		t.Errorf("without the route: %v", wrong)
	}
	o.Pages = map[string]collector.Page{"/com.acme/mine": nil}
	if wrong := o.CheckSources(); len(wrong) != 1 {
		t.Errorf("with a page: %v", wrong)
	}
}
