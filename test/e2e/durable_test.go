package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// load posts events over n connections until stop is closed or the server is
// gone. Every event has an id of its own.
type load struct {
	sent     atomic.Int64
	mu       sync.Mutex
	promised []string // ids of events answered 200
	refused  []string // answers that are neither 200 nor 503
	done     sync.WaitGroup
}

func (p *proxy) load(n int, tag string, stop <-chan struct{}) *load {
	l := &load{}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: n, MaxConnsPerHost: n}, Timeout: 20 * time.Second}
	for worker := range n {
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				ids := []string{fmt.Sprintf("%s-%d-%d-a", tag, worker, i), fmt.Sprintf("%s-%d-%d-b", tag, worker, i)}
				l.sent.Add(2)
				req, err := http.NewRequest("POST", p.URL+"/v1/events", strings.NewReader("["+order(ids[0])+","+order(ids[1])+"]"))
				if err != nil {
					panic(err)
				}
				req.Header.Set("X-Forwarded-For", "80.10.0.1")
				resp, err := client.Do(req)
				if err != nil {
					return // nothing was promised
				}
				var answer struct{ Accepted int }
				derr := json.NewDecoder(resp.Body).Decode(&answer)
				resp.Body.Close()
				l.mu.Lock()
				switch {
				case resp.StatusCode == 200 && derr == nil && answer.Accepted == 2:
					l.promised = append(l.promised, ids...)
				case resp.StatusCode == 200 || resp.StatusCode != 503:
					l.refused = append(l.refused, fmt.Sprint(resp.StatusCode, answer, derr))
				}
				l.mu.Unlock()
			}
		}()
	}
	return l
}

// count is how often each id is in the files; it fails on a line that is no JSON.
func (p *proxy) count() map[string]int {
	p.t.Helper()
	out := map[string]int{}
	for _, r := range p.records("events") {
		var v struct{ MessageID string }
		if err := json.Unmarshal(r.Value, &v); err != nil {
			p.t.Fatal(err)
		}
		out[v.MessageID]++
	}
	return out
}

// TestStopUnderLoad: SIGTERM under load from 32 connections ends in order, and
// every event answered 200 is in the files exactly once.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	p := start(t)
	l := p.load(32, "s", nil)
	eventually(t, "2000 events", func() bool { return l.sent.Load() > 2000 })
	p.stop()
	l.done.Wait()
	if len(l.refused) > 0 {
		t.Errorf("%d events met something else than 200 or 503: %s", len(l.refused), l.refused[0])
	}
	stored := p.count()
	for _, id := range l.promised {
		if stored[id] != 1 {
			t.Errorf("event %s was answered 200 and is in the files %d times", id, stored[id])
		}
	}
	if len(l.promised) < 1000 {
		t.Errorf("only %d events promised", len(l.promised))
	}
}

// TestCrashes: kill -9 at random moments under load, ten times on the same data.
// What was acknowledged is there after each restart, every line is valid JSON.
func TestCrashes(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var promised []string
	for round := range 10 {
		p := startIn(t, data)
		if round > 0 {
			stored := p.count()
			for _, id := range promised {
				if stored[id] != 1 {
					t.Fatalf("round %d: event %s was acknowledged and is in the files %d times", round, id, stored[id])
				}
			}
		}
		l := p.load(8, fmt.Sprint(round), nil)
		eventually(t, "a first event", func() bool { return l.sent.Load() > 16 })
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		p.Kill()
		l.done.Wait()
		promised = append(promised, l.promised...)
	}
	if len(promised) < 100 {
		t.Errorf("only %d events promised", len(promised))
	}
	p := startIn(t, data)
	stored := p.count()
	for _, id := range promised {
		if stored[id] != 1 {
			t.Errorf("event %s was acknowledged and is in the files %d times", id, stored[id])
		}
	}
	p.stop()
}

// TestWithdrawalSurvives: a withdrawal that was acknowledged holds after kill -9,
// also for a browser that lost the answer's cookies and for a linked tracker.
func TestWithdrawalSurvives(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	p := startIn(t, data)
	r := p.send("POST", "/v1/consent", `{"purposes":{"analytics":"granted"},"link":{"anonymousId":"t-1"},"method":"banner"}`, inFrance)
	if r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	cookies := cookieHeader(r)
	page := func(id string) string { return `{"type":"page","name":"Home","messageId":"` + id + `"}` }
	tracker := func(id string) string {
		return `{"type":"page","name":"Home","messageId":"` + id + `","anonymousId":"t-1"}`
	}
	p.send("POST", "/v1/events", page("page-1"), inFrance, cookies)
	p.send("POST", "/v1/events", tracker("tracker-1"), inFrance)
	if got := p.count(); got["page-1"] != 1 || got["tracker-1"] != 1 {
		t.Fatalf("after the grant: %v", got)
	}
	p.Kill()

	p = startIn(t, data) // the grant survives too
	p.send("POST", "/v1/events", page("page-2"), inFrance, cookies)
	if got := p.count(); got["page-2"] != 1 {
		t.Errorf("the grant is lost: %v", got)
	}
	if r := p.send("POST", "/v1/consent", `{"purposes":{"analytics":"denied"},"method":"preference_centre"}`, inFrance, cookies); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	p.Kill()

	p = startIn(t, data)
	for _, send := range [][]string{{page("page-3"), inFrance, cookies}, {tracker("tracker-3"), inFrance}} {
		if r := p.send("POST", "/v1/events", send[0], send[1:]...); r.body != `{"accepted":1,"withheld":1,"refused":[]}`+"\n" {
			t.Errorf("after the withdrawal and a crash: %d %s", r.status, r.body)
		}
	}
	if got := p.count(); len(got) != 3 {
		t.Errorf("after the withdrawal: %v", got)
	}
	p.stop()
}

// TestStopIdle: open idle connections do not keep the program from ending, and a
// second SIGTERM changes nothing.
func TestStopIdle(t *testing.T) {
	t.Parallel()
	p := start(t)
	p.works()
	p.Signal(t, syscall.SIGTERM)
	p.stop()
}

func cookieHeader(r reply) string {
	var list []string
	for _, c := range r.cookies {
		list = append(list, c.Name+"="+c.Value)
	}
	return "Cookie: " + strings.Join(list, "; ")
}
