package collector_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent"
	"assent/consent/signals"
	"assent/policy"
)

// TestExplainIsTheProgram holds explain against serve: of random events, sources,
// places, choices and signals both say the same of refusal, gates, fields and headers.
func TestExplainIsTheProgram(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 1_000
	}
	w := newTwins(t)
	for i := range rounds {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		q := w.ask(r)
		if served, explained := w.serve(q), w.explain(q); served != explained {
			t.Fatalf("round %d: %+v from %s\nserved    %s\nexplained %s", i, q, q.source.ID, served, explained)
		}
	}
}

// query is one event of one person.
type query struct {
	event   string
	source  *collector.Source
	place   string
	choices map[string]consent.Status
	gpc     string
	image   bool // in a page or an e-mail
	agent   string
	country string // that a trusted network names, as the next
	region  string
}

// twins are serve and explain beside each other.
type twins struct {
	*story
	sources []*collector.Source
	peer    string
}

const (
	explainToken = "a-token-of-more-than-twenty-characters"
	explainLimit = 900
)

func newTwins(t *testing.T) *twins {
	w := &twins{story: newStory(t), sources: []*collector.Source{
		{ID: "web", Kind: collector.KindWeb, Key: "web", Audience: policy.General},
		{ID: "kids", Kind: collector.KindWeb, Key: "kids", Audience: policy.Children},
		{ID: "app", Kind: collector.KindApp, Key: "app", Audience: policy.Mixed},
		{ID: "back", Kind: collector.KindServer, Bearer: explainToken, MayNameAddress: true, MayNameTime: true, Audience: policy.General},
		{ID: "plain", Kind: collector.KindServer, Key: "plain", Audience: policy.General},
	}}
	w.open()
	return w
}

// open begins to serve the sources.
func (w *twins) open() {
	w.peer = "127.0.0.1"
	w.options.Dialects = append(w.options.Dialects, collector.Route{Method: "GET", Path: "/v1/pixel.gif", Dialect: dialect.Pixel{}})
	w.options.CountryHeader, w.options.RegionHeader = "X-Country", "X-Region"
	o := w.options
	o.Sources, o.Limits.Event = w.sources, explainLimit
	var err error
	if w.edge, err = collector.New(o); err != nil {
		w.t.Fatal(err)
	}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// ask makes up a query. Most events are good ones with odd parts.
func (w *twins) ask(r *rand.Rand) query {
	parts := []string{}
	add := func(chance int, of ...string) {
		if r.IntN(100) < chance {
			parts = append(parts, pick(r, of...))
		}
	}
	add(95, `"type":"track"`, `"type":"page"`, `"type":"identify"`, `"ty\u0070e":"track"`, `"type":"TRACK"`, `"type":""`, `"type":5`, `"type":null`, `"type":{"a":1}`)
	add(60, `"event":"Order Completed"`, `"event":"Signed In"`, `"event":"Other"`, `"event":5`, `"event":null`, `"event":["x"]`, `"event":""`)
	add(50, `"anonymousId":"tracker-7"`, `"anonymousId":42`, `"anonymousId":42.0`, `"anonymousId":1e3`, `"anonymousId":{}`, `"anonymousId":true`, `"anonymousId":""`, `"anonymousId":null`, `"anonymousId":99007199254740993`)
	add(40, `"messageId":"m-1"`, `"messageId":7`, `"messageId":"an id with spaces"`)
	add(40, `"timestamp":"2026-11-22T08:00:00Z"`, `"timestamp":"0001-01-01T00:00:00Z"`, `"timestamp":"2031-01-01T00:00:00Z"`, `"timestamp":"yesterday"`, `"timestamp":7`)
	add(70, `"context":{"ip":"192.0.2.1","page":{"url":"https://shop.example/?a=1&utm_source=x"}}`, `"context":{"ip":"192.0.2.2"}`, `"context":{"ip":"x"}`,
		`"context":{"consent":{"categoryPreferences":{"analytics":false,"ads":true}}}`, `"context":{"consent":{"categoryPreferences":"x"}}`,
		`"context":{"consent":7}`, `"context":[]`, `"context":{"ip":"192.0.2.3","consent":{"categoryPreferences":{"ads":false}},"page":{"url":7}}`)
	add(70, `"properties":{"order_id":"o-1","total":12.50,"email":"ann@shop.example","x":{"y":1}}`, `"properties":{"total":[1,2]}`, `"properties":"text"`, `"properties":{"email":null}`)
	add(3, `"type":"page"`, `"broken":01`, `"\ud800":1`, `"long":"`+strings.Repeat("x", explainLimit)+`"`)
	q := query{
		event: "{" + strings.Join(parts, ",") + "}", source: pick(r, w.sources...), gpc: pick(r, "", "", "1", "0"),
		place: pick(r, "FR", "US-CA", "JP", "nowhere", "hidden"), choices: map[string]consent.Status{},
		image: r.IntN(4) == 0, agent: pick(r, "", "Mozilla/5.0", "Mozilla/5.0 (X11)", "x (via ggpht.com GoogleImageProxy)", strings.Repeat("é", 400)),
	}
	if r.IntN(2) == 0 {
		q.country, q.region = pick(r, "", "FR", "us", "XX", "F"), pick(r, "", "", "CA", "US-NY")
	}
	if q.source.Kind == collector.KindWeb && r.IntN(2) == 0 {
		for _, purpose := range []string{"security", "analytics", "sessions", "ads"} {
			if s := pick(r, consent.Unknown, consent.Granted, consent.Denied); s != consent.Unknown {
				q.choices[purpose] = s
			}
		}
	}
	return q
}

// serve sends the event, after the choices, as its source would.
func (w *twins) serve(q query) string {
	w.now = w.now.Add(time.Minute)
	w.jars, w.waiting = map[string]map[string]string{}, nil
	if len(q.choices) > 0 {
		said := map[string]string{}
		for purpose, s := range q.choices {
			said[purpose] = s.String()
		}
		body, _ := json.Marshal(map[string]any{"purposes": said})
		w.send("POST", "/v1/consent?k="+q.source.Key, q, body, 201)
	}
	if q.image {
		w.send("GET", "/v1/pixel.gif?k="+q.source.Key+"&data="+base64.RawURLEncoding.EncodeToString([]byte(q.event)), q, nil, 200)
	} else {
		w.send("POST", "/v1/events?k="+q.source.Key, q, []byte("["+q.event+"]"), 200)
	}
	var b strings.Builder
	for i := range w.waiting {
		r := w.waiting[i].record(w.t)
		if r.Topic == "events.bad" {
			var bad struct{ Reason string }
			if err := json.Unmarshal(r.Value, &bad); err != nil {
				w.t.Fatal(err)
			}
			return "refused: " + bad.Reason
		}
		headers := map[string]string{}
		for _, h := range r.Headers {
			headers[h.Key] = string(h.Value)
		}
		tell(&b, w.waiting[i].topic, headers, r.Value)
	}
	return ids.ReplaceAllString(b.String(), `"<id>"`)
}

// ids are made up: of visitors, of records, and what is hashed from the former.
var ids = regexp.MustCompile(`"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"|"visitors\.1:[^"]*"`)

// send sends a request with the person's cookies and keeps those of the answer.
func (w *twins) send(method, path string, q query, body []byte, status int) {
	w.t.Helper()
	var req fasthttp.Request
	req.Header.SetMethod(method)
	req.SetRequestURI(path)
	if q.source.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+q.source.Bearer)
	}
	req.Header.SetHost("shop.example")
	req.Header.SetContentType("application/json")
	req.Header.Set("X-Forwarded-For", addresses[q.place])
	req.Header.Set("Sec-GPC", q.gpc)
	req.Header.Set("User-Agent", q.agent)
	for name, value := range map[string]string{"X-Country": q.country, "X-Region": q.region} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	for name, value := range w.jars["ann"] {
		req.Header.SetCookie(name, value)
	}
	req.SetBody(body)
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&req, collector.Addr(netip.MustParseAddrPort(w.peer+":4000")), nil)
	w.edge.Handle(ctx)
	if got := ctx.Response.StatusCode(); got != status {
		w.t.Fatalf("%s: %d %s", path, got, ctx.Response.Body())
	}
	jar := map[string]string{}
	for name, raw := range ctx.Response.Header.Cookies() {
		var k fasthttp.Cookie
		if err := k.ParseBytes(raw); err != nil {
			w.t.Fatal(err)
		}
		jar[string(name)] = string(k.Value())
	}
	w.jars["ann"] = jar
}

