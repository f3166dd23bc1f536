package admin

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

const token = "a-token-that-nobody-guesses"

// TestAdminAnswersNoOtherSite: what a browser says comes from another site is
// refused, with a token too; no answer is kept or taken for another type.
func TestAdminAnswersNoOtherSite(t *testing.T) {
	for _, c := range []struct {
		token, sent, site, origin string
		want                      int
	}{
		{"", "", "", "", 200},
		{"", "", "none", "", 200},
		{"", "", "same-origin", "", 200},
		{"", "", "cross-site", "", 403},
		{"", "", "same-site", "", 403},
		{"", "", "nonsense", "", 403},
		{"", "", "same-origin", "http://evil.example", 403},
		{token, "", "", "", 401},
		{token, token, "", "", 200},
		{token, token, "none", "", 200},
		{token, token, "cross-site", "", 403},
		{token, token, "same-site", "", 403},
	} {
		handler := guard(c.token, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
		r := httptest.NewRequest("GET", "http://127.0.0.1:8081/metrics", nil)
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if c.sent != "" {
			r.Header.Set("Authorization", "Bearer "+c.sent)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: %d %v", c, w.Code, w.Header())
		}
	}
}

// TestAdminSchemeInAnyCase: the scheme of Authorization has no case (RFC 9110, 11.1).
func TestAdminSchemeInAnyCase(t *testing.T) {
	handler := guard(token, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for sent, want := range map[string]int{"bearer " + token: 200, "BEARER   " + token: 200, "Basic " + token: 401, token: 401, "Bearer": 401, "": 401} {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8081/metrics", nil)
		r.Header.Set("Authorization", sent)
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%.7q: %d, want %d", sent, w.Code, want)
		}
	}
}
