package file

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"assent/disk/disktest"
	"assent/sinks"
)

// TestBadRowsAreCountedByTheConfiguredTopic: whatever other topics are called.
func TestBadRowsAreCountedByTheConfiguredTopic(t *testing.T) {
	s, err := Open(Options{Dir: "events", FS: disktest.New(), BadTopic: "rows.refused"})
	if err != nil {
		t.Fatal(err)
	}
	counted := func(class string) (n int) {
		var b bytes.Buffer
		metrics.WritePrometheus(&b, false)
		_, rest, _ := strings.Cut(b.String(), `assent_sinks_records_total{sink="file",class="`+class+`"} `)
		fmt.Sscan(rest, &n)
		return n
	}
	events, bad := counted("event"), counted("bad")
	row := func(topic string) sinks.Record { return sinks.Record{Topic: topic, Value: []byte("{}")} }
	err = s.Commit(context.Background(), &sinks.Batch{Records: []sinks.Record{row("sales.bad"), row("rows.refused"), row("events"), row("sales.bad")}})
	if err != nil {
		t.Fatal(err)
	}
	if events, bad = counted("event")-events, counted("bad")-bad; events != 3 || bad != 1 {
		t.Errorf("%d events and %d bad rows are counted, want 3 and 1", events, bad)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
