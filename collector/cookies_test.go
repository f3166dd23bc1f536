package collector_test

import (
	"bufio"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"assent/collector"
	"assent/consent"
	"assent/policy"
	"assent/sinks"
)

// talk sends a request as it comes from the wire, with these header lines.
func (s *story) talk(method, path, body string, lines ...string) *fasthttp.Response {
	s.t.Helper()
	raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: events.shop.example\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", method, path, len(body))
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "X-Forwarded-For") }) {
		lines = append(lines, "X-Forwarded-For: "+addresses["FR"])
	}
	for _, l := range lines {
		raw += l + "\r\n"
	}
	var req fasthttp.Request
	if err := req.Read(bufio.NewReader(strings.NewReader(raw + "\r\n" + body))); err != nil {
		s.t.Fatal(err)
	}
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&req, collector.Addr(netip.MustParseAddrPort("127.0.0.1:4000")), nil)
	s.edge.Handle(ctx)
	return &ctx.Response
}

// setCookies are the Set-Cookie lines of an answer, without their values.
func setCookies(r *fasthttp.Response) (out []string) {
	for line := range cookieLines(r) {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		if value != "" {
			name += "=…"
		}
		out = append(out, name+";"+attributes)
	}
	return out
}

// cookieLines are the values of an answer's Set-Cookie lines, as they go out.
func cookieLines(r *fasthttp.Response) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(r.Header.String()) {
			if value, ok := strings.CutPrefix(line, "Set-Cookie: "); ok && !yield(strings.TrimSpace(value)) {
				return
			}
		}
	}
}

// jar is a browser that keeps what it is told.
type jar map[string]string

func (j jar) keep(r *fasthttp.Response) jar {
	set := map[string]bool{} // its namesake in the other scope is another cookie
	for line := range cookieLines(r) {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case !strings.Contains(attributes, "Max-Age=0"):
			j[name], set[name] = value, true
		case !set[name]:
			delete(j, name)
		}
	}
	return j
}

func (j jar) line() string {
	var pairs []string
	for name, value := range j {
		pairs = append(pairs, name+"="+value)
	}
	slices.Sort(pairs)
	return "Cookie: " + strings.Join(pairs, "; ")
}

const (
	choiceName = "__Host-assent_choice"
	idName     = "__Host-assent_id"
)

// remade is the story's edge with other options.
func (s *story) remade(change func(*collector.Options)) *story {
	s.t.Helper()
	o := s.options
	change(&o)
	var err error
	if s.edge, err = collector.New(o); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// TestCookieScope: without a domain the names have the prefix that no other host can
// set; an answer that sets a cookie expires its namesake in the other scope.
func TestCookieScope(t *testing.T) {
	const attributes = "; Secure; HttpOnly; SameSite=Lax"
	f := func(name string, cookies collector.CookieOptions, sent string, want ...string) {
		t.Helper()
		s := newStoryUnder(t, policy.Default()).remade(func(o *collector.Options) { o.Cookies = cookies })
		r := s.talk("POST", "/v1/consent", `{"all":"denied"}`, sent)
		got := setCookies(r)
		for i := range got {
			got[i] = strings.Replace(got[i], attributes, "", 1)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, want)
		}
	}
	const age = " Path=/; Max-Age=34560000"
	f("no domain", collector.CookieOptions{}, "X: y", "__Host-assent_choice=…;"+age)
	f("another path", collector.CookieOptions{Path: "/collect"}, "X: y", "assent_choice=…; Path=/collect; Max-Age=34560000")
	f("a name of one's own", collector.CookieOptions{Choice: "c"}, "X: y", "c=…;"+age)
	f("a domain", collector.CookieOptions{Domain: "shop.example"}, "X: y",
		"assent_choice=…;"+age+"; Domain=shop.example", "assent_choice; Path=/; Max-Age=0")
	f("a domain, after none", collector.CookieOptions{Domain: "shop.example"}, "Cookie: __Host-assent_choice=x",
		"assent_choice=…;"+age+"; Domain=shop.example", "assent_choice; Path=/; Max-Age=0", "__Host-assent_choice; Path=/; Max-Age=0")
	f("no domain, after one", collector.CookieOptions{}, "Cookie: assent_choice=x",
		"__Host-assent_choice=…;"+age, "assent_choice; Path=/; Max-Age=0",
		"assent_choice; Path=/; Max-Age=0; Domain=events.shop.example", "assent_choice; Path=/; Max-Age=0; Domain=shop.example")
}

