package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"assent/test/program"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// save writes a file of the test's own and returns its path.
func save(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// get asks the admin listener.
func (p *proxy) get(path string) (int, string) {
	p.t.Helper()
	status, body, err := p.Get(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return status, body
}

// metric adds up the samples of a metric, 0 where there is none.
func (p *proxy) metric(name string) float64 {
	p.t.Helper()
	sum, _, err := p.Metric(name)
	if err != nil {
		p.t.Fatal(err)
	}
	return sum
}

// problem wants problem details of a stable type, and nothing else.
func (r reply) problem(t *testing.T, status int, kind string) {
	t.Helper()
	want := fmt.Sprintf(`^\{"type":"urn:assent:problem:%s","title":"[^"]+","status":%d(,"detail":"[^"]+")?\}\n$`, kind, status)
	if r.status != status || !regexp.MustCompile(want).MatchString(r.body) {
		t.Errorf("got %d %s, want %d with problem type %s", r.status, r.body, status, kind)
	}
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q of a problem", got)
	}
}

// works sends a good event and wants it stored: nothing that came before it may
// have cost it anything.
func (p *proxy) works(headers ...string) {
	p.t.Helper()
	id := fmt.Sprintf("good-%d", time.Now().UnixNano())
	body := fmt.Sprintf(`{"type":"track","event":"Order Completed","messageId":%q,"properties":{"order_id":"o"}}`, id)
	r := p.send("POST", "/v1/events", body, append(headers, inFrance)...)
	if r.status != 200 || r.body != accepted(1) {
		p.t.Errorf("a good event: got %d %s", r.status, r.body)
	}
	for _, rec := range p.records("events") {
		if strings.Contains(string(rec.Value), id) {
			return
		}
	}
	p.t.Errorf("a good event was acknowledged and is not in the files")
}

func accepted(n int) string {
	return fmt.Sprintf(`{"accepted":%d,"withheld":0,"refused":[]}`+"\n", n)
}

// raw writes bytes to the public listener and returns all that comes back until
// the connection is closed, or nothing came for 5 s.
func (p *proxy) raw(request string) string {
	p.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, request) // may be refused before it was read
	var got bytes.Buffer
	buf := make([]byte, 4096)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			return got.String()
		}
	}
}

var orders atomic.Int64

// anOrder is order with an id of its own.
func anOrder() string { return order(fmt.Sprintf("o-%d", orders.Add(1))) }

// order is an event that everybody may send everywhere.
func order(id string) string {
	return fmt.Sprintf(`{"type":"track","event":"Order Completed","messageId":%q,"properties":{"order_id":"o"}}`, id)
}

// patience bounds the waiting for what happens in its own time, on a busy machine.
const patience = time.Minute

// eventually waits for what the program does in its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("did not happen within %s: %s", patience, what)
}

// outcome is what a command printed and how it ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// assent runs a command in an empty directory.
func assent(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	cmd := program.Command(args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH")}
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}
