package rig

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Server is a process under load.
type Server struct {
	URL   string // of its public listener
	Admin string // of Assent's admin listener; else empty
	Addr  string // HOST:PORT of the public listener

	cmd    *exec.Cmd
	dir    string // removed by Stop
	kafka  string // where its records go, HOST:PORT
	before int64  // what the topic held when it started
	stored int64  // and when it was last asked
}

// Bare starts the handler that reads a body and answers 204; Null the whole of
// Assent with its records thrown away. Build assent/test/load/server first.
func (r *Rig) Bare() (*Server, error) { return r.side("bare") }
func (r *Rig) Null() (*Server, error) { return r.side("null") }

func (r *Rig) side(mode string) (*Server, error) {
	dir, err := os.MkdirTemp(r.Dir, mode)
	if err != nil {
		return nil, err
	}
	return r.start(&Server{dir: dir, cmd: exec.Command(filepath.Join(r.Dir, "server"), mode, "127.0.0.1:0", dir)})
}

// journalBytes is room for twenty minutes of 5,000 events a second, or for ten
// seconds of all that a machine can take, with nothing forwarded.
const journalBytes = 20 << 30

// Assent starts `assent serve` on a data directory of its own, trusting
// loopback. Its records go to the broker at kafka, HOST:PORT, or into files
// where that is empty; lines are more of its config. Build assent/cmd/assent first.
func (r *Rig) Assent(kafka string, lines ...string) (*Server, error) {
	dir, err := os.MkdirTemp(r.Dir, "assent")
	if err != nil {
		return nil, err
	}
	lines = append(lines, `trust: {networks: [127.0.0.0/8]}`, strings.ReplaceAll(r.config, `\n`, "\n"))
	if !strings.Contains(r.config, "journal:") {
		lines = append(lines, fmt.Sprintf("journal: {max_bytes: %d}", int64(journalBytes)))
	}
	s := &Server{dir: dir, kafka: kafka}
	if kafka != "" {
		lines = append(lines, fmt.Sprintf(`kafka: {brokers: [%q], create_topics: true}`, kafka))
		if s.before, err = Stored(kafka, Topic); err != nil {
			s.kafka = "" // nobody there: it is measured without
		}
		s.stored = s.before
	}
	config := filepath.Join(dir, "assent.yaml")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(filepath.Join(r.Dir, "assent"), "serve", "-c", config,
		"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", filepath.Join(dir, "data"))
	s.cmd.Env = os.Environ()
	if r.env != "" {
		s.cmd.Env = append(s.cmd.Env, strings.Split(r.env, ",")...)
	}
	return r.start(s)
}

var (
	address = regexp.MustCompile(`(http://([0-9.:]+))(/v1/events)?$`)
	admin   = regexp.MustCompile(`admin +(http://[0-9.:]+)/`)
)

// start waits until the process has printed its addresses.
func (r *Rig) start(s *Server) (*Server, error) {
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	r.tb.Cleanup(s.Stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			s.URL, s.Addr = m[1], m[2]
		}
		if m := admin.FindStringSubmatch(lines.Text()); m != nil {
			s.Admin = m[1]
		}
		if s.URL != "" && (s.Admin != "" || filepath.Base(s.cmd.Path) == "server") {
			go io.Copy(io.Discard, out)
			return s, nil
		}
	}
	return nil, errors.New("the server printed no address")
}

// Stop ends the process at once and removes its data.
func (s *Server) Stop() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		_ = os.RemoveAll(s.dir)
	}
}

// Visitors records the choice of n French visitors, so that most fields are
// kept, and returns their cookies. query names the source, as in ?k=KEY; empty:
// none is configured.
func (s *Server) Visitors(n int, query string) ([]string, error) {
	var all []string
	for range n {
		req, err := http.NewRequest("POST", s.URL+"/v1/consent"+query, strings.NewReader(`{"purposes":{"analytics":"granted","preferences":"granted"},"method":"banner"}`))
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Forwarded-For", place)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 201 {
			return nil, fmt.Errorf("recording a choice: %s", resp.Status)
		}
		var pairs []string
		for _, c := range resp.Cookies() {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		all = append(all, strings.Join(pairs, "; "))
	}
	return all, nil
}

// Metric sums the samples of the admin listener that begin with prefix and hold
// every one of labels.
func (s *Server) Metric(prefix string, labels ...string) (float64, error) {
	resp, err := http.Get(s.Admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	var sum float64
next:
	for line := range bytes.Lines(all) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(name, l) {
				continue next
			}
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// Mark makes what is acknowledged and stored by now the beginning of the backlog's
// count: several servers may share one topic, one at a time.
func (s *Server) Mark() error {
	if s.kafka == "" {
		return nil
	}
	accepted, err := s.Accepted()
	if err != nil {
		return err
	}
	s.stored, err = Stored(s.kafka, Topic)
	s.before = s.stored - accepted
	return err
}

// Accepted returns how many events were acknowledged that leave a record.
func (s *Server) Accepted() (int64, error) {
	accepted, err := s.Metric(`assent_collector_events_total{`, `outcome="accepted"`)
	if err != nil {
		return 0, err
	}
	withheld, err := s.Metric(`assent_collector_events_total{`, `outcome="withheld"`)
	return int64(accepted - withheld), err
}

// RSS returns the resident memory in MB.
func (s *Server) RSS() float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(raw); m != nil {
		kb, _ := strconv.ParseFloat(string(m[1]), 64)
		return kb / 1024
	}
	return 0
}

// Backlog returns how many acknowledged events are not in the topic yet, by what
// the topic last held where the broker does not answer.
func (s *Server) Backlog() (int64, error) {
	if s.kafka == "" {
		return 0, nil
	}
	// In this order: what is acknowledged in between must not count as ahead.
	if stored, err := Stored(s.kafka, Topic); err == nil {
		s.stored = stored
	}
	accepted, err := s.Accepted()
	return accepted - (s.stored - s.before), err
}

// Drain waits until nothing is backlogged and returns how long that took. It
// gives up when the backlog has not moved for half a minute.
func (s *Server) Drain() (time.Duration, error) {
	start, moved, least := time.Now(), time.Now(), int64(1<<62)
	for {
		left, err := s.Backlog()
		if err != nil {
			return 0, fmt.Errorf("waiting for the drain: %w", err)
		}
		if left <= 0 {
			return time.Since(start), nil
		}
		if left < least {
			moved, least = time.Now(), left
		}
		if time.Since(moved) > 30*time.Second {
			return 0, fmt.Errorf("the drain stands still with %d events left", left)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// CPU returns the processor time that the process has used.
func (s *Server) CPU() time.Duration {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // from the state, field 3, on
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}