// TestUnreadableChoice: a choice that came and cannot be verified is no consent, in an
// opt-out country least of all, and not one that was never made.
func TestUnreadableChoice(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	good := jar{}.keep(s.talk("POST", "/v1/consent", `{"purposes":{"ads":"denied"}}`))[choiceName]
	if good == "" {
		t.Fatal("no choice cookie")
	}
	fromUSA := "X-Forwarded-For: " + addresses["US-CA"]
	for name, cookie := range map[string]string{
		"cut": good[:len(good)-4], "empty": "", "garbled": "%00%ff", "quotes": `a"b`, "backslash": `a\b`, "spaces": "a b c",
		"of a removed key": "9" + good[1:], "too long": strings.Repeat("x", 3800), "twice, once garbled": good + "; " + choiceName + "=x",
		"under the other name": good + "; assent_choice=x",
	} {
		r := s.talk("GET", "/v1/consent", "", "Cookie: "+choiceName+"="+cookie, fromUSA)
		if body := string(r.Body()); strings.Contains(body, `"status":"granted"`) || !strings.Contains(body, `"ads":{"status":"unknown","allowed":false,"source":"law","why":"unreadable"}`) &&
			!strings.Contains(body, `"ads":{"status":"denied","allowed":false,"source":"law","why":"unreadable"}`) {
			t.Errorf("%s: %s", name, body)
		}
		s.waiting = nil
		r = s.talk("POST", "/v1/events", `{"type":"page"}`, "Cookie: "+choiceName+"="+cookie, fromUSA)
		if len(s.waiting) > 0 || len(setCookies(r)) > 0 {
			t.Errorf("%s: an event left %d records, and cookies %q", name, len(s.waiting), setCookies(r))
		}
		// The next choice sets the cookie anew: whatever it does not name is denied.
		j := jar{}.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted"}}`, "Cookie: "+choiceName+"="+cookie, fromUSA))
		r = s.talk("GET", "/v1/consent", "", j.line(), fromUSA)
		if body := string(r.Body()); !strings.Contains(body, `"analytics":{"status":"granted","allowed":true`) || strings.Count(body, `"status":"denied"`) != 3 {
			t.Errorf("%s: after a choice: %s", name, body)
		}
	}
	// Known control: without the cookie the same event is kept there.
	if s.talk("POST", "/v1/events", `{"type":"page"}`, fromUSA); len(s.waiting) == 0 {
		t.Error("nothing is kept without a cookie either")
	}
}

// TestPlainNamesakeNarrows: under the plain name any host of the domain can set cookies.
// They prove nobody and grant nothing; a refusal among them holds.
func TestPlainNamesakeNarrows(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	mallory := jar{}.keep(s.talk("POST", "/v1/consent", `{"all":"granted"}`))
	planted := "assent_choice=" + mallory[choiceName] + "; assent_id=" + mallory[idName]
	if s.talk("POST", "/v1/events", `{"type":"page"}`, "Cookie: "+planted); len(s.waiting) != 0 {
		t.Error("an event is kept on the strength of planted cookies")
	}
	ann := jar{}.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted"}}`))
	r := s.talk("GET", "/v1/consent", "", ann.line()+"; "+planted)
	if body := string(r.Body()); !strings.Contains(body, `"analytics":{"status":"granted"`) || !strings.Contains(body, `"ads":{"status":"unknown"`) {
		t.Errorf("beside her own: %s", body)
	}
	refused := jar{}.keep(s.talk("POST", "/v1/consent", `{"all":"denied"}`))
	r = s.talk("GET", "/v1/consent", "", ann.line()+"; assent_choice="+refused[choiceName])
	if body := string(r.Body()); strings.Contains(body, `"status":"granted"`) {
		t.Errorf("a refusal under the plain name is forgotten: %s", body)
	}
}

