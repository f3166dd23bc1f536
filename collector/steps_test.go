package collector_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"assent/collector"
)

// stepCounts are how often each step of the road was timed.
func stepCounts(t *testing.T, c *collector.Collector) map[string]int {
	t.Helper()
	var b bytes.Buffer
	c.WriteMetrics(&b)
	out := map[string]int{}
	for _, m := range regexp.MustCompile(`assent_collector_step_seconds_count\{step="(\w+)"\} (\d+)`).FindAllSubmatch(b.Bytes(), -1) {
		out[string(m[1])], _ = strconv.Atoi(string(m[2]))
	}
	return out
}

// TestStepsAreTimed: of some requests each step they came to is timed, once a request
// however many events it holds; of most requests none is.
func TestStepsAreTimed(t *testing.T) {
	sink := &fakeSink{}
	c, _ := newCollector(t, sink)
	ctx := consented(t, c, batchOf([]byte(`{"type":"track","event":"Order Completed","properties":{"order_id":"o"}}`), 2))
	const requests = 4000
	run := func(status int) {
		t.Helper()
		for range requests {
			ctx.Response.Reset()
			c.Handle(ctx)
			if got := ctx.Response.StatusCode(); got != status {
				t.Fatalf("%d %s", got, ctx.Response.Body())
			}
		}
	}
	run(200)
	first := stepCounts(t, c)
	n := first["receive"]
	if n == 0 || n > requests/16 { // 62 or so
		t.Errorf("%d of %d requests were timed", n, requests)
	}
	for _, step := range []string{"receive", "locate", "consent", "claim", "decide", "dedup", "redact", "seal", "commit", "answer"} {
		if first[step] != n {
			t.Errorf("%s was timed %d times, receive %d", step, first[step], n)
		}
	}
	if len(first) != 10 {
		t.Errorf("steps: %v", first)
	}
	sink.set(func(s *fakeSink) { s.fail = fmt.Errorf("full") })
	run(503)
	if then := stepCounts(t, c); then["commit"] == n || then["answer"] != n {
		t.Errorf("after failed commits: %v, before %v", then, first)
	}
}
