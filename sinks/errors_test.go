package sinks

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"
)

func TestReasons(t *testing.T) {
	seen := make(map[string]bool)
	for r := range numReasons {
		name := r.String()
		if name == "" || seen[name] {
			t.Errorf("reason %d has the name %q, want one of its own", r, name)
		}
		seen[name] = true
	}
	if numReasons.String() != "unknown" {
		t.Errorf("a reason outside the set is %q, want unknown", numReasons)
	}
}

func TestClasses(t *testing.T) {
	f := func(err error, want Class) {
		t.Helper()
		if got := ClassOf(err); got != want {
			t.Errorf("ClassOf(%v) = %d, want %d", err, got, want)
		}
	}
	f(errors.New("of no class"), Retriable)
	f(&Error{Reason: ReasonDiskFull}, Retriable)
	f(fmt.Errorf("sealing: %w", &Error{Reason: ReasonTooLarge}), TooLarge)
	f(&Error{Reason: ReasonNoTopic}, Fatal)
	f(&Error{Reason: numReasons}, Retriable)
}

func TestMeter(t *testing.T) {
	m := NewMeter("test")
	m.Committed(false, 2, 100)
	m.Committed(true, 1, 10)
	NewMeter("test").Failed(ReasonDiskFull, nil)
	var out strings.Builder
	metrics.WritePrometheus(&out, false)
	for _, want := range []string{
		`assent_sinks_records_total{sink="test",class="event"} 2`,
		`assent_sinks_records_total{sink="test",class="bad"} 1`,
		`assent_sinks_bytes_total{sink="test"} 110`,
		`assent_sinks_errors_total{sink="test",reason="disk_full"} 1`,
		`assent_sinks_errors_total{sink="test",reason="io"} 0`,
	} {
		if !strings.Contains(out.String(), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
}
