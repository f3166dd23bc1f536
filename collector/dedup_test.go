package collector_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/collector"
	"assent/disk/disktest"
	"assent/keys"
	"assent/sinks"
	"assent/sinks/dedup"
	"assent/sinks/file"
)

// withWindow gives a collector a window of IDs.
func withWindow(t testing.TB, count int) func(*collector.Options) {
	t.Helper()
	w, err := dedup.Open(dedup.Options{Dir: "dedup", FS: disktest.New(), Count: count})
	if err != nil {
		t.Fatal(err)
	}
	return func(o *collector.Options) { o.Dedup = w }
}

// TestRepeats: an event that is sent again is accepted and stored once, as far as
// it is the same one: source, subject, messageId and content.
func TestRepeats(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 100), func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "b", Key: "b"}, {ID: "c", Key: "c", Kind: collector.KindServer, Bearer: "token"}}
	})
	// f sends a body and compares how many records and accepted events come of it.
	f := func(what, path, body string, stored, accepted int, headers ...string) {
		t.Helper()
		r, got := s.send(post(path, body, headers...))
		if n := len(sink.take()); n != stored || r.StatusCode != 200 || !strings.Contains(got, fmt.Sprintf(`"accepted":%d,`, accepted)) {
			t.Errorf("%s: %d records, %d %s; want %d records and %d accepted", what, n, r.StatusCode, got, stored, accepted)
		}
	}
	own := func(id, anonymous string) string {
		return strings.Replace(order(id), `{`, fmt.Sprintf(`{"anonymousId":%q,`, anonymous), 1)
	}
	const a, b = "/v1/events?k=a", "/v1/events?k=b"
	f("the first", a, order("m"), 1, 1)
	f("its repeat", a, order("m"), 0, 1)
	f("in a batch with another", a, `{"batch":[`+order("m")+`,`+order("n")+`]}`, 1, 2)
	f("with other content", a, strings.Replace(order("m"), `{`, `{"channel":"web",`, 1), 1, 1)
	f("the first once more", a, order("m"), 0, 1)
	f("twice in one request", a, `[`+order("o")+`,`+order("o")+`,`+order("o")+`]`, 1, 3)
	f("twice in one request, the first refused", a, `[{"type":"track","event":5,"messageId":"p"},`+order("p")+`,`+order("p")+`]`, 2, 2)
	f("and again", a, order("p"), 0, 1)
	f("another source", b, order("m"), 1, 1)
	f("whoever knows a server's public key", "/v1/events?k=c", order("m"), 1, 1)
	f("the server with its token", "/v1/events", order("m"), 1, 1, "Authorization: Bearer token")
	f("its repeat by token", "/v1/events", order("m"), 0, 1, "Authorization: Bearer token")
	f("another's id", a, own("m", "ann"), 1, 1)
	f("a third one's", a, own("m", "bob"), 1, 1)
	f("ann again", a, own("m", "ann"), 0, 1)
	f("no messageId", a, `{"type":"track","event":"Order Completed"}`, 1, 1)
	f("no messageId again", a, `{"type":"track","event":"Order Completed"}`, 1, 1)
	f("an empty one", a, order(""), 1, 1)
	f("an empty one again", a, order(""), 1, 1)
	f("one that is no text", a, `{"type":"track","event":"Order Completed","messageId":{}}`, 1, 1)
	f("again", a, `{"type":"track","event":"Order Completed","messageId":{}}`, 1, 1)
	// Parts do not run into each other.
	f("parts", a, own("bc", "a"), 1, 1)
	f("parts, moved", a, own("c", "ab"), 1, 1)

	// A page view is withheld from a visitor who did not choose, so it is no repeat
	// once they did.
	page := `{"type":"page","messageId":"p","anonymousId":"eve"}`
	f("withheld", a, page, 0, 1)
	r, body := s.send(post("/v1/consent?k=a", `{"all":"granted","link":{"anonymousId":"eve"}}`))
	if r.StatusCode != 201 {
		t.Fatalf("the choice: %d %s", r.StatusCode, body)
	}
	f("granted since", a, page, 1, 1)
	f("repeated", a, page, 0, 1)

	// Whoever proves to be somebody is not another one who sends the same ids.
	cookies := "Cookie: " + cookieHeader(r)
	f("by the one who is proven", a, page, 1, 1, cookies)
	f("again", a, page, 0, 1, cookies)
	f("a stranger takes no place", a, own("q", "ann"), 1, 1)
	f("of the one who is proven", a, own("q", "ann"), 1, 1, cookies)
}

