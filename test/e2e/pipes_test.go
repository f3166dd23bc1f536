package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"assent/test/program"
)

// piped runs serve with a stderr of the caller's and returns its process, the
// address of its public listener and its end. The reader of its stdout goes away
// after the address.
func piped(t *testing.T, stderr *os.File) (process *os.Process, url string, ended <-chan error) {
	t.Helper()
	cmd := program.Command("serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", t.TempDir())
	cmd.Stderr = stderr
	out, into, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = into
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	into.Close()
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := regexp.MustCompile(`POST (http://\S+)/v1/events`).FindStringSubmatch(lines.Text()); m != nil {
			out.Close()
			return cmd.Process, m[1], end
		}
	}
	t.Fatal("assent printed no address")
	return nil, "", nil
}

// TestReadersThatGo: a reader of the log that goes away or stands still costs the
// lines that it does not read, and nothing else; nor does one of the greeting.
func TestReadersThatGo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		gone bool
	}{{"gone", true}, {"standing still", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			if c.gone {
				read.Close()
			} else {
				fill(t, write)
			}
			process, url, ended := piped(t, write)
			write.Close()
			for range 3 { // each is a line in the log
				if err := process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				resp, err := http.Post(url+"/v1/events", "application/json", strings.NewReader(anOrder()))
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("an event: %d", resp.StatusCode)
				}
			}
			if err := process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("exit after SIGTERM: %v", err)
				}
			case <-time.After(patience):
				t.Errorf("still running %s after SIGTERM", patience)
			}
		})
	}
}

// fill leaves no room in a pipe.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	raw, err := pipe.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Write(func(fd uintptr) bool {
		for err == nil {
			_, err = syscall.Write(int(fd), bytes.Repeat([]byte("x"), 4096))
		}
		return true
	})
	if !errors.Is(err, syscall.EAGAIN) && err != nil {
		t.Fatal(err)
	}
}

// TestHeadOfACommand: a command whose reader has seen enough ends without a word.
func TestHeadOfACommand(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	defer write.Close()
	cmd := program.Command("regimes", "list", "--json")
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = write, &errs
	err = cmd.Run()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if err == nil || !ok || !status.Signaled() || status.Signal() != syscall.SIGPIPE || errs.Len() > 0 {
		t.Errorf("%v, stderr %q; want the end that every command has in a pipe", err, errs.String())
	}
}
