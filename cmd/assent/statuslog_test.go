package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"assent/sinks"
)

func TestLogStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var now atomic.Pointer[sinks.Error]
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		ctx, stop := context.WithCancel(t.Context())
		go logStatus(ctx, log, &part{name: "kafka", effect: "events wait", ready: func() error {
			if e := now.Load(); e != nil {
				return e
			}
			return nil
		}})
		for _, e := range []*sinks.Error{nil, {Reason: sinks.ReasonTimeout}, {Reason: sinks.ReasonTimeout}, {Reason: sinks.ReasonUnauthorized}, nil, nil} {
			now.Store(e)
			time.Sleep(3 * statusEvery)
		}
		stop()
		synctest.Wait()
		const want = `level=ERROR msg="kafka fails: events wait" error="committing: timeout"
level=ERROR msg="kafka fails: events wait" error="committing: unauthorized"
level=INFO msg="kafka works again"
`
		if got := out.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, strings.TrimSpace(want))
		}
	})
}
