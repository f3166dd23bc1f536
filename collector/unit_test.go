package collector

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"assent/redact"
)

// TestDecompressBounds: what unfolds to the limit passes, one byte more does not,
// and never more than the limit and one read is held.
func TestDecompressBounds(t *testing.T) {
	const limit = 100_000
	for _, coding := range []string{"gzip", "x-gzip", "br", "zstd", "deflate", "GZip"} {
		for _, c := range []struct {
			size int
			want Reason
		}{{0, ""}, {1, ""}, {limit, ""}, {limit + 1, ReasonTooLarge}, {50 * limit, ReasonTooLarge}} {
			body := pack(t, coding, c.size)
			got, err := unpack(body, coding, limit)
			switch {
			case c.want == "" && (err != nil || len(got) != c.size):
				t.Errorf("%s of %d bytes: %d bytes, %v", coding, c.size, len(got), err)
			case c.want != "" && (err == nil || err.Reason != c.want):
				t.Errorf("%s of %d bytes: %v, want %s", coding, c.size, err, c.want)
			}
			if cap(got) > 4*limit {
				t.Errorf("%s of %d bytes: holds %d", coding, c.size, cap(got))
			}
			if c.size == 50*limit {
				continue
			}
			for _, broken := range [][]byte{body[:len(body)/2], {}, []byte("junk, which is no such thing")} {
				if coding == "zstd" && len(broken) == 0 {
					continue // no frame at all is an empty body
				}
				if _, err := unpack(broken, coding, limit); err == nil || err.Reason != ReasonDecompress {
					t.Errorf("%s, broken: %v", coding, err)
				}
			}
		}
	}
	for _, coding := range []string{"compress", "gzip, gzip", "gzip,", "*", "identity;q=1"} {
		if _, err := unpack([]byte("x"), coding, limit); err == nil || err.Reason != ReasonEncoding {
			t.Errorf("%s: %v", coding, err)
		}
	}
}

func unpack(body []byte, coding string, limit int) ([]byte, *RequestError) {
	x := &exchange{memory: &budget{limit: 100 << 20}, state: state{encoding: []byte(coding)}}
	err := x.decompress(body, limit, func(int) *RequestError { return nil })
	return x.body, err
}

func pack(t *testing.T, coding string, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	plain := make([]byte, size)
	switch coding {
	case "br":
		w := brotli.NewWriter(&b)
		_, _ = w.Write(plain)
		err = w.Close()
	case "zstd":
		var w *zstd.Encoder
		if w, err = zstd.NewWriter(&b); err == nil {
			_, _ = w.Write(plain)
			err = w.Close()
		}
	case "deflate":
		w := zlib.NewWriter(&b)
		_, _ = w.Write(plain)
		err = w.Close()
	default:
		w := gzip.NewWriter(&b)
		_, _ = w.Write(plain)
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestZstdWindow: a frame that asks for more window than the bound is refused
// before its memory is reserved.
func TestZstdWindow(t *testing.T) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(zstdWindow*4), zstd.WithSingleSegment(false))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(make([]byte, 100))
	_ = w.Flush()
	_, _ = w.Write(make([]byte, 100))
	_ = w.Close()
	if _, err := unpack(b.Bytes(), "zstd", 1000); err == nil || err.Reason != ReasonDecompress {
		t.Errorf("got %v", err)
	}
}

