package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestChoicesWithoutAScript: the page's form, as it stands in the page, takes everything
// back, and the page then says so.
func TestChoicesWithoutAScript(t *testing.T) {
	cfg, err := loadConfig("", &config{Listen: "127.0.0.1:0", Admin: adminConfig{Listen: "127.0.0.1:0"}, Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	public, _, stop := launch(t, cfg)
	defer stop()
	cookies := map[string]*http.Cookie{}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, body string) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, public+"/demo/choices", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		for _, k := range cookies {
			r.AddCookie(k)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		got, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range answer.Cookies() {
			if cookies[k.Name] = k; k.MaxAge < 0 {
				delete(cookies, k.Name)
			}
		}
		return answer, string(got)
	}
	page := ""
	for _, c := range []struct{ chosen, says string }{
		{"", "Measuring"}, {"granted", "<td>granted<td>yes"}, {"denied", "<td>denied<td>no"},
	} {
		if c.chosen != "" {
			if field := `<button name="all" value="` + c.chosen + `">`; !strings.Contains(page, field) {
				t.Fatalf("the page has no %s: %s", field, page)
			}
			answer, body := ask("POST", url.Values{"all": {c.chosen}}.Encode())
			if answer.StatusCode != 303 || answer.Header.Get("Location") != "/demo/choices" {
				t.Fatalf("%s: %d %v %s", c.chosen, answer.StatusCode, answer.Header, body)
			}
		}
		answer, body := ask("GET", "")
		if page = body; answer.StatusCode != 200 || !strings.Contains(page, c.says) {
			t.Errorf("after %q: %d, without %s: %s", c.chosen, answer.StatusCode, c.says, page)
		}
		if csp := answer.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self'") || answer.Header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%v", answer.Header)
		}
		if strings.Contains(page, "<td>granted") && c.chosen == "denied" {
			t.Errorf("after a refusal: %s", page)
		}
	}
}