// TestEventsSetNoChoice: the answer to an event leaves the choice cookie alone, unless
// an id ends for which more is on record than the browser holds; and it takes nothing
// back that was chosen while it was under way.
func TestEventsSetNoChoice(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	ann := jar{}.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted","ads":"denied"}}`))
	event := `{"type":"page"}`
	if got := setCookies(s.talk("POST", "/v1/events", event, ann.line())); len(got) > 0 {
		t.Errorf("an event of a visitor whose id is needed sets %q", got)
	}
	withdrawn := jar{choiceName: ann[choiceName], idName: ann[idName]}
	s.now = s.now.Add(time.Minute)
	withdrawn.keep(s.talk("POST", "/v1/consent", `{"all":"denied"}`, ann.line()))

	// The browser sends old cookies once more: the id ends, the refusal outlives it.
	r := s.talk("POST", "/v1/events", event, ann.line())
	if got := setCookies(r); len(got) != 2 || !strings.HasPrefix(got[0], idName+";") || !strings.HasPrefix(got[1], choiceName+"=…") {
		t.Fatalf("an id that nothing needs: %q", got)
	}
	left := jar{choiceName: ann[choiceName]}.keep(r)
	r = s.talk("GET", "/v1/consent", "", left.line(), "X-Forwarded-For: "+addresses["US-CA"])
	if body := string(r.Body()); strings.Contains(body, `"status":"granted"`) || strings.Count(body, `"status":"denied"`) != 4 {
		t.Errorf("what is left says less than the record: %s", body)
	}
	// The cookie that says all of it already is left as it is.
	r = s.talk("POST", "/v1/events", event, "Cookie: "+choiceName+"="+withdrawn[choiceName]+"; "+idName+"="+ann[idName])
	if got := setCookies(r); len(got) != 1 || !strings.HasPrefix(got[0], idName+";") {
		t.Errorf("a cookie that says it all is set anew: %q", got)
	}

	// A choice that is recorded while the event is under way: its cookies stand.
	s.during = func() {
		s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted"}}`, ann.line())
	}
	r = s.talk("POST", "/v1/events", `{"type":"track","event":"Order Completed"}`, ann.line())
	if got := setCookies(r); len(got) > 0 {
		t.Errorf("an answer under way takes back a newer choice: %q", got)
	}
}

// TestBoundChoiceWithoutItsID: a choice cookie that is bound to an id tells its visitor
// from all others. Where the id is gone the cookie is set anew, bound to nobody.
func TestBoundChoiceWithoutItsID(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	fromUSA := "X-Forwarded-For: " + addresses["US-CA"]
	ann := jar{}.keep(s.talk("POST", "/v1/consent", `{"purposes":{"ads":"denied"}}`, fromUSA))
	if len(ann) != 2 || strings.Count(ann[choiceName], ".") != 3 {
		t.Fatalf("no bound choice: %v", ann)
	}
	bound := ann[choiceName]
	for name, j := range map[string]jar{"the id ends": {choiceName: bound, idName: ann[idName]}, "the id is gone": {choiceName: bound}} {
		j.keep(s.talk("POST", "/v1/events", `{"type":"track","event":"Order Completed"}`, j.line()))
		if len(j) != 1 || strings.Count(j[choiceName], ".") != 2 {
			t.Errorf("%s: the browser keeps %v", name, j)
		}
		if body := string(s.talk("GET", "/v1/consent", "", j.line(), fromUSA).Body()); !strings.Contains(body, `"ads":{"status":"denied"`) {
			t.Errorf("%s: the refusal is forgotten: %s", name, body)
		}
	}
}

