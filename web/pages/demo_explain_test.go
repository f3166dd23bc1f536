package pages

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"assent/collector"
	"assent/policy"
)

// now is the day on which the page is asked.
var now = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

func demoPages(t testing.TB) map[string]collector.Handler {
	t.Helper()
	doc, problems := policy.Parse("default.yaml", policy.Default())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return Demo(mustCompile(t, doc))
}

func mustCompile(t testing.TB, doc *policy.Document) *policy.Policy {
	t.Helper()
	p, problems := policy.Compile(doc, policy.Options{Keys: demoKeys})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

func call(h collector.Handler, method, body string) *collector.Answer {
	a := &collector.Answer{Status: 200}
	h(&collector.Request{Method: []byte(method), Body: []byte(body), UserAgent: []byte("Mozilla/5.0"), Received: now}, a)
	return a
}

func header(a *collector.Answer, name string) string {
	for _, h := range a.Headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// Every file of the page is served as what it is, under the policy that keeps
// all but the page's own files out.
func TestFiles(t *testing.T) {
	pages := demoPages(t)
	want := map[string]string{
		"/demo/policy.json": "application/json",
		"/demo/policy.yaml": "text/plain; charset=utf-8",
	}
	types := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	err := fs.WalkDir(os.DirFS("demo"), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if name == "index.html" {
			want["/"] = types[".html"]
			return nil
		}
		want["/demo/"+name] = types[filepath.Ext(name)]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != len(want)+1 { // and /demo/explain
		t.Errorf("%d paths are served, want %d", len(pages), len(want)+1)
	}
	for at, contentType := range want {
		if pages[at] == nil {
			t.Errorf("%s: not served", at)
			continue
		}
		a := call(pages[at], "GET", "")
		if a.Status != 200 || a.ContentType != contentType || len(a.Body) == 0 {
			t.Errorf("%s: status %d, type %q, %d bytes, want 200 and %q", at, a.Status, a.ContentType, len(a.Body), contentType)
		}
		got := header(a, "Content-Security-Policy")
		for _, d := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "img-src 'self'", "frame-ancestors 'none'"} {
			if !strings.Contains(got, d) {
				t.Errorf("%s: %q is not in its content security policy", at, d)
			}
		}
		if strings.Contains(got, "unsafe") {
			t.Errorf("%s: an unsafe content security policy", at)
		}
		if a := call(pages[at], "HEAD", ""); a.Status != 200 {
			t.Errorf("%s: HEAD answers %d", at, a.Status)
		}
		if a := call(pages[at], "POST", "{}"); a.Status != 405 || header(a, "Allow") != "GET, HEAD" {
			t.Errorf("%s: POST answers %d, Allow %q", at, a.Status, header(a, "Allow"))
		}
	}
	if a := call(pages["/demo/explain"], "GET", ""); a.Status != 405 || header(a, "Allow") != "POST" {
		t.Errorf("/demo/explain: GET answers %d, Allow %q", a.Status, header(a, "Allow"))
	}
	// What the page names, the server has.
	for _, at := range []string{"/demo/demo.css", "/demo/demo.js", "/demo/icon.svg"} {
		if !strings.Contains(string(call(pages["/"], "GET", "").Body), `"`+at+`"`) || pages[at] == nil {
			t.Errorf("%s: not named by the page, or not served", at)
		}
	}
}

func TestControls(t *testing.T) {
	var got struct {
		Purposes []struct {
			Name, Title, Basis string
			Chooses            bool
		}
		Regions []struct {
			Code, Name string
			Regimes    []string
			OptIn      bool `json:"opt_in"`
		}
	}
	if err := json.Unmarshal(call(demoPages(t)["/demo/policy.json"], "GET", "").Body, &got); err != nil {
		t.Fatal(err)
	}
	chooses := map[string]bool{}
	for _, p := range got.Purposes {
		chooses[p.Name] = p.Chooses
		if p.Title == "" || p.Basis == "" {
			t.Errorf("purpose %s: no title or no basis", p.Name)
		}
	}
	for name, want := range map[string]bool{"necessary": false, "security": true, "analytics": true, "ads": true} {
		if chooses[name] != want {
			t.Errorf("purpose %s: chooses %v, want %v", name, chooses[name], want)
		}
	}
	optIn := map[string]bool{}
	for _, r := range got.Regions {
		optIn[r.Code] = r.OptIn
		if r.Name == "" || len(r.Regimes) == 0 {
			t.Errorf("region %q: no name or no law", r.Code)
		}
	}
	for code, want := range map[string]bool{"FR": true, "GB": true, "US-CA": false, "US-TX": false, "CA-QC": true, "": true} {
		if got, ok := optIn[code]; !ok || got != want {
			t.Errorf("region %q: opt-in %v (present %v), want %v", code, got, ok, want)
		}
	}
	shown := map[string]bool{}
	for _, r := range got.Regions {
		for _, name := range r.Regimes {
			shown[name] = true
		}
	}
	for _, l := range policy.RegimeTable().Rows {
		if !shown[l.Name] && !l.From.After(now) {
			t.Errorf("%s: places of demo.go has no place where it holds", l.Name)
		}
	}
}

const page = `{"type":"page","name":"Secret-name","context":{"page":{"path":"/a"}},"x":"<b>&</b>","total":1234567890123456789012}`

func TestExplain(t *testing.T) {
	explain := demoPages(t)["/demo/explain"]
	f := func(rest string, passes map[string]bool) {
		t.Helper()
		a := call(explain, "POST", `{"event":`+page+rest+`}`)
		var x policy.Explanation
		if err := json.Unmarshal(a.Body, &x); err != nil || a.Status != 200 || a.ContentType != "application/json" {
			t.Fatalf("%s: status %d, %s, %v: %s", rest, a.Status, a.ContentType, err, a.Body)
		}
		for _, r := range x.Recipients {
			if want, known := passes[r.Name]; !known || want != r.Pass {
				t.Errorf("%s: %s passes %v, want %v", rest, r.Name, r.Pass, want)
			}
		}
		if len(x.Recipients) != len(passes) {
			t.Errorf("%s: %d recipients, want %d", rest, len(x.Recipients), len(passes))
		}
	}
	none := map[string]bool{"warehouse": false, "ads": false}
	own := map[string]bool{"warehouse": true, "ads": false}
	both := map[string]bool{"warehouse": true, "ads": true}
	f(``, none)
	f(`,"region":"FR"`, none)
	f(`,"region":"FR","consent":{"analytics":"denied","ads":"denied"}`, none)
	f(`,"region":"FR","consent":{"analytics":"granted"}`, own)
	f(`,"region":"FR","consent":{"analytics":"granted","ads":"granted"}`, both)
	f(`,"region":"US-CA"`, both)
	f(`,"region":"US-CA","gpc":true`, own)
	f(`,"region":"us-ca","gpc":true,"consent":{"analytics":"denied"}`, none)
}

// What a recipient gets is shown byte for byte, and what Assent supplies with it.
func TestExplainOutput(t *testing.T) {
	a := call(demoPages(t)["/demo/explain"], "POST",
		`{"event":{"type":"page","name":"<b>&</b>","properties":{"value":1234567890123456789012}},"region":"FR","consent":{"analytics":"granted"}}`)
	for _, want := range []string{`"name":"<b>&</b>"`, `"value":1234567890123456789012`, `"ip":"203.0.113.0"`, `"userAgent":"Mozilla/5.0"`, `"anonymousId":"00000000-`, `"receivedAt":"2026-11-22T09:30:00.000Z"`} {
		if !strings.Contains(string(a.Body), want) {
			t.Errorf("%s is not in the answer: %s", want, a.Body)
		}
	}
	a = call(demoPages(t)["/demo/explain"], "POST", `{"event":{"type":"track","event":"Order Completed"},"region":"FR"}`)
	if strings.Contains(string(a.Body), "00000000-0000-7000-8000-000000000002") {
		t.Error("a visitor id where nothing allowed needs one")
	}
}

func TestExplainRefuses(t *testing.T) {
	explain := demoPages(t)["/demo/explain"]
	f := func(body string, status int, want string) {
		t.Helper()
		a := call(explain, "POST", body)
		var got struct{ Error string }
		if err := json.Unmarshal(a.Body, &got); err != nil || a.Status != status || a.ContentType != "application/json" || !strings.Contains(got.Error, want) {
			t.Errorf("%.80s: status %d, %s, want %d and %q", body, a.Status, a.Body, status, want)
		}
		if strings.Contains(string(a.Body), "Canary") {
			t.Errorf("%.80s: the answer quotes what was sent: %s", body, a.Body)
		}
	}
	f(``, 400, "a question is")
	f(`[]`, 400, "a question is")
	f(`{"event":{"a":Canary}}`, 400, "a question is")
	f(`{"event":{},"Canary":1}`, 400, "a question is")
	f(`{"event":{},"gpc":"Canary"}`, 400, "a question is")
	f(`{"event":{},"cookie":7}`, 400, "a question is")
	f(`{"event":{}} "Canary"`, 400, "something follows")
	f(`{"region":"FR"}`, 400, "event: missing")
	f(`{"event":null}`, 400, "not_an_object")
	f(`{"event":["Canary"]}`, 400, "not_an_object at byte 0")
	f(`{"event":{"Canary":"\ud800"}}`, 400, "lone_surrogate at byte 11")
	f(`{"event":{},"region":"Canary"}`, 400, "region: ")
	f(`{"event":{},"consent":{"Canary":"granted"}}`, 400, "consent: ")
	f(`{"event":{},"consent":{"necessary":"denied"}}`, 400, "consent: not a purpose that one can choose")
	f(`{"event":{},"consent":{"ads":"Canary"}}`, 400, `want "granted" or "denied"`)
	f(`{"event":{"a":"`+strings.Repeat("x", maxQuestion)+`"}}`, 413, "64 KiB")
	room := maxQuestion - len(`{"event":{"type":"page","a":""}}`)
	if a := call(explain, "POST", `{"event":{"type":"page","a":"`+strings.Repeat("x", room)+`"}}`); a.Status != 200 {
		t.Errorf("a question of exactly 64 KiB: status %d", a.Status)
	}
}

// TestExplainIsNoBomb: whatever a question of 64 KiB holds, the answer and the
// memory it takes stay in proportion.
func TestExplainIsNoBomb(t *testing.T) {
	explain := demoPages(t)["/demo/explain"]
	f := func(name, event string, status int, want string) {
		t.Helper()
		body := `{"event":{"type":"page",` + event[1:] + `,"region":"FR","consent":{"analytics":"granted","ads":"granted"}}`
		if len(body) > maxQuestion {
			t.Fatalf("%s: a question of %d bytes", name, len(body))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a := call(explain, "POST", body)
		runtime.ReadMemStats(&after)
		if a.Status != status || !strings.Contains(string(a.Body), want) {
			t.Errorf("%s: status %d, %.200s, want %d and %q", name, a.Status, a.Body, status, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; len(a.Body) > maxAnswer || took > 24<<20 {
			t.Errorf("%s: an answer of %d bytes for a question of %d, and %d bytes of memory", name, len(a.Body), len(body), took)
		}
	}
	leaves := func(n int, sep string) string { // each of a path of its own
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `%s"%d":%d`, sep[:min(i, 1)], i, i)
		}
		return b.String()
	}
	long := strings.Repeat("k", 10<<10)
	f("many leaves", `{`+leaves(5000, ",")+`}`, 400, "more than 2000 values")
	f("as many as are taken", `{`+leaves(1999, ",")+`}`, 200, `"recipients"`)
	f("all of them kept", `{"properties":{`+leaves(1990, ",")+`}}`, 200, `"recipients"`)
	f("many leaves under a long key", `{"`+long+`":{`+leaves(1000, ",")+`}}`, 400, "more than 131072 bytes")
	f("deep below long keys", `{"`+long+`":{"`+long+`":{"`+long+`":`+strings.Repeat(`{"a":`, 50)+`{`+leaves(500, ",")+`}`+strings.Repeat(`}`, 50)+`}}}`, 400, "more than 131072 bytes")
	f("one path, many times", `{"a":[`+strings.Repeat(`{"b":1},`, 1998)+`{"b":1}]}`, 200, `"count":1999`)
	f("keys full of escapes", `{"`+strings.Repeat(`.`, 10<<10)+`":{`+leaves(10, ",")+`}}`, 400, "more than 131072 bytes")
	f("nothing but brackets", `{"a":`+strings.Repeat(`[`, 62)+strings.Repeat(`{},`, 20000)+`{}`+strings.Repeat(`]`, 62)+`}`, 400, "more than 131072 bytes")
}
