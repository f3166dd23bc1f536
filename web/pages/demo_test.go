package pages

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"assent/collector"
)

var update = flag.Bool("update", false, "rewrite docs/img/demo.png")

// site serves the handlers over net/http, and stands in for the two routes the
// page sends to for real, keeping what it sent there.
type site struct {
	*httptest.Server
	mu   sync.Mutex
	sent []string
}

func newSite(t *testing.T) *site {
	s := &site{}
	pages := demoPages(t)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		body, err := io.ReadAll(hr.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(hr.URL.Path, "/v1/") {
			s.mu.Lock()
			s.sent = append(s.sent, fmt.Sprintf("%s %s %s %s", hr.Method, hr.URL.Path, hr.Header.Get("Content-Type"), body))
			s.mu.Unlock()
			if hr.URL.Path == "/v1/consent" {
				fmt.Fprint(w, `{"jurisdiction":"unknown","regimes":["STRICTEST"]}`)
				return
			}
			fmt.Fprint(w, `{"accepted":1,"withheld":0,"refused":[]}`)
			return
		}
		handler := pages[hr.URL.Path]
		if handler == nil {
			http.NotFound(w, hr)
			return
		}
		a := &collector.Answer{Status: 200}
		handler(&collector.Request{Method: []byte(hr.Method), Body: body, UserAgent: []byte(hr.UserAgent()), Received: now}, a)
		w.Header().Set("Content-Type", a.ContentType)
		for _, h := range a.Headers {
			w.Header().Add(h.Name, h.Value)
		}
		w.WriteHeader(a.Status)
		_, _ = w.Write(a.Body)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// browser opens a Chromium tab. Everything that Chromium reports as wrong
// (console errors, uncaught exceptions, content security policy violations,
// failed requests) fails the test.
func browser(t *testing.T) context.Context {
	const chromium = "/usr/bin/chromium"
	if _, err := os.Stat(chromium); err != nil {
		t.Fatal("no Chromium; install it with: apt-get install -y --no-install-recommends chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1440, 1000),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // opens the tab, so that nothing it says is missed
		t.Fatal(err)
	}
	err := chromedp.Listen(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("exception: %v", ev.ExceptionDetails)
		case *runtime.EventConsoleAPICalled:
			t.Errorf("console: %s", ev.Type)
		case *cdplog.EventEntryAdded:
			t.Errorf("log: %s: %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

type action = chromedp.Action[chromedp.Void]

// poll waits until an expression of the page is true. It asks from outside: the
// page's own policy forbids it to evaluate strings.
func poll(what, expression string) action {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		for range 250 {
			is, err := chromedp.Evaluate[bool](`Boolean(`+expression+`)`)(ctx, target)
			if is {
				return chromedp.Void{}, err
			}
			time.Sleep(20 * time.Millisecond)
		}
		return chromedp.Void{}, fmt.Errorf("waited 5 s for %s", what)
	}
}

func js(expression string) action { return chromedp.Evaluate[chromedp.Void](expression) }

func sample(i int) action {
	return js(fmt.Sprintf(`(s => { s.value = "%d"; s.dispatchEvent(new Event("change", {bubbles: true})); })(document.getElementById("sample"))`, i))
}

func region(code string) action {
	return js(fmt.Sprintf(`(s => { s.value = %q; s.dispatchEvent(new Event("change", {bubbles: true})); })(document.getElementById("region"))`, code))
}

func pass(recipient string, is bool) action {
	return poll(fmt.Sprintf("%s to pass: %v", recipient, is),
		fmt.Sprintf(`document.querySelector('[data-recipient="%s"]')?.dataset.pass === "%v" && !document.body.classList.contains("stale")`, recipient, is))
}

func output(recipient string) string {
	return fmt.Sprintf(`document.querySelector('[data-recipient="%s"] pre').textContent`, recipient)
}

func click(id string) action { return js(`document.getElementById("` + id + `").click()`) }

// samePaths compares the leaves the page finds in an event with the fields the
// server explains; empty if they are the same.
const samePaths = `(async event => {
	const {leaves, parse} = await import("/demo/json.js");
	const answer = await fetch("/demo/explain", {method: "POST", body: '{"event":' + event + '}'});
	const explained = (await answer.json()).recipients[0].fields.filter(f => !f.offered).map(f => f.path);
	const found = leaves(parse(event)).map(l => l.path);
	const list = paths => JSON.stringify([...new Set(paths)].sort());
	return list(found) === list(explained) ? "" : list(found) + " and " + list(explained);
})(String.raw` + "`%s`" + `)`

func TestDemoInChromium(t *testing.T) {
	s, ctx := newSite(t), browser(t)
	run := func(actions ...action) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	run(chromedp.Navigate(s.URL+"/"), pass("warehouse", true))

	// France: before a choice a page view reaches nobody; analytics lets it in.
	run(region("FR"), sample(0), pass("warehouse", false), pass("ads", false),
		poll("the reason", `document.querySelector('[data-recipient="warehouse"]').textContent.includes("analytics, not allowed")`),
		poll("the input struck", `document.querySelector('#backdrop .withheld')?.textContent.includes('"page"')`),
		click("purpose-analytics-granted"), pass("warehouse", true), pass("ads", false),
		poll("the path kept", output("warehouse")+`.includes('"/boots"')`),
		poll("the token gone", `!`+output("warehouse")+`.includes("9f3a1c")`),
		poll("the address cut", output("warehouse")+`.includes('"203.0.113.0"')`),
		poll("the undeclared struck in the input", `[...document.querySelectorAll("#backdrop .undeclared")].some(e => e.textContent.includes("advertisingId"))`),
		poll("the rule behind the path", `document.querySelector('#fields tr[data-path="context.page.path"]').textContent.includes("Shows which pages are read")`),
		poll("the commands", `document.getElementById("curl").textContent.includes('{"purposes":{"analytics":"granted"}}')`))

	// California: allowed until refused; the signal refuses what is a sale.
	run(click("purpose-analytics-unasked"), region("US-CA"), pass("warehouse", true), pass("ads", true),
		poll("a field unstruck that one of two gets", `[...document.querySelectorAll("#backdrop .kept")].some(e => e.textContent.includes("locale"))`),
		click("gpc"), pass("warehouse", true), pass("ads", false),
		poll("the signal as the reason", `document.querySelector('[data-verdict="ads"]').textContent.includes("universal opt-out")`))

	// A consent manager's cookie: what it said, and what it took away.
	run(click("gpc"), pass("ads", true),
		js(`(e => { e.value = "OptanonConsent=groups=C0002%3A1%2CC0003%3A1%2CC0004%3A0; OptanonAlertBoxClosed=2026-11-01T10:00:00.000Z"; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.getElementById("cookie"))`),
		pass("ads", false), poll("what it took away", `document.getElementById("heard").textContent.includes("onetrust, cookie OptanonConsent was heard; refuses ads")`),
		poll("the signal as the reason", `document.querySelector('[data-verdict="ads"]').textContent.includes("a signal says no: onetrust")`),
		poll("the command", `document.getElementById("curl").textContent.includes("--header 'Cookie: OptanonConsent=groups")`),
		js(`(e => { e.value = ""; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.getElementById("cookie"))`), pass("ads", true))

	// Typing: bytes are shown as they came, and what is no JSON is said so.
	typed := `{"type":"page","name":"<img src=x onerror=alert(1)>","properties":{"value":1234567890123456789012,"a.b":[{}]},"name":"twice"}`
	run(js(fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event("input", {bubbles: true})); })(document.getElementById("event"))`, typed)),
		poll("the number whole", output("warehouse")+`.includes("1234567890123456789012")`),
		poll("markup as text", output("warehouse")+`.includes("<img src=x") && document.querySelectorAll("main img").length === 0`),
		poll("a dotted key", `[...document.querySelectorAll("#fields code")].some(e => e.textContent === "properties.a\\.b[]")`),
		js(`(e => { e.value = '{"type":\n nope}'; e.dispatchEvent(new Event("input", {bubbles: true})); })(document.getElementById("event"))`),
		poll("the mistake told", `document.getElementById("status").textContent === "not JSON at line 2, column 2"`))

	// For real: the choice, then the event, both as a site would send them.
	run(sample(2), pass("warehouse", true), click("purpose-ads-denied"), poll("ads denied", `document.getElementById("curl").textContent.includes('"ads":"denied"')`),
		click("send"), poll("both answers", `document.querySelectorAll(".answer pre").length === 2 && document.getElementById("answers").textContent.includes("Accepted")`))
	sent := s.requests()
	if len(sent) != 2 || sent[0] != `POST /v1/consent application/json {"purposes":{"ads":"denied"}}` ||
		!strings.HasPrefix(sent[1], "POST /v1/events application/json {") || !strings.Contains(sent[1], "Ad Clicked") {
		t.Errorf("sent for real: %q", sent)
	}

	// The page names fields as the server does: the marks are put by name.
	for _, event := range []string{
		`{"type":"page"}`,
		`{"type":"page","a":{},"b":[],"c":[1,[2]],"d":[[],{}],"e":[{"f":[1,"x",null]},{"f":{}}]}`,
		` {"type":"page", "a.b" : { "c[]":1, "*":true, "\\":0 }, "" : {"":[ ]}, "\u0061":-1.5E+3, "é😀":"\ud83d\ude00\"" } `,
		`{"type":"page","a":1,"a":{"b":2},"__proto__":{"constructor":false}}`,
	} {
		same, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(samePaths, event), chromedp.EvalAwaitPromise))
		if err != nil || same != "" {
			t.Errorf("%s: the page and the server name other fields: %s, %v", event, same, err)
		}
	}

	// A rule's line opens the policy at that line.
	run(js(`document.querySelector("#fields a.line").click()`),
		poll("the line shown", `document.getElementById("policy").open && document.querySelector("#lines li:target")?.textContent.includes(":")`))

	// At every width nothing is wider than the window.
	for _, width := range []int64{360, 800, 1440, 2200} {
		run(chromedp.EmulateViewport(width, 900),
			poll(fmt.Sprintf("a page that fits %d pixels", width), `document.documentElement.scrollWidth <= innerWidth`))
	}
	if *update {
		run(chromedp.EmulateViewport(1440, 1080), chromedp.Navigate(s.URL+"/"), pass("warehouse", true),
			click("purpose-analytics-granted"), poll("analytics", output("warehouse")+`.includes("/boots")`))
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join("..", "..", "docs", "img", "demo.png")
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
