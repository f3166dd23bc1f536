package collector_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent"
	"assent/consent/store"
	"assent/geo"
	"assent/keys"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestRejudgeStories plays testdata/rejudge/*.txtar: what waits while its subject
// chooses. Each part is an act; the golden text of what comes of it is the part
// behind it.
//
//	FR ann sends       events of ann's browser, sent from France; "waiting" tells
//	                   what the journal holds of them. "FR ann sends, gpc" with
//	                   the signal; "FR ann sends bare" without cookies; "FR ann
//	                   sends beside bob" with his subject token as well
//	ann chooses        a choice of hers; her cookies are kept
//	again              everything that waits, judged again
//	the policy is gone, the store fails, the keys are lost
func TestRejudgeStories(t *testing.T) {
	files, err := filepath.Glob("testdata/rejudge/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			told, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			parts := strings.Split("\n"+string(told), "\n-- ")
			heard := strings.TrimPrefix(parts[0], "\n") + "\n"
			s := newStory(t)
			for _, part := range parts[1:] {
				name, body, ok := strings.Cut(part+"\n", " --\n")
				if !ok {
					t.Fatalf("%q is no part", part)
				}
				if name == "waiting" || name == "verdicts" {
					continue
				}
				heard += strings.TrimRight("-- "+name+" --\n"+body, "\n") + "\n"
				if name, text := s.act(name, []byte(body)); name != "" {
					heard += "-- " + name + " --\n" + text
				}
			}
			if got := strings.TrimRight(heard, "\n") + "\n"; *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(told) {
				t.Errorf("%s went another way (-update rewrites it):\n%s", path, got)
			}
		})
	}
}

// story is a collector whose sink is a journal that nothing leaves.
type story struct {
	t        testing.TB
	options  collector.Options
	edge     *collector.Collector
	registry *consent.Registry
	policy   *policy.Policy // nil: gone
	purposes *consent.Purposes
	store    *failing
	ring     *keys.Ring
	now      time.Time
	jars     map[string]map[string]string
	waiting  []waiting
	told     int  // of waiting
	chosen   bool // somebody chose since what waits was judged
	ids      map[string]string
	unready  error
	during   func() // what happens while a batch is committed
}

// waiting is one record as a journal holds it.
type waiting struct {
	judged sinks.Provenance
	topic  string
	body   []byte
	first  bool // of its event
}

func (w *waiting) record(t testing.TB) *sinks.Record {
	t.Helper()
	r := &sinks.Record{Topic: w.topic}
	if err := sinks.ParseBody(w.body, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// failing is a store that may fail.
type failing struct {
	consent.Store
	err error
}

func (f *failing) Get(s consent.Subject) (*consent.Record, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Store.Get(s)
}

// places are addresses in each country of the stories.
type places map[netip.Addr]string

func (p places) Locate(a netip.Addr) (geo.Jurisdiction, error) { return geo.Parse(p[a]) }

func (p places) Hides(a netip.Addr) bool { return a.String() == addresses["hidden"] }

var addresses = map[string]string{"FR": "192.0.2.1", "US-CA": "192.0.2.2", "JP": "192.0.2.3", "hidden": "192.0.2.4"}

func newStory(t testing.TB) *story {
	t.Helper()
	raw, err := os.ReadFile("testdata/rejudge/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return newStoryUnder(t, raw)
}

// newStoryUnder is a story under the policy of a document.
func newStoryUnder(t testing.TB, raw []byte) *story {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s := &story{
		t: t, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		jars: map[string]map[string]string{}, ids: map[string]string{},
	}
	var err error
	s.ring, err = keys.Parse(strings.NewReader("1 " + strings.Repeat("A", 43)))
	must(err)
	doc, wrong := policy.Parse("policy.yaml", raw)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	s.policy, wrong = policy.Compile(doc, policy.Options{Offers: collector.Offers, Keys: func(name string) []redact.Key {
		secret := s.ring.Derive("hmac/" + name)[0].Secret
		key, err := redact.NewKey(name+".1", secret[:])
		must(err)
		return []redact.Key{key}
	}})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	s.purposes = s.policy.Purposes()
	disk, err := store.Open(store.Options{Dir: t.TempDir()})
	must(err)
	t.Cleanup(func() { _ = disk.Close() })
	s.store = &failing{Store: disk}
	s.registry = s.newRegistry(s.ring)
	at := places{}
	for place, addr := range addresses {
		if place != "hidden" {
			at[netip.MustParseAddr(addr)] = place
		}
	}
	proxies, err := geo.NewProxies([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, geo.XForwardedFor)
	must(err)
	s.options = collector.Options{
		Policy: s.policy, Locator: at, Proxies: proxies, Registry: s.registry, Sink: s, Now: s.time,
		Dialects: []collector.Route{{Method: "POST", Path: "/v1/events", Dialect: dialect.Native{}}},
		BadKeys:  s.ring.Derive("bad-row"),
	}
	s.edge, err = collector.New(s.options)
	must(err)
	return s
}

func (s *story) time() time.Time { return s.now }

// newRegistry is that of a process that starts on this store.
func (s *story) newRegistry(ring *keys.Ring) *consent.Registry {
	s.t.Helper()
	r, err := consent.NewRegistry(consent.Options{
		Store: s.store, Now: s.time, Rand: rand.Reader, Controller: "Example Shop Ltd",
		CookieKeys: ring.Derive("cookie"), ReceiptKeys: ring.Derive("receipt"), JournalKeys: ring.Derive("journal"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	r.Use(s.purposes)
	return r
}

// Commit keeps what a journal would.
func (s *story) Commit(_ context.Context, b *sinks.Batch) error {
	if during := s.during; during != nil {
		s.during = nil
		during()
	}
	rest := b.Records
	for i := range b.Events {
		e := &b.Events[i]
		if e.Records > len(rest) {
			s.t.Fatalf("event %d has %d records of %d", i, e.Records, len(rest))
		}
		j := e.Provenance
		j.Subject, j.Place = bytes.Clone(j.Subject), strings.Clone(j.Place)
		for n := range rest[:e.Records] {
			r := &rest[n]
			s.waiting = append(s.waiting, waiting{j, strings.Clone(r.Topic), sinks.AppendBody(nil, r), n == 0})
		}
		rest = rest[e.Records:]
	}
	if len(rest) > 0 {
		s.t.Fatalf("%d records belong to no event", len(rest))
	}
	return nil
}

func (s *story) Admit(string) error          { return nil }
func (s *story) Ready() error                { return s.unready }
func (s *story) Close(context.Context) error { return nil }

func (s *story) act(act string, data []byte) (name, text string) {
	s.t.Helper()
	s.now = s.now.Add(time.Minute)
	act, gpc := strings.CutSuffix(act, ", gpc")
	words := strings.Fields(act)
	switch {
	case act == "again":
		return "verdicts", s.again()
	case act == "the policy is gone":
		s.policy = nil
	case act == "the store fails":
		s.store.err = errors.New("disk on fire")
	case act == "the keys are lost":
		var err error
		if s.ring, err = keys.Parse(strings.NewReader("2 " + strings.Repeat("B", 42) + "A")); err != nil {
			s.t.Fatal(err)
		}
		s.registry = s.newRegistry(s.ring)
	case len(words) == 2 && words[1] == "chooses":
		s.ask("/v1/consent", "FR", words[0], "", data, false, 201)
		s.chosen = true
	case len(words) >= 3 && words[2] == "sends":
		who, beside := words[1], ""
		switch len(words) {
		case 4:
			who = ""
		case 5:
			jar := s.jars[words[4]]
			beside = s.registry.Token(s.registry.Identify([]byte(jar["__Host-assent_choice"]), []byte(jar["__Host-assent_id"]), nil), true)
		}
		s.ask("/v1/events", words[0], who, beside, data, gpc, 200)
		return "waiting", s.tell()
	default:
		s.t.Fatalf("what is %q?", act)
	}
	return "", ""
}

// ask sends a request with somebody's cookies, and perhaps another's token.
func (s *story) ask(path, from, who, token string, body []byte, gpc bool, status int) {
	s.t.Helper()
	var req fasthttp.Request
	req.Header.SetMethod("POST")
	req.SetRequestURI(path)
	req.Header.SetHost("shop.example")
	req.Header.SetContentType("application/json")
	req.Header.Set("X-Forwarded-For", addresses[from])
	if gpc {
		req.Header.Set("Sec-GPC", "1")
	}
	if token != "" {
		req.Header.Set("X-Assent-Subject", token)
	}
	for name, value := range s.jars[who] {
		req.Header.SetCookie(name, value)
	}
	req.SetBody(body)
	ctx := &fasthttp.RequestCtx{}
	ctx.Init(&req, collector.Addr(netip.MustParseAddrPort("127.0.0.1:4000")), nil)
	s.edge.Handle(ctx)
	if got := ctx.Response.StatusCode(); got != status {
		s.t.Fatalf("%s: %d %s", path, got, ctx.Response.Body())
	}
	for name, raw := range ctx.Response.Header.Cookies() {
		var k fasthttp.Cookie
		if err := k.ParseBytes(raw); err != nil || who == "" {
			continue
		}
		if s.jars[who] == nil {
			s.jars[who] = map[string]string{}
		}
		if s.jars[who][string(name)] = string(k.Value()); len(k.Value()) == 0 {
			delete(s.jars[who], string(name))
		}
	}
}

// tell tells what came to wait since it was told last.
func (s *story) tell() string {
	var b strings.Builder
	for ; s.told < len(s.waiting); s.told++ {
		w := &s.waiting[s.told]
		if w.first {
			fmt.Fprintln(&b, s.envelope(&w.judged))
		}
		r := w.record(s.t)
		fmt.Fprintf(&b, "%d %s, key %s\n", s.told+1, w.topic, text(r.Key))
		for _, h := range r.Headers {
			fmt.Fprintf(&b, "  %s: %s\n", h.Key, h.Value)
		}
		fmt.Fprintf(&b, "  %s\n", r.Value)
	}
	return s.normal(b.String())
}

func (s *story) envelope(j *sinks.Provenance) string {
	if j.Policy == "" {
		return fmt.Sprintf("nobody's, of source %s", j.Source)
	}
	names := func(word uint64) string {
		return strings.Join(s.purposes.Names(consent.PurposeSet(word)), ",")
	}
	who := "nobody known"
	if subjects, err := s.registry.OpenSubjects(j.Subject); len(j.Subject) > 0 && err == nil {
		var names []string
		for _, subject := range subjects {
			names = append(names, subject.Kind.String()+" "+subject.ID)
		}
		who = strings.Join(names, " and ")
	}
	return fmt.Sprintf("%s, of source %s, in %s at %s, for %s, allowed %s, to third parties %s", who, j.Source, j.Place,
		time.UnixMilli(j.At).UTC().Format(time.TimeOnly), names(j.Purposes), names(j.Allowed), names(j.Shared))
}

// again judges all that waits: in this process and in one started now, which must
// come to the same and leave the journal's bytes alone.
func (s *story) again() string {
	var b strings.Builder
	later := s.newRegistry(s.ring)
	for i := range s.waiting {
		w := &s.waiting[i]
		verdict, r, err := s.rejudge(w, s.registry)
		after, other, _ := s.rejudge(w, later)
		if after != verdict || !bytes.Equal(sinks.AppendBody(nil, r), sinks.AppendBody(nil, other)) {
			s.t.Errorf("record %d: judged differently after a restart", i+1)
		}
		switch unchanged := s.registry.Unchanged(w.judged.Snapshot); {
		case unchanged && verdict == sinks.Reduced:
			s.t.Errorf("record %d: reduced, though its snapshot is unchanged", i+1)
		case !unchanged && !s.chosen && len(w.judged.Subject) > 0:
			s.t.Errorf("record %d: nobody chose, and its snapshot has changed", i+1)
		}
		fmt.Fprintf(&b, "%d %s: ", i+1, w.topic)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "waits: %v\n", err)
		case verdict == sinks.Kept:
			fmt.Fprintln(&b, "kept")
		case verdict == sinks.Withheld:
			fmt.Fprintln(&b, "withheld")
		default:
			fmt.Fprintln(&b, "reduced")
			changes(&b, w.record(s.t), r)
		}
	}
	return s.normal(b.String())
}

// rejudge judges one record again, and looks that the journal's own is left alone.
func (s *story) rejudge(w *waiting, registry *consent.Registry) (sinks.Verdict, *sinks.Record, error) {
	s.t.Helper()
	judge, err := collector.NewJudge(registry, func(hash string) *policy.Policy {
		if s.policy != nil && s.policy.Hash() == hash {
			return s.policy
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	body := bytes.Clone(w.body)
	r := w.record(s.t)
	headers := r.Headers
	was := slices.Clone(headers)
	verdict, err := judge.Rejudge(&w.judged, r)
	if !bytes.Equal(w.body, body) || !slices.EqualFunc(headers, was, func(a, b sinks.Header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
		s.t.Error("the journal's own record was written into")
	}
	return verdict, r, err
}

// changes tells what is another in a record than it was.
func changes(b *strings.Builder, was, is *sinks.Record) {
	if !bytes.Equal(was.Key, is.Key) {
		fmt.Fprintf(b, "  key %s\n", text(is.Key))
	}
	for _, h := range was.Headers {
		now := "gone"
		if i := slices.IndexFunc(is.Headers, func(g sinks.Header) bool { return g.Key == h.Key }); i >= 0 {
			now = string(is.Headers[i].Value)
		}
		if now != string(h.Value) {
			fmt.Fprintf(b, "  %s: %s\n", h.Key, now)
		}
	}
	if !bytes.Equal(was.Value, is.Value) {
		fmt.Fprintf(b, "  %s\n", is.Value)
	}
}

func text(b []byte) string {
	if b == nil {
		return "null"
	}
	return string(b)
}

var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}`)

// normal numbers ids and hashes in the order they are first seen.
func (s *story) normal(text string) string {
	return anID.ReplaceAllStringFunc(text, func(id string) string {
		if s.ids[id] == "" {
			s.ids[id] = fmt.Sprintf("<id %d>", len(s.ids)+1)
			if len(id) == 64 {
				s.ids[id] = "<hash>"
			}
		}
		return s.ids[id]
	})
}

// TestRejudgedAsIfJudgedNow: for all grants and later denials, in an opt-in and an
// opt-out country, a waiting record judged again is, in value, key and purposes,
// the record that the same event sent now would leave. Once narrowed, it stays.
func TestRejudgedAsIfJudgedNow(t *testing.T) {
	s := newStory(t)
	purposes := []string{"security", "analytics", "ads"}
	choice := func(word string, set int, more string) []byte {
		var names []string
		for i, name := range purposes {
			if set>>i&1 != 0 {
				names = append(names, fmt.Sprintf("%q:%q", name, word))
			}
		}
		return []byte(`{"purposes":{` + strings.Join(names, ",") + `}` + more + `}`)
	}
	const context = `"context":{"ip":"203.0.113.77","page":{"url":"https://x.example/?utm_source=a&b=c"}},`
	events := []string{
		`{"type":"track","event":"Order Completed","messageId":"m","anonymousId":"tracker-%d",` + context + `"properties":{"order_id":"o","total":1e2,"email":"ann@x.example","no":1}}`,
		`{"type":"page","messageId":"m","anonymousId":"tracker-%d",` + context + `"properties":{"no":[1]}}`,
	}
	ids := map[string]bool{}
	for run := range 2 * 2 * 8 * 8 {
		place, event := []string{"FR", "US-CA"}[run&1], fmt.Sprintf(events[run>>1&1], run)
		granted, denied := run>>2&7, run>>5&7
		s.jars, s.waiting = map[string]map[string]string{}, nil
		link := ""
		if granted != 0 {
			s.ask("/v1/consent", place, "ann", "", choice("granted", granted, ""), false, 201)
		} else { // without an id of ours, a link tells whose the events are
			link = fmt.Sprintf(`,"link":{"anonymousId":"tracker-%d"}`, run)
		}
		s.ask("/v1/events", place, "ann", "", []byte(event), false, 200)
		waiting := s.waiting
		if denied != 0 {
			s.ask("/v1/consent", place, "ann", "", choice("denied", denied, link), false, 201)
		}
		s.waiting = nil
		s.ask("/v1/events", place, "ann", "", []byte(event), false, 200)
		fresh := map[string]*sinks.Record{}
		for i := range s.waiting {
			fresh[s.waiting[i].topic] = s.waiting[i].record(t)
		}
		for i := range waiting {
			w := &waiting[i]
			verdict, r, err := s.rejudge(w, s.registry)
			if err != nil {
				t.Fatal(err)
			}
			if now := fresh[w.topic]; verdict == sinks.Withheld != (now == nil) || now != nil && !alike(r, now) {
				t.Errorf("%s, granted %03b, denied %03b, %s: verdict %v\n%v\nsent now\n%v", place, granted, denied, w.topic, verdict, show(r), show(now))
			}
			if verdict != sinks.Reduced {
				continue
			}
			if id := string(sinks.BodyHeader(sinks.AppendBody(nil, r), "ce_id")); id != "m" {
				if ids[id] || !anID.MatchString(id) {
					t.Errorf("%q is no id of its own", id)
				}
				ids[id] = true
			}
			next := waiting[i]
			for k, name := range purposes {
				if bit, _ := s.purposes.Index(name); denied>>k&1 != 0 {
					next.judged.Allowed &^= 1 << bit
					next.judged.Shared &^= 1 << bit
				}
			}
			next.body = sinks.AppendBody(nil, r)
			if verdict, again, _ := s.rejudge(&next, s.registry); verdict != sinks.Kept || !bytes.Equal(sinks.AppendBody(nil, again), next.body) {
				t.Errorf("%s, granted %03b, denied %03b, %s: narrowed twice", place, granted, denied, w.topic)
			}
		}
	}
}

// alike compares what judging again must come to; the ids of records and receipts
// are each one's own, and the day it expires may come before.
func alike(again, now *sinks.Record) bool {
	if !bytes.Equal(again.Value, now.Value) || !bytes.Equal(again.Key, now.Key) || (again.Key == nil) != (now.Key == nil) {
		return false
	}
	for i := range again.Headers {
		a := &again.Headers[i]
		n := slices.IndexFunc(now.Headers, func(h sinks.Header) bool { return h.Key == a.Key })
		if n < 0 {
			return false
		}
		switch b := &now.Headers[n]; a.Key {
		case "privacy-receipt", "ce_time":
		case "ce_id":
			if string(a.Value) == "m" != (string(b.Value) == "m") {
				return false
			}
		case "privacy-expires":
			if string(a.Value) > string(b.Value) {
				return false
			}
		default:
			if !bytes.Equal(a.Value, b.Value) {
				return false
			}
		}
	}
	return true
}

func show(r *sinks.Record) string {
	if r == nil {
		return "nothing"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "key %s %s", text(r.Key), r.Value)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, " %s=%s", h.Key, h.Value)
	}
	return b.String()
}

// TestRefusedRequestIsNobodys: the bad row of a whole request is an event of its own
// source's, in the place of all that came before it.
func TestRefusedRequestIsNobodys(t *testing.T) {
	s := newStory(t)
	s.ask("/v1/events", "FR", "ann", "", []byte(`{"type":`), false, 400)
	if len(s.waiting) != 1 || s.waiting[0].topic != "events.bad" {
		t.Fatalf("got %d records", len(s.waiting))
	}
	if j := s.waiting[0].judged; j.Source != "demo" || j.Subject != nil || j.Policy != "" {
		t.Errorf("got %+v", j)
	}
}

// TestNoRecordOfOurs: what has no form that could be judged is withheld.
func TestNoRecordOfOurs(t *testing.T) {
	s := newStory(t)
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"all":"granted"}`), false, 201)
	s.ask("/v1/events", "FR", "ann", "", []byte(`{"type":"page","anonymousId":"tracker"}`), false, 200)
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"purposes":{"security":"denied"}}`), false, 201)
	f := func(what string, want sinks.Verdict, change func(*waiting)) {
		t.Helper()
		w := s.waiting[0]
		w.judged.Subject = bytes.Clone(w.judged.Subject)
		change(&w)
		if got, _, err := s.rejudge(&w, s.registry); got != want || err != nil {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	value := func(v []byte) func(*waiting) {
		return func(w *waiting) {
			r := w.record(t)
			r.Value = v
			w.body = sinks.AppendBody(nil, r)
		}
	}
	f("as it is", sinks.Reduced, func(*waiting) {})
	f("nobody's", sinks.Kept, func(w *waiting) { w.judged.Subject = nil })
	f("no JSON", sinks.Withheld, value([]byte(`{"type":`)))
	f("a null value", sinks.Withheld, value(nil))
	f("another topic", sinks.Withheld, func(w *waiting) { w.topic = "elsewhere" })
	f("another policy", sinks.Withheld, func(w *waiting) { w.judged.Policy = "0" })
	f("nothing was allowed", sinks.Withheld, func(w *waiting) { w.judged.Allowed = 0 })
	f("a reference touched", sinks.Withheld, func(w *waiting) { w.judged.Subject[20] ^= 1 })

	without, err := consent.NewRegistry(consent.Options{
		Store: s.store, Now: s.time, Rand: rand.Reader, Controller: "x",
		CookieKeys: s.ring.Derive("cookie"), ReceiptKeys: s.ring.Derive("receipt"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collector.NewJudge(without, nil); err == nil {
		t.Error("a judge that can open nothing")
	}
}

func BenchmarkRejudge(b *testing.B) {
	s := newStory(b)
	event := []byte(`{"type":"track","event":"Order Completed","messageId":"m","anonymousId":"tracker","context":{"ip":"203.0.113.77","page":{"url":"https://x.example/"}},"properties":{"order_id":"o","total":1e2,"email":"ann@x.example"}}`)
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"all":"granted"}`), false, 201)
	s.ask("/v1/events", "FR", "ann", "", event, false, 200)
	run := func(name string, want sinks.Verdict) {
		b.Run(name, func(b *testing.B) {
			judge, err := collector.NewJudge(s.registry, func(string) *policy.Policy { return s.policy })
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			r := s.waiting[0].record(b)
			for b.Loop() {
				again := *r
				if got, err := judge.Rejudge(&s.waiting[0].judged, &again); got != want || err != nil {
					b.Fatal(got, err)
				}
			}
		})
	}
	run("kept", sinks.Kept)
	s.ask("/v1/consent", "FR", "ann", "", []byte(`{"purposes":{"analytics":"denied"}}`), false, 201)
	run("reduced", sinks.Reduced)
}

// TestOwnIDNeedsMessageID: the sender's messageId names a record only where the
// recipient may have it whole, and no longer than that.
func TestOwnIDNeedsMessageID(t *testing.T) {
	stories, err := os.ReadFile("testdata/rejudge/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for rule, own := range map[string]bool{
		`{purposes: [security], category: event, why: Tells them apart, retention: 25mo}`:                                                                          true,
		`{purposes: [security], category: event, why: Tells them apart, retention: 25mo, always: {do: mask, last: 1}}`:                                             false,
		`{purposes: [ads], category: event, why: Tells them apart, retention: 25mo, otherwise: {do: mask, last: 1, purposes: [security], why: Tells a few apart}}`: false,
	} {
		s := newStoryUnder(t, bytes.Replace(stories, []byte("messageId: *envelope"), []byte("messageId: "+rule), 1))
		ids := func(records []*sinks.Record) map[string]string {
			out := map[string]string{}
			for _, r := range records {
				if out[r.Topic] = string(sinks.BodyHeader(sinks.AppendBody(nil, r), "ce_id")); string(r.Key) != "tracker-9" {
					t.Errorf("%s: the key is %q", r.Topic, r.Key)
				}
			}
			return out
		}
		s.ask("/v1/consent", "FR", "ann", "", []byte(`{"all":"granted"}`), false, 201)
		s.ask("/v1/events", "FR", "ann", "", []byte(`{"type":"track","event":"Order Completed","messageId":"m-1","anonymousId":"tracker-9"}`), false, 200)
		var sent, left []*sinks.Record
		for i := range s.waiting {
			sent = append(sent, s.waiting[i].record(t))
		}
		if got := ids(sent); len(got) != 2 || got["events"] == "m-1" != own || got["events.ads"] == "m-1" != strings.Contains(rule, "[ads]") {
			t.Errorf("%s: ce_id is %v", rule, got)
		}
		s.ask("/v1/consent", "FR", "ann", "", []byte(`{"purposes":{"security":"denied"}}`), false, 201)
		for i := range s.waiting {
			if verdict, r, err := s.rejudge(&s.waiting[i], s.registry); err != nil {
				t.Fatal(err)
			} else if verdict == sinks.Reduced {
				left = append(left, r)
			}
		}
		if got := ids(left); len(got) != 1 || got["events"] == "m-1" || !anID.MatchString(got["events"]) {
			t.Errorf("%s: judged again, ce_id is %v", rule, got)
		}
	}
}