// TestIDs: each is a UUIDv7 of its instant (RFC 9562, 5.7), and none comes twice.
func TestIDs(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	at := time.Date(2026, 11, 22, 7, 0, 0, 123e6, time.UTC)
	for seed := range byte(4) {
		g := ids{rng: rand.NewChaCha8([32]byte{seed})}
		for range 50_000 {
			id := string(g.next(at))
			if !form.MatchString(id) || seen[id] {
				t.Fatalf("%q: not a UUIDv7, or given twice", id)
			}
			seen[id] = true
		}
	}
	g := ids{rng: rand.NewChaCha8([32]byte{})}
	if id := string(g.next(time.UnixMilli(0x0123456789ab))); !strings.HasPrefix(id, "01234567-89ab-7") {
		t.Errorf("%q does not begin with its instant", id)
	}
	if n := testing.AllocsPerRun(100, func() { g.next(at) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestReasonsAreComplete: every reason is a stable word with a problem of its own,
// or one of a single event; none is both, none is listed twice.
func TestReasonsAreComplete(t *testing.T) {
	ofEvent := map[Reason]bool{ReasonTypeMissing: true, ReasonTypeInvalid: true, ReasonEventInvalid: true, ReasonIDInvalid: true, ReasonEventTooLarge: true}
	listed := map[Reason]bool{}
	for _, r := range AllReasons {
		if listed[r] {
			t.Errorf("%s is listed twice", r)
		}
		listed[r] = true
		p, whole := problems[r]
		if whole == ofEvent[r] {
			t.Errorf("%s: has a problem: %v, is of one event: %v", r, whole, ofEvent[r])
		}
		if whole && (http.StatusText(p.status) == "" || p.status < 400 || p.title == "") {
			t.Errorf("%s: problem %d %q", r, p.status, p.title)
		}
	}
	for r := range problems {
		if !listed[r] {
			t.Errorf("%s has a problem and is not listed", r)
		}
	}
	for r := range ofEvent {
		if !listed[r] {
			t.Errorf("%s is not listed", r)
		}
	}
	m := newInstruments()
	word := regexp.MustCompile(`^[a-z0-9_]+$`)
	for _, r := range redact.Reasons() {
		if listed[Reason(r.String())] {
			t.Errorf("%s is a reason of redact too", r)
		}
		listed[Reason(r.String())] = true
	}
	for r := range listed {
		if !word.MatchString(string(r)) {
			t.Errorf("%q is not one lower-case word", r)
		}
		if m.reasons[r] == nil {
			t.Errorf("%s is not counted", r)
		}
	}
	m.refused("made_up")
	if m.unknown.Get() != 1 {
		t.Error("a reason nobody listed is not counted")
	}
}

// TestClientID: a sender's message id may stand in a header only as short,
// printable ASCII.
func TestClientID(t *testing.T) {
	f := func(id, want string) {
		t.Helper()
		p, err := PeekObject([]byte(`{"type":"track","messageId":` + id + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(clientID(&p)); got != want {
			t.Errorf("%s: got %q, want %q", id, got, want)
		}
	}
	f(`"m-1"`, "m-1")
	f(`"a\u002db"`, "a-b")
	f(`"`+strings.Repeat("x", maxCEID)+`"`, strings.Repeat("x", maxCEID))
	f(`"`+strings.Repeat("x", maxCEID+1)+`"`, "")
	f(`""`, "")
	f(`7`, "")
	f(`null`, "")
	f(`{"a":1}`, "")
	f(`"a b"`, "")
	f(`"a\nb"`, "")
	f(`"a\u000d\u000aX-Header: 1"`, "")
	f(`"é"`, "")
	f(`"\u007f"`, "")
}

// TestCEType: only the Segment spec's types are named in a header.
func TestCEType(t *testing.T) {
	f := func(typ, want string) {
		t.Helper()
		if got := string(ceType([]byte(typ))); got != want {
			t.Errorf("%s: got %s, want %s", typ, got, want)
		}
	}
	for _, typ := range []string{"track", "identify", "page", "screen", "group", "alias"} {
		f(typ, "assent."+typ)
	}
	f("Track", "assent.other")
	f("track\r\nx", "assent.other")
	f("ann@example.com", "assent.other")
	f("", "assent.other")
}

// TestProblemsHoldNoLineEnds: a detail is quoted, whatever is in it.
func TestProblemsHoldNoLineEnds(t *testing.T) {
	var a Answer
	refuse(&a, ReasonChoice, "a \"quoted\"\nline")
	if got := string(a.Body); got != `{"type":"urn:assent:problem:choice_invalid","title":"The choice cannot be recorded as sent","status":400,"detail":"a \"quoted\"\nline"}`+"\n" {
		t.Errorf("got %s", got)
	}
	a = Answer{}
	refuse(&a, ReasonUnavailable, "")
	if a.Status != 503 || len(a.Headers) != 1 {
		t.Errorf("got %d %v", a.Status, a.Headers)
	}
	a = Answer{}
	refuse(&a, "made_up", "")
	if a.Status != 400 {
		t.Errorf("an unlisted reason is answered %d", a.Status)
	}
}

// TestSourcesAreRefused: each contradiction in a list of sources.
func TestSourcesAreRefused(t *testing.T) {
	f := func(want string, list ...*Source) {
		t.Helper()
		wrong := (&Options{Sources: list}).CheckSources()
		if want == "" && len(wrong) > 0 || want != "" && (len(wrong) == 0 || !strings.Contains(wrong[0].Error(), want)) {
			t.Errorf("got %v, want %q", wrong, want)
		}
	}
	f("")
	f("", &Source{ID: "a", Key: "k"}, &Source{ID: "b", Kind: KindServer, Bearer: "secret"}, &Source{ID: "c", Hosts: []string{"h"}})
	f("none of web, app, tv, server", &Source{ID: "a", Key: "k", Kind: "radio"})
	f("needs an id of its own", &Source{Key: "k"})
	f("needs an id of its own", &Source{ID: "a", Key: "k"}, &Source{ID: "a", Key: "l"})
	for _, id := range []string{`a"`, "a b", "a\nb", "é", "a,b", "a@b"} {
		f("its id goes into headers", &Source{ID: id, Key: "k"})
	}
	f("is also that of", &Source{ID: "a", Key: "k"}, &Source{ID: "b", Key: "k"})
	f("for kind server", &Source{ID: "a", Bearer: "secret"})
	f("needs a key", &Source{ID: "a"})
	for _, origin := range []string{"*", "https://*.example", "shop.example", "https://shop.example/", "null"} {
		f("https://*.shop.example", &Source{ID: "a", Key: "k", Origins: []string{origin}})
	}
}

// TestRetryAfter: senders are told the least that helps, and are not all sent to
// the same instant.
func TestRetryAfter(t *testing.T) {
	for _, k := range []struct {
		status      int
		wait        time.Duration
		least, most int
	}{
		{429, 0, 1, 2},
		{429, time.Second, 1, 2},
		{429, 2500 * time.Millisecond, 3, 6},
		{503, 0, 4, 8},
		{400, 0, 0, 0},
		{500, 0, 0, 0},
	} {
		seen := map[int]bool{}
		for range 500 {
			s := retryAfter(k.status, k.wait)
			if s < k.least || s > k.most {
				t.Errorf("%d after %s: %d s", k.status, k.wait, s)
			}
			seen[s] = true
		}
		if len(seen) != k.most-k.least+1 {
			t.Errorf("%d after %s: %v", k.status, k.wait, seen)
		}
	}
}

// TestSendersClock: a server's clock that runs ahead is corrected by the time at which it
// says it sent the event, or else the request.
func TestSendersClock(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	at := func(minutes int) []byte {
		return []byte(`"` + now.Add(time.Duration(minutes)*time.Minute).Format(time.RFC3339) + `"`)
	}
	for _, c := range []struct {
		event       string
		request     []byte // when it says it was sent
		wantMinutes int
	}{
		{`{"originalTimestamp":` + string(at(30)) + `}`, nil, 0}, // ahead, so now
		{`{"originalTimestamp":` + string(at(30)) + `}`, at(60), -30},
		{`{"originalTimestamp":` + string(at(30)) + `,"sentAt":` + string(at(40)) + `}`, at(60), -10},
		{`{"originalTimestamp":` + string(at(-30)) + `}`, at(-5), -30}, // behind: it came late
		{`{"originalTimestamp":` + string(at(30)) + `}`, []byte(`"soon"`), 0},
		{`{"originalTimestamp":` + string(at(30)) + `}`, []byte(`12`), 0},
		{`{"timestamp":` + string(at(-20)) + `}`, at(60), -20}, // the sender corrected it
		{`{}`, at(60), 0},
	} {
		e := Event{Raw: []byte(c.event)}
		e.read(1 << 10)
		k := circumstances{source: &Source{Kind: KindServer, MayNameTime: true}, now: now, at: now, sentAt: c.request}
		if got, want := k.namesTime(true, &e), now.Add(time.Duration(c.wantMinutes)*time.Minute); !got.Equal(want) {
			t.Errorf("%s sent %s: %s, want %s", c.event, c.request, got, want)
		}
		if got := k.namesTime(false, &e); !got.Equal(now) {
			t.Errorf("%s without the token: %s", c.event, got)
		}
	}
}
