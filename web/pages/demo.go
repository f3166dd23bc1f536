package pages

import (
	"bytes"
	"embed"
	"encoding/json"
	"path"

	"assent/collector"
	"assent/consent"
	"assent/geo"
	"assent/policy"
	"assent/redact"
)

//go:embed demo
var demoFiles embed.FS

// csp forbids the page everything but its own files and its own server (CSP
// Level 3). No inline script or style: what a visitor typed can never become one.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".json": "application/json",
	".yaml": "text/plain; charset=utf-8",
}

// Demo serves the page on which one watches an event being judged, for the
// policy in the binary: path → handler for GET and POST. Pseudonyms on it are
// made with a key of its own, so that nobody can ask it for real ones.
func Demo(p *policy.Policy) map[string]collector.Handler {
	p = demoPolicy(p)
	pages := map[string]collector.Handler{
		"/demo/policy.json": get(".json", controls(p)),
		"/demo/policy.yaml": get(".yaml", func(*collector.Request) []byte { return policy.Default() }),
		"/demo/explain":     explain(p),
	}
	entries, err := demoFiles.ReadDir("demo")
	if err != nil {
		panic("BUG: the page's files are not in the binary: " + err.Error())
	}
	for _, e := range entries {
		body, err := demoFiles.ReadFile("demo/" + e.Name())
		if err != nil {
			panic("BUG: a file of the page is not in the binary: " + err.Error())
		}
		at := "/demo/" + e.Name()
		if e.Name() == "index.html" {
			at = "/"
		}
		pages[at] = get(path.Ext(e.Name()), func(*collector.Request) []byte { return body })
	}
	return pages
}

// demoPolicy is the same document compiled for the page: with all that a
// collector offers, and with a key that pseudonymises nothing but what is typed
// into the page.
func demoPolicy(p *policy.Policy) *policy.Policy {
	demo, problems := policy.Compile(p.Document(), policy.Options{
		Offers: collector.Offers,
		Keys:   demoKeys,
	})
	if len(problems) > 0 {
		panic("BUG: a compiled policy does not compile: " + problems.Error())
	}
	return demo
}

// demoKeys gives each name a key that anybody can compute.
func demoKeys(name string) []redact.Key {
	k, err := redact.NewKey("demo", []byte("known to everybody: "+name))
	if err != nil {
		panic("BUG: the page's key is none: " + err.Error())
	}
	return []redact.Key{k}
}

// get serves bytes for GET and HEAD.
func get(ext string, body func(r *collector.Request) []byte) collector.Handler {
	return func(r *collector.Request, a *collector.Answer) {
		a.Header("Content-Security-Policy", csp)
		if m := string(r.Method); m != "GET" && m != "HEAD" {
			a.Header("Allow", "GET, HEAD")
			fail(a, 405, "this is to be read with GET")
			return
		}
		a.Status, a.ContentType = 200, contentTypes[ext]
		a.Header("Referrer-Policy", "no-referrer")
		a.Body = append(a.Body, body(r)...)
	}
}

// fail answers with what is wrong and never with what was sent.
func fail(a *collector.Answer, status int, what string) {
	a.Status = status
	answerJSON(a, map[string]string{"error": what})
}

// answerJSON writes a value without the HTML escapes that would change the
// bytes of an output.
func answerJSON(a *collector.Answer, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("BUG: an answer that has no JSON form: " + err.Error())
	}
	a.ContentType = contentTypes[".json"]
	a.Body = append(a.Body[:0], b.Bytes()...)
}

// places are the picker's: one for each row of the law table and a few more.
var places = []struct{ code, name string }{
	{"FR", "France"},
	{"DE", "Germany"},
	{"GB", "United Kingdom"},
	{"CH", "Switzerland"},
	{"US-CA", "California"},
	{"US-TX", "Texas"},
	{"US", "United States, state unknown"},
	{"CA-QC", "Quebec"},
	{"BR", "Brazil"},
	{"JP", "Japan"},
	{"", "Unknown place"},
}

type purposeControl struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Basis   string `json:"basis"`
	Chooses bool   `json:"chooses"` // whether a choice may name it
}

type regionControl struct {
	Code    string   `json:"code"`
	Name    string   `json:"name"`
	Regimes []string `json:"regimes"`
	OptIn   bool     `json:"opt_in"`
}

// controls is what the page builds its switches from.
func controls(p *policy.Policy) func(*collector.Request) []byte {
	return func(r *collector.Request) []byte {
		out := struct {
			Policy   string           `json:"policy"`
			Purposes []purposeControl `json:"purposes"`
			Regions  []regionControl  `json:"regions"`
		}{Policy: p.Name() + "@" + p.Version()}
		for _, u := range p.Document().Purposes {
			basis := consent.NoBasis
			if i, ok := p.Purposes().Index(u.Name); ok {
				basis = p.Purposes().At(i).Basis
			}
			out.Purposes = append(out.Purposes, purposeControl{u.Name, u.Title, basis.String(), basis.Chooses()})
		}
		for _, place := range places {
			j, err := geo.Parse(place.code)
			if err != nil {
				panic("BUG: a place of the picker that is none: " + err.Error())
			}
			regime := p.Regime(j, r.Received)
			out.Regions = append(out.Regions, regionControl{place.code, place.name, regime.Names(), regime.OptIn()})
		}
		var a collector.Answer
		answerJSON(&a, out)
		return a.Body
	}
}
