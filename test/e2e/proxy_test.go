// Package e2e runs the real binary and looks at it from outside: HTTP in, files
// or a real Kafka out.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "assent-e2e")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "assent")
	build := exec.Command("go", "build", "-o", binary, "assent/cmd/assent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building assent: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// proxy is a running Assent.
type proxy struct {
	t          *testing.T
	cmd        *exec.Cmd
	url, admin string
	data       string
	mu         sync.Mutex
	log        bytes.Buffer
	done       chan error
}

// start runs `assent serve` on free ports and waits until it is ready. Addresses
// in X-Forwarded-For are believed, so that a test can be anywhere, unless --trust
// says otherwise.
func start(t *testing.T, args ...string) *proxy {
	t.Helper()
	return startIn(t, t.TempDir(), args...)
}

func startIn(t *testing.T, data string, args ...string) *proxy {
	t.Helper()
	p := &proxy{t: t, data: data, done: make(chan error, 1)}
	if !slices.Contains(args, "--trust") {
		args = append(args, "--trust", "127.0.0.0/8")
	}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", data}, args...)
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = []string{"HOME=" + data, "PATH=" + os.Getenv("PATH")}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = lockedWriter{p}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("stderr of assent:\n%s", p.stderr())
		}
	})
	urls := make(chan [2]string, 1)
	go func() {
		var found [2]string
		s := bufio.NewScanner(stdout)
		for s.Scan() {
			if m := regexp.MustCompile(`POST (http://\S+)/v1/events`).FindStringSubmatch(s.Text()); m != nil {
				found[0] = m[1]
			}
			if m := regexp.MustCompile(`admin\s+(http://\S+)/metrics`).FindStringSubmatch(s.Text()); m != nil {
				found[1] = m[1]
				urls <- found
			}
		}
		p.done <- p.cmd.Wait()
	}()
	select {
	case found := <-urls:
		p.url, p.admin = found[0], found[1]
	case err := <-p.done:
		t.Fatalf("assent ended: %v\n%s", err, p.stderr())
	case <-time.After(20 * time.Second):
		t.Fatalf("assent printed no address\n%s", p.stderr())
	}
	return p
}

type lockedWriter struct{ p *proxy }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.log.Write(b)
}

func (p *proxy) stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// stop sends SIGTERM and wants exit 0 within the bound.
func (p *proxy) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Fatalf("exit after SIGTERM: %v\n%s", err, p.stderr())
		}
	case <-time.After(25 * time.Second):
		p.t.Fatal("still running 25 s after SIGTERM")
	}
}

// kill ends the process as a crash would.
func (p *proxy) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
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
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
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

// records reads what the file sink holds of a topic, oldest first.
func (p *proxy) records(topic string) []record {
	p.t.Helper()
	files, _ := filepath.Glob(filepath.Join(p.data, "events", topic, "*.ndjson"))
	slices.Sort(files)
	var out []record
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			p.t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
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