// TestNoIDBesideWhatIsUnbound: a browser that remembers a choice bound to no id gets
// none from events: the refusal would not be the id's.
func TestNoIDBesideWhatIsUnbound(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	fromUSA := "X-Forwarded-For: " + addresses["US-CA"]
	ann := jar{}.keep(s.talk("POST", "/v1/consent", `{"purposes":{"ads":"denied"}}`))
	if got := setCookies(s.talk("POST", "/v1/events", `{"type":"page"}`, ann.line(), fromUSA)); len(got) > 0 {
		t.Errorf("an event gives %q", got)
	}
	if ann.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted"}}`, ann.line(), fromUSA)); ann[idName] == "" {
		t.Error("the next choice gives no id")
	}
	delete(ann, choiceName)
	if body := string(s.talk("GET", "/v1/consent", "", ann.line(), fromUSA).Body()); !strings.Contains(body, `"ads":{"status":"denied"`) {
		t.Errorf("the id was born without the refusal: %s", body)
	}
}

// TestLentID: where another host of the domain can set cookies, a choice made beside an
// id that is not its own goes to neither that id nor its owner.
func TestLentID(t *testing.T) {
	s := newStoryUnder(t, policy.Default()).remade(func(o *collector.Options) { o.Cookies.Domain = "shop.example" })
	mallory := jar{}.keep(s.talk("POST", "/v1/consent", `{"all":"granted"}`))
	ann := jar{}.keep(s.talk("POST", "/v1/consent", `{"all":"denied"}`))
	planted := "Cookie: assent_id=" + mallory["assent_id"] + "; assent_choice=" + ann["assent_choice"]
	ann.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted"}}`, planted))
	if id, _, _ := strings.Cut(mallory["assent_id"], "."); strings.HasPrefix(ann["assent_id"], id) || ann["assent_id"] == "" {
		t.Errorf("she goes on as %q", ann["assent_id"])
	}
	s.talk("POST", "/v1/consent", `{"all":"granted"}`, mallory.line())
	if body := string(s.talk("GET", "/v1/consent", "", ann.line()).Body()); strings.Contains(body, `"ads":{"status":"granted"`) {
		t.Errorf("a stranger grants for her: %s", body)
	}
}

// TestIDsThatReadersTakeForOne: an anonymousId that JSON readers give one value and
// Assent another would pass by the choice linked to it.
func TestIDsThatReadersTakeForOne(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	s.talk("POST", "/v1/consent", `{"all":"denied","link":{"anonymousId":"12345"}}`)
	fromUSA := "X-Forwarded-For: " + addresses["US-CA"]
	for id, refused := range map[string]bool{
		`"12345"`: false, `12345`: false, `"\u0031\u0032345"`: false,
		`12345.0`: true, `1.2345e4`: true, `12345E0`: true, `1234.5e+1`: true, `-12345`: true, `-0`: true,
		`"` + strings.Repeat("x", 257) + `"`: true, `"a\u0001"`: true, `"\ufffd"`: true, `9007199254740993`: true, `123450000000000000000`: true, `true`: true, `[12345]`: true,
	} {
		s.waiting = nil
		body := string(s.talk("POST", "/v1/events", `[{"type":"page","anonymousId":`+id+`}]`, fromUSA).Body())
		if got := strings.Contains(body, `"reason":"anonymous_id_invalid"`); got != refused || !refused && (len(s.waiting) != 0 || !strings.Contains(body, `"withheld":1`)) {
			t.Errorf("%s: %s, %d records", id, body, len(s.waiting))
		}
	}
}

var (
	anyText   = regexp.MustCompile(`"[^"]*[0-9][^"]*"`)
	sinceTime = regexp.MustCompile(`"since":"([^"]+)"`)
)

