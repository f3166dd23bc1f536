package main

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"assent/collector"
	"assent/consent"
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

// TestSignalPlaces: values under names of the brand's own are read like those of the table,
// by serve and by explain.
func TestSignalPlaces(t *testing.T) {
	dir := t.TempDir()
	document := strings.Replace(policyOf("event", "events"), "{necessary: {basis: contract}}",
		"{necessary: {basis: contract}, analytics: {basis: consent, signals: {klaro: [matomo], custom: [stats]}}}", 1)
	document = strings.Replace(document, "purposes: [necessary], role", "purposes: [necessary, analytics], role", 1)
	document = strings.Replace(document, "{purposes: [necessary], category", "{purposes: [necessary, analytics], category", 1)
	write(t, dir+"/policy.yaml", document, 0o600)
	write(t, dir+"/assent.yaml", `
listen: 127.0.0.1:0
admin: {listen: "127.0.0.1:0"}
data: data
policy: policy.yaml
sources: [{id: a, key: k}]
signals:
  - {cookie: shop_klaro, as: klaro}
  - {query: consent, form: {pairs: [",", ":"], rules: [{path: "*"}], granted: ["yes"], denied: ["no"]}}
`, 0o600)
	if errs, _ := check(dir+"/assent.yaml", "", ""); len(errs) > 0 {
		t.Fatal(errs)
	}
	cfg, err := loadConfig(dir+"/assent.yaml", &config{})
	if err != nil {
		t.Fatal(err)
	}
	public, _, stop := launch(t, cfg)
	defer stop()
	for _, c := range []struct{ query, cookie, want string }{
		{"", "", `"signals":[]`},
		{"", "shop_klaro=%7B%22matomo%22%3Afalse%7D", `"why":"denied_preference"`},
		{"", "shop_klaro=%7B%22matomo%22%3Atrue%7D", `"signals":["klaro"]`},
		{"&consent=stats:no", "", `"why":"denied_preference"`},
		{"&consent=stats:yes", "klaro=x; shop_klaro=", `"why":"unreadable"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", public+"/v1/consent?k=k"+c.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", c.cookie)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || !strings.Contains(string(body), c.want) {
			t.Errorf("%+v: %s %v", c, body, err)
		}
	}
	w := collector.Hypothetical{}
	if err := (&explainFlags{headers: []string{"Cookie: shop_klaro=x"}}).readHeaders(cfg, &w); err != nil || len(w.Carried) != 1 || w.Carried[0].Place.Scheme != consent.Klaro {
		t.Errorf("explain takes %v, %v", w.Carried, err)
	}
}
