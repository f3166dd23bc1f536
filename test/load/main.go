// Command load measures what enforcement and durability cost: bare fasthttp,
// Assent with a null sink and Assent with the file sink take turns under the same
// wrk, several rounds; the table gives medians, and ratios within each round.
//
//	go run ./test/load [-rounds 5] [-seconds 5] [-svg docs/img/bench.svg]
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
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
	"syscall"
	"time"
)

// side is one of the servers under load.
type side struct {
	name    string
	command func(dir string) *exec.Cmd
	url     string
	cmd     *exec.Cmd
	script  string
}

type figure struct {
	perSecond, p50, p99 float64 // requests; ms
	rss                 float64 // MB at the end of the run
	errors              int
}

func main() {
	rounds := flag.Int("rounds", 5, "rounds")
	seconds := flag.Int("seconds", 5, "seconds a run")
	svg := flag.String("svg", "", "write a plot here")
	flag.Parse()
	if err := run(*rounds, *seconds, *svg); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(rounds, seconds int, svg string) (err error) {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("wrk is not installed: apt-get install wrk")
	}
	dir, err := os.MkdirTemp("", "assent-load")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for target, pkg := range map[string]string{"assent": "assent/cmd/assent", "server": "assent/test/load/server"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, target), pkg)
		build.Env, build.Stderr = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building %s: %w", target, err)
		}
	}
	sides := []*side{
		{name: "bare fasthttp, 204", command: func(dir string) *exec.Cmd {
			return exec.Command(filepath.Join(dir, "server"), "bare", "127.0.0.1:0", "-")
		}},
		{name: "Assent, null sink", command: func(dir string) *exec.Cmd {
			return exec.Command(filepath.Join(dir, "server"), "null", "127.0.0.1:0", filepath.Join(dir, "null"))
		}},
		{name: "Assent, file sink, durable", command: func(dir string) *exec.Cmd {
			return exec.Command(filepath.Join(dir, "assent"), "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
				"--data", filepath.Join(dir, "data"), "--trust", "127.0.0.0/8")
		}},
	}
	event, err := os.ReadFile("redact/testdata/event.json")
	if err != nil {
		return fmt.Errorf("run it from the top of the repository: %w", err)
	}
	for _, s := range sides {
		if err := s.start(dir); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer s.cmd.Process.Kill()
		if err := s.prepare(dir, event); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	results := map[int][][]figure{}
	for _, connections := range []int{64, 256} {
		for round := range rounds + 1 {
			var row []figure
			for _, s := range sides {
				n := seconds
				if round == 0 {
					n = 2 // warm-up, not counted
				}
				fmt.Fprintf(os.Stderr, "\r\x1b[K%d connections, round %d/%d: %s", connections, round, rounds, s.name)
				f, err := s.load(connections, n)
				if err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				row = append(row, f)
			}
			if round > 0 {
				results[connections] = append(results[connections], row)
			}
		}
	}
	fmt.Fprint(os.Stderr, "\r\x1b[K")
	report(os.Stdout, sides, results)
	if svg != "" {
		return plot(svg, sides, results)
	}
	return nil
}

func (s *side) start(dir string) error {
	s.cmd = s.command(dir)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := regexp.MustCompile(`(http://[0-9.:]+)(/v1/events)?$`).FindStringSubmatch(lines.Text()); m != nil {
			s.url = m[1]
			go io.Copy(io.Discard, out)
			return nil
		}
	}
	return errors.New("it printed no address")
}

// prepare records a French visitor's choice, so that most fields are kept, and
// writes the wrk script: the same request for every side.
func (s *side) prepare(dir string, event []byte) error {
	cookies := "assent_choice=none; assent_id=none"
	if !strings.HasPrefix(s.name, "bare") {
		req, err := http.NewRequest("POST", s.url+"/v1/consent", strings.NewReader(`{"purposes":{"analytics":"granted","preferences":"granted"},"method":"banner"}`))
		if err != nil {
			return err
		}
		req.Header.Set("X-Forwarded-For", "80.10.0.1")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 201 {
			return fmt.Errorf("recording the choice: %s", resp.Status)
		}
		var pairs []string
		for _, c := range resp.Cookies() {
			pairs = append(pairs, c.Name+"="+c.Value)
		}
		cookies = strings.Join(pairs, "; ")
	}
	body, _ := json.Marshal(string(event))
	script := fmt.Sprintf(`wrk.method = "POST"
wrk.path = "/v1/events"
wrk.body = %s
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-Forwarded-For"] = "80.10.0.1"
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
wrk.headers["Cookie"] = %q
`, luaString(string(body)), cookies)
	s.script = filepath.Join(dir, fmt.Sprintf("%p.lua", s))
	return os.WriteFile(s.script, []byte(script), 0o600)
}

// luaString: JSON's escapes \n, \" and \\ mean the same in Lua.
func luaString(quoted string) string { return strings.ReplaceAll(quoted, `\u`, `\\u`) }

var (
	rate   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	p50    = regexp.MustCompile(`50%\s+([0-9.]+)(us|ms|s)`)
	p99    = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	non2xx = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

func (s *side) load(connections, seconds int) (figure, error) {
	cmd := exec.Command("wrk", "-t1", "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds)+"s", "--latency", "-s", s.script, s.url)
	out, err := cmd.Output()
	if err != nil {
		return figure{}, fmt.Errorf("wrk: %w", err)
	}
	var f figure
	if m := rate.FindSubmatch(out); m != nil {
		f.perSecond, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	f.p50, f.p99 = millis(p50.FindSubmatch(out)), millis(p99.FindSubmatch(out))
	if m := non2xx.FindSubmatch(out); m != nil {
		f.errors, _ = strconv.Atoi(string(m[1]))
		return f, fmt.Errorf("%d answers were not 2xx", f.errors)
	}
	f.rss = rss(s.cmd.Process.Pid)
	time.Sleep(200 * time.Millisecond)
	return f, nil
}

func millis(m [][]byte) float64 {
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(string(m[1]), 64)
	return v * map[string]float64{"us": 1e-3, "ms": 1, "s": 1e3}[string(m[2])]
}

func rss(pid int) float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(raw); m != nil {
		kb, _ := strconv.ParseFloat(string(m[1]), 64)
		return kb / 1024
	}
	return 0
}

func median(v []float64) float64 {
	slices.Sort(v)
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// column gives one side's figures over the rounds.
func column(rows [][]figure, i int, get func(row []figure, f figure) float64) []float64 {
	var out []float64
	for _, row := range rows {
		out = append(out, get(row, row[i]))
	}
	return out
}

func report(w io.Writer, sides []*side, results map[int][][]figure) {
	fmt.Fprintln(w, "| | connections | requests/s | ratio to bare (min–max) | p50 ms | p99 ms | RSS MB |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
	for _, connections := range []int{64, 256} {
		rows := results[connections]
		for i, s := range sides {
			ratios := column(rows, i, func(row []figure, f figure) float64 { return f.perSecond / row[0].perSecond })
			mid := median(ratios)
			fmt.Fprintf(w, "| %s | %d | %.0f | %.2f (%.2f–%.2f) | %.2f | %.2f | %.0f |\n", s.name, connections,
				median(column(rows, i, func(_ []figure, f figure) float64 { return f.perSecond })), mid, ratios[0], ratios[len(ratios)-1],
				median(column(rows, i, func(_ []figure, f figure) float64 { return f.p50 })),
				median(column(rows, i, func(_ []figure, f figure) float64 { return f.p99 })),
				slices.Max(column(rows, i, func(_ []figure, f figure) float64 { return f.rss })))
		}
	}
}