// TestLinkedIsNoOracle: whoever links an id gets the same answer whether or not
// somebody is on record for it.
func TestLinkedIsNoOracle(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	s.talk("POST", "/v1/consent", `{"all":"denied","link":{"anonymousId":"taken"}}`)
	shape := func(id, choice string) string {
		r := s.talk("POST", "/v1/consent", `{`+choice+`,"link":{"anonymousId":"`+id+`"}}`)
		body := anyText.ReplaceAllString(string(r.Body()), `"…"`)
		return fmt.Sprint(r.StatusCode(), setCookies(r), len(r.Body()), body)
	}
	for _, choice := range []string{`"all":"denied"`, `"all":"granted"`, `"purposes":{}`} {
		if free, taken := shape("free0", choice), shape("taken", choice); free != taken {
			t.Errorf("%s:\nfree  %s\ntaken %s", choice, free, taken)
		}
	}
}

// TestBackEndHearsTheVisitor: what a visitor refused holds for the events that a
// back-end sends under the visitor's id.
func TestBackEndHearsTheVisitor(t *testing.T) {
	s := newStoryUnder(t, policy.Default()).remade(func(o *collector.Options) {
		o.Sources = []*collector.Source{
			{ID: "web", Key: "web"},
			{ID: "back", Kind: collector.KindServer, Bearer: explainToken, MayNameAddress: true},
		}
	})
	ann := jar{}.keep(s.talk("POST", "/v1/consent?k=web", `{"purposes":{"analytics":"granted"}}`))
	id, _, _ := strings.Cut(ann[idName], ".")
	send := func() int {
		s.waiting = nil
		s.talk("POST", "/v1/events", `{"type":"page","anonymousId":"`+id+`","context":{"ip":"`+addresses["US-CA"]+`"}}`, "Authorization: Bearer "+explainToken)
		return len(s.waiting)
	}
	if send() == 0 {
		t.Fatal("nothing is kept before the refusal")
	}
	s.talk("POST", "/v1/consent?k=web", `{"all":"denied"}`, ann.line())
	if n := send(); n != 0 {
		t.Errorf("%d records after the refusal", n)
	}
}

// TestReceiptsTellNoFuture: no refusal moves its own time, whoever makes it and however
// often; no receipt and no state says since in the future; a later refusal stands.
func TestReceiptsTellNoFuture(t *testing.T) {
	s := newStoryUnder(t, policy.Default())
	j := jar{}
	for range 5 {
		s.now = s.now.Add(7 * time.Minute)
		r := s.talk("POST", "/v1/consent", `{"all":"denied"}`, j.line())
		j.keep(r)
		for _, since := range sinceTime.FindAllStringSubmatch(string(r.Body()), -1) {
			if at, err := time.Parse(time.RFC3339Nano, since[1]); err != nil || at.After(s.now) {
				t.Errorf("since %s, which is after %s", since[1], s.now)
			}
		}
	}
	j.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"granted"}}`, j.line()))
	s.now = s.now.Add(time.Second)
	j.keep(s.talk("POST", "/v1/consent", `{"purposes":{"analytics":"denied"}}`, j.line()))
	if body := string(s.talk("GET", "/v1/consent", "", j.line()).Body()); strings.Contains(body, "granted") {
		t.Errorf("a later refusal lost: %s", body)
	}
}

// idless is a policy whose consent needs no id.
const idless = `
policy: idless
version: 2026-11-22
controller: {name: Example Shop Ltd, contact: privacy@shop.example}
purposes:
  necessary: {title: Running the shop, basis: contract}
  reading: {title: Which pages are read, basis: consent}
recipients:
  warehouse: {topic: events, purposes: [necessary, reading], role: own}
defaults: {events: [reading]}
fields:
  type: {purposes: [necessary, reading], category: event, why: Tells what it is}
  context.page.url: {purposes: [reading], category: behaviour, why: Which pages are read}
