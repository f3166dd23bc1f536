package metric

import (
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

func TestHistogramIsPrometheus(t *testing.T) {
	set := metrics.NewSet()
	plain, labelled := NewHistogram(set, "a_seconds"), NewHistogram(set, `b_seconds{sink="file"}`)
	for _, nanos := range []int64{-5, 100_000, 100_001, 2_000_000, 60e9} {
		plain.Observe(nanos)
	}
	labelled.Observe(1)
	var out strings.Builder
	set.WritePrometheus(&out)
	for _, want := range []string{
		`a_seconds_bucket{le="0.0001"} 2`, `a_seconds_bucket{le="0.00025"} 3`, `a_seconds_bucket{le="0.0025"} 4`,
		`a_seconds_bucket{le="10"} 4`, `a_seconds_bucket{le="+Inf"} 5`, `a_seconds_count 5`, `a_seconds_sum 60.002200001`,
		`b_seconds_bucket{sink="file",le="+Inf"} 1`, `b_seconds_count{sink="file"} 1`,
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("no line %s in\n%s", want, out.String())
		}
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	h := NewHistogram(metrics.NewSet(), "a_seconds")
	if n := testing.AllocsPerRun(100, func() { h.Observe(12345) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