// TestNobodyTakesAnEventsPlace: whoever guesses the messageId of an event and sends
// something else under it, or even the same under no or another name, first, does
// not keep the event of somebody who is proven from being stored.
func TestNobodyTakesAnEventsPlace(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 100))
	visitor := func() string {
		r, body := s.send(post("/v1/consent", `{"all":"granted"}`))
		if r.StatusCode != 201 {
			t.Fatalf("the choice: %d %s", r.StatusCode, body)
		}
		return "Cookie: " + cookieHeader(r)
	}
	ann, bob := visitor(), visitor()
	const paid = `{"type":"track","event":"Order Completed","messageId":"order-1001","properties":{"order_id":"1001"}}`
	for _, k := range []struct {
		what, body string
		headers    []string
		stored     int
	}{
		{"a stranger, by the id alone", `{"type":"track","event":"Order Completed","messageId":"order-1001"}`, nil, 1},
		{"a stranger who knows all of it", paid, nil, 1},
		{"bob, who knows all of it", paid, []string{bob}, 2},
		{"the real one", paid, []string{ann}, 2},
		{"its repeat", paid, []string{ann}, 0},
		{"bob again", paid, []string{bob}, 0},
		{"the stranger again", paid, nil, 0},
	} {
		r, body := s.send(post("/v1/events", k.body, k.headers...))
		if n := len(sink.take()); n != k.stored || r.StatusCode != 200 || !strings.HasPrefix(body, `{"accepted":1,`) {
			t.Errorf("%s: %d records, want %d; %d %s", k.what, n, k.stored, r.StatusCode, body)
		}
	}
}

// TestRepeatUnderTheAnswersCookie: a retry may carry what the answer to an attempt
// before it set: the id cookie it gave out, or none where it ended one. It is a
// repeat all the same, over kill -9 as well; so is every other attempt.
func TestRepeatUnderTheAnswersCookie(t *testing.T) {
	fs := disktest.New()
	w, err := dedup.Open(dedup.Options{Dir: "dedup", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) { o.Dedup = w })
	// send sends an event and returns the id cookie it sets, and whether it sets one.
	send := func(from, body string, stored int, headers ...string) (cookie string, set bool) {
		t.Helper()
		raw := strings.Replace(post("/v1/events", body, headers...), "80.10.0.1", from, 1)
		r, got := s.send(raw)
		if n := len(sink.take()); n != stored || r.StatusCode != 200 || !strings.HasPrefix(got, `{"accepted":1,`) {
			t.Errorf("%s: %d records, want %d; %d %s", body, n, stored, r.StatusCode, got)
		}
		for _, k := range r.Cookies() {
			if strings.HasSuffix(k.Name, "assent_id") {
				return "Cookie: " + k.Name + "=" + k.Value, true
			}
		}
		return "", false
	}
	const unitedStates, france = "12.0.0.1", "80.10.0.1"
	first, set := send(unitedStates, order("a"), 2)
	if !set {
		t.Fatal("no id cookie is given out")
	}
	send(unitedStates, order("a"), 0, first)
	second, _ := send(unitedStates, order("a"), 0) // the first answer was lost
	if second == first {
		t.Fatal("the same cookie is given out twice")
	}
	send(unitedStates, order("a"), 0, second)
	send(unitedStates, order("b"), 2, first)
	send(unitedStates, order("b"), 2, second) // somebody else

	if ended, set := send(france, order("c"), 1, first); !set || !strings.HasSuffix(ended, "assent_id=") {
		t.Fatal("no id cookie is ended")
	}
	send(france, order("c"), 0)

	// What is refused is not stored, so there is nothing to repeat under any name.
	r, body := s.send(strings.Replace(post("/v1/events", `[`+order("d")+`,{"type":"track","event":5,"messageId":"e"}]`), france, unitedStates, 1))
	if r.StatusCode != 200 || !strings.HasPrefix(body, `{"accepted":1,`) {
		t.Errorf("got %d %s", r.StatusCode, body)
	}
	// This sink notes nothing: what survives is a under two names, c and d under one.
	for path, data := range fs.Files(".ids") {
		if n := len(data) / 20; n != 4 {
			t.Errorf("%s holds %d IDs, want 4", path, n)
		}
	}
}

