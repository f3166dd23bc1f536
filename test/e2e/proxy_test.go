// Package e2e runs the real binary and looks at it from outside: HTTP in, files
// or a real Kafka out.
package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"assent/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// proxy is a running Assent.
type proxy struct {
	*program.Program
	t    *testing.T
	data string
}

// start runs `assent serve` on free ports and waits until it is ready. Addresses
// in X-Forwarded-For are believed, so that a test can be anywhere, unless --trust
// says otherwise.
func start(t *testing.T, args ...string) *proxy {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

// startIn is start on data that may be there already. What a journal holds is read
// first; until then no event is taken.
func startIn(t *testing.T, data string, args ...string) *proxy {
	t.Helper()
	p := &proxy{program.Start(t, data, args...), t, data}
	told := ""
	defer func() {
		if t.Failed() {
			t.Logf("readyz: %s", told)
		}
	}()
	eventually(t, "ready", func() bool {
		status, body := p.get("/readyz")
		told = body
		return status == 200
	})
	return p
}

// stop sends SIGTERM and wants exit 0 within the bound.
func (p *proxy) stop() {
	p.t.Helper()
	p.Stop(p.t)
}

// reply is an HTTP answer, read.
type reply struct {
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie
}

// send makes one request; headers are "Name: value".
func (p *proxy) send(method, path, body string, headers ...string) reply {
	p.t.Helper()
	r, err := p.try(method, path, body, headers...)
	if err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (p *proxy) try(method, path, body string, headers ...string) (reply, error) {
	req, err := http.NewRequest(method, p.URL+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b), resp.Cookies()}, err
}

// record is a line of the file sink.
type record struct {
	Key     *string           `json:"key"`
	Headers map[string]string `json:"headers"`
	Value   json.RawMessage   `json:"value"`
}

// lines reads a file of whole lines. Who reads while others are stored may see the
// last one half written.
func lines(t *testing.T, path string) (raw []byte) {
	t.Helper()
	eventually(t, path+" ends with a whole line", func() bool {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
		return len(raw) == 0 || raw[len(raw)-1] == '\n'
	})
	return raw
}

// records reads what the file sink holds of a topic, oldest first.
func (p *proxy) records(topic string) []record {
	p.t.Helper()
	files, _ := filepath.Glob(filepath.Join(p.data, "events", topic, "*.ndjson"))
	slices.Sort(files)
	var out []record
	for _, f := range files {
		for line := range strings.Lines(string(lines(p.t, f))) {
			var r record
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				p.t.Fatalf("%s: a line that is not JSON: %v", f, err)
			}
			out = append(out, r)
		}
	}
	return out
}

// Addresses of long-held blocks, for being somewhere.
const (
	inFrance  = "X-Forwarded-For: 80.10.0.1"
	inGermany = "X-Forwarded-For: 84.128.0.1"
	inUSA     = "X-Forwarded-For: 12.0.0.1"
)
