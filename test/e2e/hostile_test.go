package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// zeros is n zero bytes, packed.
func zeros(t *testing.T, n int64) string {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 1<<20)
	for ; n > 0; n -= int64(len(chunk)) {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// peakMemory is the most memory the process ever held, in bytes (proc(5): VmHWM).
func (p *proxy) peakMemory() int64 {
	p.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		p.t.Fatal(err)
	}
	for l := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kb << 10
		}
	}
	p.t.Fatal("no VmHWM")
	return 0
}

// TestManyTinyEvents: a few kilobytes that unfold into millions of events are
// refused at the limit of events, before memory is spent on them.
func TestManyTinyEvents(t *testing.T) {
	t.Parallel()
	p := start(t)
	pack := func(body string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, body)
		_ = w.Close()
		return b.String()
	}
	before := p.peakMemory()
	for _, c := range []struct{ kind, body string }{
		{"application/x-ndjson", strings.Repeat("1\n", 1_900_000)},
		{"application/json", "[" + strings.Repeat("1,", 1_900_000) + "1]"},
	} {
		r := p.send("POST", "/v1/events", pack(c.body), "Content-Encoding: gzip", "Content-Type: "+c.kind)
		if r.status != 413 || !strings.Contains(r.body, "too_many_events") {
			t.Errorf("%s: got %d %s", c.kind, r.status, r.body)
		}
	}
	if grown := p.peakMemory() - before; grown > 60<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	}
	// What a header announces is not reserved where no events are taken.
	if r := p.send("POST", "/v1/consent", strings.Repeat(" ", 65<<10)); r.status != 413 {
		t.Errorf("a long choice is answered %d", r.status)
	}
}

// TestIDsThatNameNobody: an anonymousId of another type than the one a choice was
// linked to does not slip past the choice.
func TestIDsThatNameNobody(t *testing.T) {
	t.Parallel()
	p := start(t)
	if r := p.send("POST", "/v1/consent", `{"all":"denied","link":{"anonymousId":"12345"}}`, inUSA); r.status != 201 {
		t.Fatalf("the choice: %d %s", r.status, r.body)
	}
	for _, id := range []string{`"12345"`, "12345"} {
		r := p.send("POST", "/v1/events", `{"type":"page","anonymousId":`+id+`}`, inUSA)
		if !strings.Contains(r.body, `"withheld":1`) {
			t.Errorf("anonymousId %s: %s", id, r.body)
		}
	}
	for _, id := range []string{`["12345"]`, `{"id":"12345"}`, "true"} {
		r := p.send("POST", "/v1/events", `{"type":"page","anonymousId":`+id+`}`, inUSA)
		if !strings.Contains(r.body, "anonymous_id_invalid") {
			t.Errorf("anonymousId %s: %s", id, r.body)
		}
	}
}

// TestBombs: a body that unfolds into a gigabyte is refused at the limit, soon,
// in bounded memory.
func TestBombs(t *testing.T) {
	t.Parallel()
	p := start(t)
	bomb := zeros(t, 1<<30)
	if len(bomb) > 4<<20 {
		// What is too large on the wire would be refused before it is unfolded.
		var twice bytes.Buffer
		w, _ := gzip.NewWriterLevel(&twice, gzip.BestCompression)
		for range 1 << 10 {
			_, _ = w.Write(make([]byte, 1<<20))
		}
		_ = w.Close()
		bomb = twice.String()
	}
	small := strings.Repeat("\x00", 9<<20)
	before := p.peakMemory()
	start := time.Now()
	for range 8 {
		p.send("POST", "/v1/events", bomb, "Content-Encoding: gzip").problem(t, 413, "body_too_large")
	}
	for _, coding := range [][2]string{{"br", "br"}, {"zstd", "zstd"}, {"deflate", "zlib"}, {"deflate", "flate"}} {
		p.send("POST", "/v1/events", packed(t, coding[1], small), "Content-Encoding: "+coding[0]).problem(t, 413, "body_too_large")
	}
	if took := time.Since(start); took > patience {
		t.Errorf("refusing bombs took %s", took)
	}
	if grown := p.peakMemory() - before; grown > 200<<20 {
		t.Errorf("refusing bombs took %d MB", grown>>20)
	}
	p.works()
	p.stop()
}