// TestTransportIsNoContent: a tracker stamps each attempt with its own sentAt and
// its count; the event is the same one.
func TestTransportIsNoContent(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 100))
	for _, k := range []struct {
		body   string
		stored int
	}{
		{`{"type":"track","event":"Order Completed","messageId":"m","sentAt":"2026-11-22T10:00:00Z","_metadata":{"bundled":["Segment.io"]},"properties":{"order_id":"1"}}`, 1},
		{`{"type":"track","event":"Order Completed","messageId":"m","sentAt":"2026-11-22T10:00:09Z","_metadata":{"bundled":["Segment.io"],"retryCount":2},"properties":{"order_id":"1"}}`, 0},
		{`{"type":"track","event":"Order Completed","messageId":"m","sentAt":"2026-11-22T10:00:09Z","_metadata":{"bundled":["Segment.io"],"retryCount":2},"properties":{"order_id":"2"}}`, 1},
		{`{"_metadata":{},"type":"track","event":"Order Completed","messageId":"n","sentAt":null}`, 1},
		{`{"_metadata":{"retryCount":3},"type":"track","event":"Order Completed","messageId":"n","sentAt":"later"}`, 0},
		{`{"type":"track","event":"Order Completed","messageId":"o","properties":{"sentAt":"a"}}`, 1},
		{`{"type":"track","event":"Order Completed","messageId":"o","properties":{"sentAt":"b"}}`, 1},
		{`{"type":"track","event":"Order Completed","messageId":"p","sentAt":1}`, 1},
		{`{"type":"track","event":"Order Completed","messageId":"p","sentAt":22}`, 0},
	} {
		r, body := s.send(post("/v1/events", k.body))
		if n := len(sink.take()); n != k.stored || r.StatusCode != 200 {
			t.Errorf("%s: %d records, want %d; %d %s", k.body, n, k.stored, r.StatusCode, body)
		}
	}
}

// TestFloodOfAnotherSource: no source, and nobody with a server's public key, takes
// the room of another's IDs.
func TestFloodOfAnotherSource(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 90), func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "c", Key: "c", Kind: collector.KindServer, Bearer: "token"}}
	})
	var few, many []string
	for i := range 300 {
		if many = append(many, order(fmt.Sprint("m", i))); i < 30 {
			few = append(few, order(itoa(i)))
		}
	}
	send := func(path string, events []string, stored int, headers ...string) {
		t.Helper()
		r, body := s.send(post(path, "["+strings.Join(events, ",")+"]", headers...))
		if n := len(sink.take()); n != stored || r.StatusCode != 200 {
			t.Errorf("%s: %d are stored, want %d; %d %s", path, n, stored, r.StatusCode, body)
		}
	}
	const token = "Authorization: Bearer token"
	send("/v1/events", few, 30, token)
	send("/v1/events?k=c", many, 300)
	send("/v1/events?k=a", many, 300)
	send("/v1/events", few, 0, token)
}

func cookieHeader(r *http.Response) string {
	var out []string
	for _, k := range r.Cookies() {
		out = append(out, k.Name+"="+k.Value)
	}
	return strings.Join(out, "; ")
}

// TestEvictionIsNoLoss: an event that fell out of the window is stored again
// rather than not at all.
func TestEvictionIsNoLoss(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 10))
	for i := range 11 {
		s.send(post("/v1/events", order(itoa(i))))
	}
	sink.take()
	s.send(post("/v1/events", order("0")))
	s.send(post("/v1/events", order("10")))
	if got := sink.take(); len(got) != 1 {
		t.Errorf("%d are stored", len(got))
	}
}

