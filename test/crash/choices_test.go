package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/test/program"
)

// chooser floods a program with choices of devices without cookies.
type chooser struct {
	client         http.Client
	url            atomic.Pointer[string]
	sent           atomic.Int64
	acked, refused atomic.Int64

	mu     sync.Mutex
	chosen map[string]string // what was acknowledged, by the id that proves whose it is
	wrong  []string
}

// choose sends the n-th choice: every other one grants.
func (c *chooser) choose(n int64) {
	status := [...]string{"granted", "denied"}[n%2]
	body := fmt.Sprintf(`{"all":%q,"link":{"anonymousId":"flood-%d"},"notice":{"version":"%d","hash":"%s"}}`, status, n, n%9, strings.Repeat("0a", 32))
	resp, err := c.send("POST", body, "")
	if err != nil {
		c.fail(err.Error())
		return
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	var answer struct {
		Token string `json:"subjectToken"`
	}
	switch {
	case err != nil:
		c.fail(err.Error())
	case resp.StatusCode == 201 && json.Unmarshal(raw, &answer) == nil && answer.Token != "":
		c.acked.Add(1)
		c.mu.Lock()
		id, _, _ := strings.Cut(answer.Token, "~")
		c.chosen[id] = status
		c.mu.Unlock()
	case resp.StatusCode == 503 && resp.Header.Get("Retry-After") != "":
		c.refused.Add(1)
	default:
		c.fail(fmt.Sprintf("%d %s", resp.StatusCode, raw))
	}
}

func (c *chooser) send(method, body, id string) (*http.Response, error) {
	req, err := http.NewRequest(method, *c.url.Load()+"/v1/consent", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	n := c.sent.Add(1) // from so many places that none of them sends too much
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("80.10.%d.%d", n/250%250, n%250))
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		req.Header.Set("Cookie", "__Host-assent_id="+id)
	}
	return c.client.Do(req)
}

func (c *chooser) fail(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, what)
}

// run chooses with eight at a time until stop is called.
func (c *chooser) run(next *atomic.Int64) (stop func()) {
	ended := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					before := c.refused.Load()
					c.choose(next.Add(1))
					if c.refused.Load() > before {
						time.Sleep(20 * time.Millisecond) // a flood that leaves the processors to others
					}
				}
			}
		})
	}
	return func() { close(ended); wg.Wait() }
}

// TestChoicesOnFullDisk floods choices onto a small disk that others fill: they are
// refused in bounded time, taken again without a restart once there is room, and all
// that were acknowledged are there. SIGTERM ends the program on the full disk too.
// Where tmpfs may not be mounted, the same is tested in consent/store alone.
func TestChoicesOnFullDisk(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=24m")
	if errors.Is(err, syscall.EPERM) {
		t.Log("tmpfs may not be mounted here: a full disk is left to the file systems of consent/store")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("did not happen within %s: %s", patience, what)
			}
		}
	}
	p := program.Start(t, data)
	c := &chooser{client: http.Client{Timeout: patience}, chosen: map[string]string{}}
	c.url.Store(&p.URL)
	status := func(path string) int { status, _, _ := p.Get(path); return status }
	var next atomic.Int64
	stop := c.run(&next)
	eventually("choices are taken", func() bool { return c.acked.Load() > 200 })
	ballast := filepath.Join(data, "ballast")
	fill(t, ballast)
	full := c.acked.Load()
	if info, err := os.Stat(ballast); err != nil || os.Truncate(ballast, info.Size()-7<<20) != nil {
		t.Fatal("the ballast could not be made smaller")
	}
	// That the node is ready would be a moment that the flood may end unseen.
	eventually("choices work beside the ballast", func() bool { return c.acked.Load() > full+20 })
	refusedBefore := c.refused.Load()
	eventually("the flood alone is refused", func() bool { return c.refused.Load() > refusedBefore+20 })
	var left syscall.Statfs_t
	if err := syscall.Statfs(data, &left); err != nil || int64(left.Bavail)*left.Bsize < 1<<20 {
		t.Errorf("the flood filled the disk: %d blocks are left, %v", left.Bavail, err)
	}
	for range 2 {
		fill(t, ballast) // while choices are written
		refused := c.refused.Load()
		eventually("choices are refused", func() bool { return c.refused.Load() > refused+20 })
		if ready, healthy := status("/readyz"), status("/healthz"); ready != 503 || healthy != 200 {
			t.Errorf("readyz %d, healthz %d on a full disk", ready, healthy)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		acked := c.acked.Load()
		eventually("choices are taken again", func() bool { return c.acked.Load() > acked+100 })
	}
	fill(t, ballast)
	stop()
	if err := p.End(t); err != nil {
		t.Logf("ended on a full disk: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	p = program.Start(t, data)
	c.url.Store(&p.URL)
	for id, want := range c.chosen {
		resp, err := c.send("GET", "", id) // the id alone: the choice is in the store
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !strings.Contains(string(raw), `"status":"`+want+`"`) {
			t.Fatalf("a choice was acknowledged and is not there: %d %s", resp.StatusCode, raw)
		}
	}
	for _, w := range c.wrong {
		t.Error(w)
	}
	t.Logf("%d choices acknowledged, %d refused", c.acked.Load(), c.refused.Load())
	p.Stop(t)
}