// TestHostileBodies: each gets its one clear error, and a good event right
// behind it is stored.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	p := start(t)
	good := order("h")
	cut := func(coding string) string {
		s := packed(t, coding, strings.Repeat(good, 20))
		return s[:len(s)-len(s)/3]
	}
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for _, c := range []struct {
		name, body, encoding string
		status               int
		kind                 string // of the problem; of a 200, the reason of the one event
	}{
		{"not JSON", `{"type":`, "", 400, "body_unreadable"},
		{"a scalar", `42`, "", 400, "body_unreadable"},
		{"two values", good + good, "", 400, "body_unreadable"},
		{"an array that does not end", `[` + good, "", 400, "body_unreadable"},
		{"a batch that is no array", `{"batch":{"a":1}}`, "", 200, "type_missing"},
		{"a batch said twice", `{"batch":[` + good + `],"batch":[` + good + `]}`, "", 400, "body_unreadable"},
		{"a batch said twice, escaped", `{"batch":[` + good + `],"b\u0061tch":[` + good + `]}`, "", 400, "body_unreadable"},
		{"a key said twice", `{"writeKey":"a","writeKey":"b",` + good[1:], "", 400, "body_unreadable"},
		{"100k deep", deep, "", 200, "not_an_object"},
		{"100k deep, open", strings.Repeat("[", 100_000), "", 400, "body_unreadable"},
		{"100k deep inside an event", `{"type":"track","a":` + deep + `}`, "", 400, "body_unreadable"},
		{"100k deep objects", strings.Repeat(`{"a":`, 100_000), "", 400, "body_unreadable"},
		{"invalid UTF-8", "{\"type\":\"track\",\"event\":\"\xc3\x28\"}", "", 400, "body_unreadable"},
		{"two byte order marks", "\xef\xbb\xbf\xef\xbb\xbf" + good, "", 400, "body_unreadable"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "", 400, "body_unreadable"},
		{"NUL", "\x00", "", 400, "body_unreadable"},
		{"1 MB string", `{"type":"track","event":"` + strings.Repeat("x", 1<<20) + `"}`, "", 200, "event_too_large"},
		{"1 MB key", `{"type":"track","` + strings.Repeat("k", 1<<20) + `":1}`, "", 200, "event_too_large"},
		{"1 MB of escapes", `{"type":"track","event":"` + strings.Repeat(`\u0041`, 170_000) + `"}`, "", 200, "event_too_large"},
		{"1 MB number", `{"type":"track","a":` + strings.Repeat("1", 1<<20) + `}`, "", 200, "event_too_large"},
		{"1 MB array", `{"type":"track","a":[` + strings.Repeat("1,", 1<<19) + `1]}`, "", 200, "event_too_large"},
		{"gzip, cut", cut("gzip"), "gzip", 400, "decompression_failed"},
		{"br, cut", cut("br"), "br", 400, "decompression_failed"},
		{"zstd, cut", cut("zstd"), "zstd", 400, "decompression_failed"},
		{"deflate, cut", cut("zlib"), "deflate", 400, "decompression_failed"},
		{"raw deflate, cut", cut("flate"), "deflate", 400, "decompression_failed"},
		{"gzip that is br", packed(t, "br", good), "gzip", 400, "decompression_failed"},
		{"gzip with bytes behind", packed(t, "gzip", good) + "garbage", "gzip", 400, "decompression_failed"},
		{"empty gzip", "", "gzip", 400, "decompression_failed"},
		{"gzip of nothing", packed(t, "gzip", ""), "gzip", 400, "body_empty"},
	} {
		h := []string{inFrance}
		if c.encoding != "" {
			h = append(h, "Content-Encoding: "+c.encoding)
		}
		t.Run(c.name, func(t *testing.T) {
			before := len(p.records("events"))
			r := p.send("POST", "/v1/events", c.body, h...)
			if c.status == 200 {
				want := fmt.Sprintf(`{"accepted":0,"withheld":0,"refused":[{"index":0,"id":null,"reason":"%s"}]}`+"\n", c.kind)
				if r.status != 200 || r.body != want {
					t.Errorf("got %d %s, want %s", r.status, r.body, want)
				}
			} else {
				r.problem(t, c.status, c.kind)
			}
			if len(p.records("events")) != before {
				t.Error("stored something of it")
			}
			p.works()
		})
	}
	if r := p.send("POST", "/v1/events", "\xef\xbb\xbf"+anOrder(), inFrance); r.status != 200 || r.body != accepted(1) { // RFC 8259, 8.1
		t.Errorf("a byte order mark: %d %s", r.status, r.body)
	}
	// Many events that are large only together are no hostile body.
	batch := `{"batch":[` + strings.Repeat(`{"type":"track","event":"Order Completed","pad":"`+strings.Repeat("x", 20<<10)+`"},`, 99) + good + `]}`
	if r := p.send("POST", "/v1/events", batch, inFrance); r.status != 200 || r.body != accepted(100) {
		t.Errorf("a batch of 2 MB: %d %s", r.status, r.body)
	}
	if p.peakMemory() > 300<<20 {
		t.Errorf("peak memory %d MB", p.peakMemory()>>20)
	}
	p.stop()
}