// TestConcurrentTwin: the second of two requests with the same event waits for the
// first one's commit and shares its fate.
func TestConcurrentTwin(t *testing.T) {
	for _, fails := range []bool{false, true} {
		sink := &fakeSink{hold: make(chan struct{}), entered: make(chan struct{}, 8)}
		s := serve(t, sink, withWindow(t, 100))
		if fails {
			sink.fail = errFull
		}
		type got struct {
			r    *http.Response
			body string
		}
		first, second := make(chan got, 1), make(chan got, 1)
		go func() {
			r, body := s.send(post("/v1/events", order("m")))
			first <- got{r, body}
		}()
		sink.awaits(t)
		go func() {
			r, body := s.send(post("/v1/events", order("m")))
			second <- got{r, body}
		}()
		select {
		case g := <-second:
			t.Fatalf("the twin did not wait: %d %s", g.r.StatusCode, g.body)
		case <-time.After(200 * time.Millisecond):
		}
		close(sink.hold)
		for _, c := range []chan got{first, second} {
			g := <-c
			if fails {
				refused(t, g.r, g.body, 503, "sink_unavailable")
			} else if g.r.StatusCode != 200 || !strings.Contains(g.body, `"accepted":1,`) {
				t.Errorf("got %d %s", g.r.StatusCode, g.body)
			}
		}
		sink.set(func(s *fakeSink) { s.fail, s.hold, s.entered = nil, nil, nil })
		r, body := s.send(post("/v1/events", order("m")))
		if r.StatusCode != 200 {
			t.Errorf("a retry: %d %s", r.StatusCode, body)
		}
		if n := len(sink.take()); n != 1 {
			t.Errorf("stored %d times", n)
		}
	}
}

// TestTwinsCrossed: two requests that each hold what the other waits for do not
// wait for ever, and everything is stored once.
func TestTwinsCrossed(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, withWindow(t, 10_000))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			conn := s.dial()
			br := bufio.NewReader(conn)
			for n := range 15 {
				var ids []string
				for k := range 20 {
					ids = append(ids, order(fmt.Sprint(n, ".", (k*7+i*3)%20)))
				}
				_, _ = io.WriteString(conn, post("/v1/events", "["+strings.Join(ids, ",")+"]"))
				if r, body := answer(t, br); r.StatusCode != 200 || !strings.Contains(body, `"accepted":20,`) {
					t.Errorf("got %d %s", r.StatusCode, body)
				}
			}
		})
	}
	all.Wait()
	seen := map[sinks.ID]bool{}
	for _, id := range sink.ids {
		if seen[id] || id == (sinks.ID{}) {
			t.Fatal("an event is stored twice, or without its ID")
		}
		seen[id] = true
	}
	if len(seen) != 300 {
		t.Errorf("%d of 300 are stored", len(seen))
	}
}

// TestRefusedGivesItsClaimBack: what is claimed is settled, however a request ends.
func TestRefusedGivesItsClaimBack(t *testing.T) {
	sink := &fakeSink{}
	d := &claims{}
	s := serve(t, sink, func(o *collector.Options) { o.Dedup = d })
	sink.set(func(s *fakeSink) { s.fail = &sinks.Error{Reason: sinks.ReasonTooLarge} })
	r, body := s.send(post("/v1/events", `[`+order("a")+`,`+order("b")+`]`))
	refused(t, r, body, 413, "body_too_large")
	sink.set(func(s *fakeSink) { s.fail = nil })
	if r, body := s.send(post("/v1/events", order("c"))); r.StatusCode != 200 {
		t.Errorf("got %d %s", r.StatusCode, body)
	}
	sink.set(func(s *fakeSink) { s.breaks = true })
	r, body = s.send(post("/v1/events", order("d")))
	if r.StatusCode != 500 {
		t.Errorf("a panic is answered %d %s", r.StatusCode, body)
	}
	if d.open != 0 || d.first != 4 || d.stored != 1 {
		t.Errorf("%d claims are open, of %d first ones %d were stored", d.open, d.first, d.stored)
	}
}