// explain asks what would become of it.
func (w *twins) explain(q query) string {
	addr, _ := netip.ParseAddr(addresses[q.place])
	h := collector.Hypothetical{
		Event: []byte(q.event), Source: q.source, Locator: w.options.Locator, Address: addr, Choices: q.choices, Carried: []signals.Carried{{Place: signals.At(signals.Header, "Sec-GPC"), Value: []byte(q.gpc)}},
		Image: q.image, UserAgent: q.agent, Now: w.now, MaxEvent: explainLimit,
	}
	for value, to := range map[string]*[][]byte{q.country: &h.Named.Country, q.region: &h.Named.Region} {
		if value != "" {
			*to = [][]byte{[]byte(value)}
		}
	}
	x, err := collector.Explain(w.policy, h)
	if err != nil {
		return "error: " + err.Error()
	}
	if x.Refused != "" {
		return "refused: " + x.Refused
	}
	var b strings.Builder
	var laws []string
	for _, l := range x.Regimes {
		laws = append(laws, l.Name)
	}
	slices.Sort(laws) // as in the header
	for _, r := range x.Recipients {
		if !r.Pass {
			continue
		}
		headers := map[string]string{
			"privacy-jurisdiction": x.Jurisdiction, "privacy-regime": strings.Join(laws, ","), "privacy-purposes": strings.Join(r.Purposes, ","),
			"privacy-policy": x.Policy, "privacy-policy-hash": x.Hash, "privacy-removed": fmt.Sprint(r.Removed),
		}
		if len(x.Signals) > 0 {
			headers["privacy-signals"] = strings.Join(x.Signals, ",")
		}
		if r.Expires > 0 {
			headers["privacy-expires"] = w.now.AddDate(0, 0, r.Expires).UTC().Format("2006-01-02T15:04:05.000Z")
		}
		tell(&b, r.Topic, headers, r.Output)
	}
	return ids.ReplaceAllString(b.String(), `"<id>"`)
}

// tell tells of one record what serve and explain both know of it.
func tell(b *strings.Builder, topic string, headers map[string]string, value []byte) {
	fmt.Fprintf(b, "\n%s", topic)
	for _, name := range []string{
		"privacy-jurisdiction", "privacy-regime", "privacy-purposes", "privacy-policy", "privacy-policy-hash",
		"privacy-removed", "privacy-signals", "privacy-expires",
	} {
		fmt.Fprintf(b, " %s=%s", strings.TrimPrefix(name, "privacy-"), headers[name])
	}
	fmt.Fprintf(b, " %s", value)
}