// TestForgedForwarding: from a peer that is not trusted no header says where it is.
func TestForgedForwarding(t *testing.T) {
	t.Parallel()
	p := start(t, "--trust", "192.0.2.0/24")
	for _, h := range []string{inUSA, "Forwarded: for=12.0.0.1", "X-Real-IP: 12.0.0.1", "CF-Connecting-IP: 12.0.0.1", "True-Client-IP: 12.0.0.1"} {
		before := len(p.records("events"))
		r := p.send("POST", "/v1/events", `[{"type":"page"},`+anOrder()+`]`, h)
		got := p.records("events")[before:]
		if r.status != 200 || len(got) != 1 || got[0].Headers["privacy-jurisdiction"] != "unknown" || strings.Contains(string(got[0].Value), "12.0.0.1") {
			t.Errorf("%s is believed: %d %s %v", h, r.status, r.body, got)
		}
	}
	p.stop()
	// From a trusted one the rightmost address that is not a proxy's counts.
	p = start(t)
	for _, c := range [][2]string{
		{"X-Forwarded-For: 12.0.0.1, 80.10.0.1", "FR"},
		{"X-Forwarded-For: 12.0.0.1, 80.10.0.1, 127.0.0.9", "FR"},
		{"X-Forwarded-For: 12.0.0.1, rubbish", "unknown"},
		{"X-Forwarded-For: 12.0.0.1, 10.0.0.1", "unknown"},
	} {
		before := len(p.records("events"))
		p.send("POST", "/v1/events", anOrder(), c[0])
		if got := p.records("events")[before:]; len(got) != 1 || got[0].Headers["privacy-jurisdiction"] != c[1] {
			t.Errorf("%s: %v, want %s", c[0], got, c[1])
		}
	}
	p.stop()
}

// TestSlowLoris: a request that does not end is cut within the read timeout and
// keeps nobody else from being served.
func TestSlowLoris(t *testing.T) {
	t.Parallel()
	p := start(t, "-c", save(t, "assent.yaml", "limits: {read_timeout: 1s}\n"))
	var slow []net.Conn
	for i := range 20 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		head := "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
		if i%2 == 0 {
			head += "\r\n{" // the head ends and the body does not
		}
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, conn)
	}
	p.works()
	for i, conn := range slow {
		_ = conn.SetReadDeadline(time.Now().Add(15 * time.Second))
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Errorf("connection %d is still open: %v", i, err)
		}
		if len(answer) > 0 && (!strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.Contains(string(answer), `"urn:assent:problem:request_timeout"`)) {
			t.Errorf("connection %d: %s", i, answer)
		}
	}
	p.works()
	p.stop()
}

// TestBrokenHTTP: what is no HTTP gets 400 and costs nothing.
func TestBrokenHTTP(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, request := range []string{
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET\r\n\r\n", "hello\r\n\r\n",
		"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
	} {
		if got := p.raw(request); strings.HasPrefix(got, "HTTP/1.1 2") {
			t.Errorf("%q: %s", request, got)
		}
	}
	p.works()
	p.stop()
}

// TestUnreadableFiles: a start with a file that cannot be used ends with what and
// why on one line, and a start with none of it works.
func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	junk := save(t, "junk.mmdb", strings.Repeat("junk", 1000))
	empty := save(t, "empty.mmdb", "")
	whole, err := os.ReadFile(cityDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	cut := save(t, "cut.mmdb", string(whole[:len(whole)/2]))
	keys := save(t, "keys", "not keys\n")
	open := save(t, "open", "x")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"junk database", "geo database", []string{"--geo", junk}},
		{"empty database", "geo database", []string{"--geo", empty}},
		{"cut database", "geo database", []string{"--geo", cut}},
		{"no database", "geo database", []string{"--geo", junk + ".none"}},
		{"no policy", "policy", []string{"--policy", junk + ".none"}},
		{"junk policy", "junk", []string{"--policy", junk}},
		{"no config", "config", []string{"-c", junk + ".none"}},
		{"config with an unknown key", "2:1", []string{"-c", save(t, "a.yaml", "listen: 127.0.0.1:0\nlissten: x\n")}},
		{"junk keys", "keys", []string{"-c", save(t, "b.yaml", "keys: "+keys+"\n")}},
		{"keys that others can read", "chmod 600", []string{"-c", save(t, "c.yaml", "keys: "+open+"\n")}},
	} {
		o := assent(t, "", append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, c.args...)...)
		if o.code != 1 || o.stdout != "" || !strings.HasPrefix(o.stderr, "assent: serve: ") || !strings.Contains(o.stderr, c.want) || strings.Contains(o.stderr, "goroutine") {
			t.Errorf("%s: exit %d, stderr %q, stdout %q", c.name, o.code, o.stderr, o.stdout)
		}
	}
}

// TestLockedData: a second process on the same data is refused and harms nothing.
func TestLockedData(t *testing.T) {
	t.Parallel()
	p := start(t)
	o := assent(t, "", "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", p.data)
	if o.code != 1 || !strings.HasPrefix(o.stderr, "assent: serve: ") {
		t.Errorf("a second process: exit %d %s", o.code, o.stderr)
	}
	p.works()
	p.stop()
	if _, err := os.Stat(filepath.Join(p.data, "keys")); err != nil {
		t.Error(err)
	}
}