// claims counts.
type claims struct {
	mu                  sync.Mutex
	open, first, stored int
}

func (c *claims) Claim(ids []sinks.ID, claims []sinks.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open += len(ids)
	c.first += len(ids)
	for i := range claims {
		claims[i] = sinks.First
	}
}

func (c *claims) Finish(ids []sinks.ID, stored bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open -= len(ids)
	if stored {
		c.stored += len(ids)
	}
}

func (c *claims) Wait(sinks.ID) bool { return false }

func (c *claims) Note([]sinks.ID) {}

// TestRepeatAfterRestart: an event whose answer was lost with the process is known
// to the next one, which holds the same files.
func TestRepeatAfterRestart(t *testing.T) {
	dir, fs := t.TempDir(), disktest.New()
	var key keys.Key
	run := func(f func(s *served)) {
		w, err := dedup.Open(dedup.Options{Dir: "dedup", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		sink, err := file.Open(file.Options{Dir: dir, Committed: w.Note})
		if err != nil {
			t.Fatal(err)
		}
		f(serve(t, sink, func(o *collector.Options) {
			o.Dedup = w
			if key == (keys.Key{}) {
				key = o.DedupKey
			}
			o.DedupKey = key
		}))
		if err := sink.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	lines := func() (n int) {
		files, err := filepath.Glob(filepath.Join(dir, "events", "*.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			n += strings.Count(string(b), "\n")
		}
		return n
	}
	for _, want := range []struct {
		ids   []string
		lines int
	}{{[]string{"a", "b"}, 2}, {[]string{"b", "c"}, 3}, {[]string{"a", "c", "d"}, 4}} {
		run(func(s *served) {
			for _, id := range want.ids {
				if r, body := s.send(post("/v1/events", order(id))); r.StatusCode != 200 || !strings.Contains(body, `"accepted":1,`) {
					t.Errorf("%s: got %d %s", id, r.StatusCode, body)
				}
			}
		})
		if got := lines(); got != want.lines {
			t.Errorf("%d are stored, want %d", got, want.lines)
		}
	}
}

// TestLateDelivery: an event that is durable and was not delivered in time is no
// success, and its retry does not store it again; any other failure leaves the
// retry the first.
func TestLateDelivery(t *testing.T) {
	for _, c := range []struct {
		promise sinks.Promise
		reason  sinks.Reason
		stored  int
	}{
		{sinks.Delivered, sinks.ReasonTimeout, 0},
		{sinks.Delivered, sinks.ReasonIO, 1},
		{sinks.Durable, sinks.ReasonTimeout, 1},
	} {
		sink := &fakeSink{fail: &sinks.Error{Reason: c.reason}}
		s := serve(t, sink, withWindow(t, 10), func(o *collector.Options) {
			o.Sources = []*collector.Source{{ID: "a", Key: "a", Promise: c.promise}}
		})
		r, body := s.send(post("/v1/events?k=a", order("m")))
		refused(t, r, body, 503, "sink_unavailable")
		sink.set(func(s *fakeSink) { s.fail = nil })
		r, body = s.send(post("/v1/events?k=a", order("m")))
		if n := len(sink.take()); n != c.stored || r.StatusCode != 200 {
			t.Errorf("promise %d, reason %s: %d %s, stored %d times more", c.promise, c.reason, r.StatusCode, body, n)
		}
	}
}

// TestPromise: the batch says what its source was promised.
func TestPromise(t *testing.T) {
	sink := &fakeSink{}
	s := serve(t, sink, func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "a", Key: "a"}, {ID: "b", Key: "b", Promise: sinks.Delivered}}
	})
	for key, want := range map[string]sinks.Promise{"a": sinks.Durable, "b": sinks.Delivered} {
		s.send(post("/v1/events?k="+key, order("m")))
		if sink.promise != want {
			t.Errorf("source %s: promise %d, want %d", key, sink.promise, want)
		}
	}
}