`

// TestWithdrawalWithoutID: what waits of a visitor without an id is found by the choice
// cookie it was judged by, after a restart too; what came after the withdrawal, of
// others whose cookies say the same, is left alone.
func TestWithdrawalWithoutID(t *testing.T) {
	s := newStoryUnder(t, []byte(idless))
	event := `{"type":"page","context":{"page":{"url":"https://shop.example/"}}}`
	choose := func(body string, j jar) jar {
		return j.keep(s.talk("POST", "/v1/consent", body, j.line()))
	}
	ann, bob := choose(`{"all":"granted"}`, jar{}), choose(`{"all":"granted"}`, jar{})
	if len(ann) != 1 || ann[choiceName] != bob[choiceName] {
		t.Fatalf("two who chose the same in one hour hold %v and %v", ann, bob)
	}
	carol := jar{}
	s.now = s.now.Add(2 * time.Hour)
	choose(`{"all":"granted"}`, carol)
	s.talk("POST", "/v1/events", event, ann.line())
	s.talk("POST", "/v1/events", event, carol.line())
	if len(s.waiting) != 2 {
		t.Fatalf("%d records wait", len(s.waiting))
	}
	snapshot := s.waiting[0].judged.Snapshot
	if !s.registry.Unchanged(snapshot) {
		t.Error("nothing was chosen, and the snapshot has changed")
	}
	s.now = s.now.Add(time.Minute)
	choose(`{"all":"denied"}`, ann)
	if s.registry.Unchanged(snapshot) {
		t.Error("the snapshot is unchanged after the withdrawal")
	}
	s.now = s.now.Add(time.Minute)
	s.talk("POST", "/v1/events", event, bob.line())
	for _, registry := range []*consent.Registry{s.registry, s.newRegistry(s.ring)} {
		for i, want := range []sinks.Verdict{sinks.Withheld, sinks.Kept, sinks.Kept} {
			if got, _, err := s.rejudge(&s.waiting[i], registry); got != want || err != nil {
				t.Errorf("record %d: %v, %v, want %v", i+1, got, err, want)
			}
		}
	}
}

// TestPublicHealth: a load balancer learns whether the node takes work, and no more.
func TestPublicHealth(t *testing.T) {
	s := newStory(t)
	ask := func() int {
		r := s.talk("GET", "/healthz", "")
		if len(r.Body()) > 0 {
			t.Errorf("it says %q", r.Body())
		}
		return r.StatusCode()
	}
	if got := ask(); got != 200 {
		t.Errorf("a node that works: %d", got)
	}
	s.unready = errors.New("disk on fire")
	if got := ask(); got != 503 {
		t.Errorf("a sink that takes nothing: %d", got)
	}
	s.unready = nil
	_ = s.edge.Shutdown(t.Context())
	if got := ask(); got != 503 {
		t.Errorf("a node that shuts down: %d", got)
	}
}

// TestAnonymousTracking: with SP-Anonymous nobody is recognised in what is kept and no cookie
// is set, and what the visitor refused holds.
func TestAnonymousTracking(t *testing.T) {
	b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General})
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"analytics":"granted"}}`)
	kept := func(lines ...string) (value, key string) {
		t.Helper()
		b.waiting = nil
		b.now = b.now.Add(time.Minute)
		_, set := b.do("POST", "/v1/events?k=k", view, lines...)
		if len(set) > 0 {
			t.Errorf("%v: cookies %v", lines, set)
		}
		if len(b.waiting) == 0 {
			return "", ""
		}
		r := b.waiting[0].record(t)
		return string(r.Value), string(r.Key)
	}
	if value, key := kept(); !strings.Contains(value, `"anonymousId"`) || !strings.Contains(value, `"ip"`) || key == "" {
		t.Errorf("without the header: %q %s", key, value)
	}
	if value, key := kept("SP-Anonymous: *"); value == "" || strings.Contains(value, `"anonymousId"`) || strings.Contains(value, `"ip"`) || key != "" {
		t.Errorf("with the header: %q %s", key, value)
	}
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"analytics":"denied"}}`)
	if value, _ := kept("SP-Anonymous: *"); value != "" {
		t.Errorf("after a refusal: %s", value)
	}
	b.jar = map[string]string{}
	if value, _ := kept("SP-Anonymous: *"); value != "" {
		t.Errorf("of a visitor who chose nothing: %s", value)
	}
}
