// Package program builds assent once for a package of tests and runs it.
package program

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 20 * time.Second
	stopLimit  = 25 * time.Second
)

var binary string

// Main is for TestMain: it builds the program, runs the tests and returns their
// exit code.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "assent-program")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "assent")
	build := exec.Command("go", "build", "-o", binary, "assent/cmd/assent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building assent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// A Program is a running assent serve.
type Program struct {
	URL, Admin string // of the public and the admin listener, without a slash at the end

	cmd    *exec.Cmd
	killed bool
	done   chan struct{}
	err    error // of Wait, once done
	mu     sync.Mutex
	log    bytes.Buffer
}

// Command is `assent` with arguments, for commands that end by themselves.
func Command(args ...string) *exec.Cmd { return exec.Command(binary, args...) }

// Start runs `assent serve` on free ports and waits until it listens. Loopback
// is believed as a proxy, so that X-Forwarded-For can say where somebody is,
// unless --trust is among the arguments.
func Start(t testing.TB, data string, args ...string) *Program {
	t.Helper()
	p, err := Try(t, data, args...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Try is Start for a program that may not start: the error holds what it wrote
// to stderr.
func Try(t testing.TB, data string, args ...string) (*Program, error) {
	t.Helper()
	p, ready := launch(t, data, args)
	select {
	case <-ready:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("assent ended: %w\n%s", p.err, p.Stderr())
	case <-time.After(startLimit):
		p.Kill()
		return nil, fmt.Errorf("assent printed no address within %s\n%s", startLimit, p.Stderr())
	}
}

// KilledWhileStarting runs `assent serve` and kills it after a moment, ready or
// not.
func KilledWhileStarting(t testing.TB, after time.Duration, data string, args ...string) {
	t.Helper()
	p, _ := launch(t, data, args)
	time.Sleep(after)
	p.Kill()
}

var addresses = [...]*regexp.Regexp{
	regexp.MustCompile(`POST (http://\S+)/v1/events`),
	regexp.MustCompile(`admin\s+(http://\S+)/metrics`),
}

func launch(t testing.TB, data string, args []string) (p *Program, ready chan struct{}) {
	t.Helper()
	p, ready = &Program{done: make(chan struct{})}, make(chan struct{})
	if !slices.Contains(args, "--trust") {
		args = append(slices.Clone(args), "--trust", "127.0.0.0/8")
	}
	p.cmd = Command(append([]string{"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", data}, args...)...)
	p.cmd.Env = []string{"HOME=" + data, "PATH=" + os.Getenv("PATH")}
	p.cmd.Stderr = locked{p}
	stdout, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dead := p.killed // it may be one of hundreds
		p.Kill()
		if t.Failed() && !dead {
			t.Logf("the end of what assent wrote to stderr:\n%s", tail(p.Stderr()))
		}
	})
	go func() {
		found := []*string{&p.URL, &p.Admin}
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if len(found) == 0 {
				continue
			}
			if m := addresses[len(addresses)-len(found)].FindStringSubmatch(lines.Text()); m != nil {
				*found[0], found = m[1], found[1:]
				if len(found) == 0 {
					close(ready)
				}
			}
		}
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, ready
}

// tail keeps a log that repeats itself from hiding what a test says.
func tail(log string) string {
	const most = 4 << 10
	return log[max(0, len(log)-most):]
}

type locked struct{ p *Program }

func (w locked) Write(b []byte) (int, error) {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.p.log.Write(b)
}

// Stderr returns what the program has written to stderr so far.
func (p *Program) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Kill ends the program as a crash would (SIGKILL). Killing it twice is harmless.
func (p *Program) Kill() {
	p.killed = true
	_ = p.cmd.Process.Kill()
	<-p.done
}

// PID is the process's number.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// Signal sends the process a signal.
func (p *Program) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Stop sends SIGTERM and wants exit 0 within the bound.
func (p *Program) Stop(t testing.TB) {
	t.Helper()
	if err := p.End(t); err != nil {
		t.Fatalf("exit after SIGTERM: %v\n%s", err, tail(p.Stderr()))
	}
}

// End sends SIGTERM and wants the program to end within the bound, whatever it says of
// what it could not do.
func (p *Program) End(t testing.TB) error {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		t.Fatalf("still running %s after SIGTERM", stopLimit)
	}
	return p.err
}

// Get asks the admin listener for a path.
func (p *Program) Get(path string) (status int, body string, err error) {
	resp, err := http.Get(p.Admin + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

// Metric adds up all samples of a name, whatever their labels; there are none of
// a name that the program does not have.
func (p *Program) Metric(name string) (sum float64, samples int, err error) {
	_, all, err := p.Get("/metrics")
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(all) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			return 0, 0, fmt.Errorf("reading metric %s: %w", name, err)
		}
		sum += v
		samples++
	}
	return sum, samples, nil
}
