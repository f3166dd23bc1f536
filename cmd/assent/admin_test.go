package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assent/keys"
)

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
		{enough, "", "", "", 401},
		{enough, enough, "", "", 200},
		{enough, enough, "none", "", 200},
		{enough, enough, "cross-site", "", 403},
		{enough, enough, "same-site", "", 403},
	} {
		handler := (&admin{}).guard(strings.TrimSpace(c.token), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
		r := httptest.NewRequest("GET", "http://127.0.0.1:8081/metrics", nil)
		for name, value := range map[string]string{"Sec-Fetch-Site": c.site, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if c.sent != "" {
			r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(c.sent))
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.want || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%+v: %d %v", c, w.Code, w.Header())
		}
	}
}

// TestHealthcheckReadsTheConfiguration: the address of file, variable and flag, in
// that order, and the token.
func TestHealthcheckReadsTheConfiguration(t *testing.T) {
	guarded := (&admin{}).guard(strings.TrimSpace(enough), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			http.NotFound(w, r)
		}
	}))
	server := httptest.NewServer(guarded)
	defer server.Close()
	address := server.Listener.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "token"), enough, 0o600)
	config := func(name, listen string) string {
		return write(t, filepath.Join(dir, name), "admin: {listen: '"+listen+"', token_file: token}\n", 0o600)
	}
	right, wrong := config("right.yaml", address), config("wrong.yaml", "127.0.0.1:1")
	every := config("every.yaml", "0.0.0.0:"+port)
	f := func(variable string, code int, args ...string) {
		t.Helper()
		t.Setenv("ASSENT_ADMIN", variable)
		if got := run(append([]string{"healthcheck"}, args...)); got != code {
			t.Errorf("with %q, %v: exit %d, want %d", variable, args, got, code)
		}
	}
	f("", 0, "-c", right)
	f("", 0, "-c", every)
	f("", 1, "-c", wrong)
	f(address, 0, "-c", wrong)
	f("127.0.0.1:1", 0, "-c", wrong, "--admin", address)
	f("127.0.0.1:1", 0, "-c", wrong, "--url", server.URL+"/readyz")
	f("", 1, "-c", right, "--url", server.URL+"/other")
	f(address, 1) // without the token
	f("", 1, "-c", filepath.Join(dir, "none.yaml"))
	if err := os.Chmod(filepath.Join(dir, "token"), 0o644); err != nil {
		t.Fatal(err)
	}
	f("", 1, "-c", right)
	for listen, want := range map[string]string{":1": "http://127.0.0.1:1/readyz", "[::]:1": "http://[::1]:1/readyz", "[::1]:1": "http://[::1]:1/readyz", "admin.example:1": "http://admin.example:1/readyz"} {
		if got, err := readyURL(listen); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", listen, got, err, want)
		}
	}
}

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

// TestAdminSchemeInAnyCase: the scheme of Authorization has no case (RFC 9110, 11.1).
func TestAdminSchemeInAnyCase(t *testing.T) {
	token := strings.TrimSpace(enough)
	handler := (&admin{}).guard(token, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for sent, want := range map[string]int{"bearer " + token: 200, "BEARER   " + token: 200, "Basic " + token: 401, token: 401, "Bearer": 401, "": 401} {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8081/metrics", nil)
		r.Header.Set("Authorization", sent)
		w := httptest.NewRecorder()
		if handler.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%.7q: %d, want %d", sent, w.Code, want)
		}
	}
}
