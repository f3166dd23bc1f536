package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is several clients that send until they are stopped. Each has visitors of
// its own and sends the next request when the one before was acknowledged, over
// kills and restarts, as an SDK with a queue does.
type load struct {
	url     string
	begun   time.Time
	http    *http.Client
	stop    chan struct{}
	done    sync.WaitGroup
	clients []*client

	acked   atomic.Int64 // events
	refused atomic.Int64 // requests that were to wait
	retried atomic.Int64 // requests that were sent once more
	mu      sync.Mutex
	odd     []string // answers that are neither 200 nor a wish to wait
}

// client is one sender: its events in the order in which it sent them.
type client struct {
	load   *load
	name   string
	keys   []string
	r      *rand.Rand
	pause  time.Duration // between two requests, on average
	moody  bool          // hasty and forgetful at times; else every request is acknowledged in the end
	events []event
}

const (
	// hasty clients do not wait for the answer to their first try.
	hasty = 40 // one request in so many
	// forgetful clients do not repeat a request that failed.
	forgetful = 50 // one failure in so many
	patience  = 3 * time.Minute
)

// Addresses of long-held blocks.
const (
	inFrance = "80.10.0.1"
	inUSA    = "12.0.0.1"
)

// startLoad starts n clients. The tag makes their ids differ from those of
// another load.
func startLoad(url, tag string, seed uint64, n int, pause time.Duration) *load {
	l := newLoad(url, n)
	for i := range n {
		c := &client{load: l, name: fmt.Sprintf("%s-%d", tag, i), r: rand.New(rand.NewPCG(seed, uint64(i))), pause: pause, moody: true}
		for k := range i % 4 { // the first of four sends no keys, the others for one to three visitors
			c.keys = append(c.keys, fmt.Sprintf("%s-v%d", c.name, k))
		}
		l.clients = append(l.clients, c)
		l.done.Go(c.run)
	}
	return l
}

func newLoad(url string, connections int) *load {
	return &load{
		url:   url + "/v1/events",
		begun: time.Now(),
		http:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}},
		stop:  make(chan struct{}),
	}
}

// end lets every client finish its last request, and returns all events.
func (l *load) end() []event {
	close(l.stop)
	l.done.Wait()
	l.http.CloseIdleConnections()
	var all []event
	for _, c := range l.clients {
		all = append(all, c.events...)
	}
	return all
}

func (c *client) run() {
	for {
		select {
		case <-c.load.stop:
			return
		case <-time.After(time.Duration(c.r.ExpFloat64() * float64(c.pause))):
		}
		first := len(c.events)
		body := c.compose(1 + c.r.IntN(5))
		acked := c.send(body, len(c.events)-first)
		for i := first; i < len(c.events); i++ {
			c.events[i].acked = acked
		}
	}
}

// compose makes the next n events and their request.
func (c *client) compose(n int) []byte {
	var body []byte
	for i := range n {
		body = append(body, "[,"[min(i, 1)])
		e := event{id: c.name + "-" + strconv.Itoa(len(c.events)), sent: time.Since(c.load.begun)}
		body = fmt.Appendf(body, `{"type":"track","event":"Ordered","messageId":%q,"properties":{"order_id":"o"}`, e.id)
		if len(c.keys) > 0 {
			e.key = c.keys[c.r.IntN(len(c.keys))]
			body = fmt.Appendf(body, `,"anonymousId":%q`, e.key)
		}
		body = append(body, '}')
		c.events = append(c.events, e)
	}
	return append(body, ']')
}

// send posts a request until it is acknowledged, and reports whether it was.
func (c *client) send(body []byte, n int) bool {
	limit := 5 * time.Second
	if c.moody && c.r.IntN(hasty) == 0 {
		limit = 200*time.Microsecond + time.Duration(c.r.Int64N(int64(3*time.Millisecond)))
	}
	for give := time.Now().Add(patience); time.Now().Before(give); limit = 5 * time.Second {
		switch status := c.post(body, n, limit); status {
		case 200:
			c.load.acked.Add(int64(n))
			return true
		case 0: // no answer
			if c.moody && c.r.IntN(forgetful) == 0 {
				return false
			}
		case 429, 503:
			c.load.refused.Add(1)
		default:
			return false
		}
		c.load.retried.Add(1)
		time.Sleep(time.Duration(c.r.Int64N(int64(30 * time.Millisecond))))
	}
	c.load.complain("a request was not acknowledged within " + patience.String())
	return false
}

// post returns the status of the answer, 0 where there was none.
func (c *client) post(body []byte, n int, limit time.Duration) int {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", c.load.url, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	// An id is kept where silence is not no, and else left out: a null key.
	from := inFrance
	if len(c.keys) > 0 {
		from = inUSA
	}
	req.Header.Set("X-Forwarded-For", from)
	resp, err := c.load.http.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	var answer struct{ Accepted, Withheld int }
	err = json.NewDecoder(resp.Body).Decode(&answer)
	switch {
	case resp.StatusCode == 200 && err != nil:
		return 0 // the answer is cut
	case resp.StatusCode == 200 && (answer.Accepted != n || answer.Withheld != 0),
		resp.StatusCode != 200 && resp.StatusCode != 429 && resp.StatusCode != 503:
		c.load.complain(fmt.Sprintf("status %d, %+v of %d events", resp.StatusCode, answer, n))
		return -1
	case resp.StatusCode != 200 && resp.Header.Get("Retry-After") == "":
		c.load.complain(fmt.Sprintf("status %d without Retry-After", resp.StatusCode))
	}
	return resp.StatusCode
}

func (l *load) complain(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.odd) < mostEvidence {
		l.odd = append(l.odd, what)
	}
}

// TestPatientClient: a test that needs its events acknowledged gets them
// acknowledged, however long the program takes.
func TestPatientClient(t *testing.T) {
	t.Parallel()
	const silent = 80
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked <= silent {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"accepted":1,"withheld":0,"refused":[]}`)
	}))
	t.Cleanup(server.Close)
	c := &client{load: newLoad(server.URL, 1), name: "p", r: rand.New(rand.NewPCG(1, 1))}
	if !c.send(c.compose(1), 1) || asked < silent {
		t.Errorf("gave up after %d requests: %v", asked, c.load.odd)
	}
}
