package admin

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// ask sends a request of this machine to a server of these options.
func ask(o Options, path string) *httptest.ResponseRecorder {
	o.Log = slog.New(slog.DiscardHandler)
	r := httptest.NewRequest("GET", "http://127.0.0.1:8081"+path, nil)
	w := httptest.NewRecorder()
	New(o).http.Handler.ServeHTTP(w, r)
	return w
}

// TestReadyTellsEachPart: a part that fails turns readiness, an optional one does not,
// and only what a restart mends turns health.
func TestReadyTellsEachPart(t *testing.T) {
	fails := func() error { return errors.New("disk full") }
	works := func() error { return nil }
	for _, c := range []struct {
		store         Part
		ready, health int
		want          string
	}{
		{Part{Name: "store", Ready: works}, 200, 200, `{"parts":{"geo":"ok","store":"ok"},"policy":"shop@1","ready":true}`},
		{Part{Name: "store", Ready: fails, Healthy: works}, 503, 200, `{"parts":{"geo":"ok","store":"disk full"},"policy":"shop@1","ready":false}`},
		{Part{Name: "store", Ready: fails, Optional: true}, 200, 200, `{"parts":{"geo":"ok","store":"disk full"},"policy":"shop@1","ready":true}`},
		{Part{Name: "store", Ready: works, Healthy: fails}, 200, 503, `{"parts":{"geo":"ok","store":"ok"},"policy":"shop@1","ready":true}`},
	} {
		o := Options{Parts: []Part{c.store, {Name: "geo"}}, About: func() map[string]string { return map[string]string{"policy": "shop@1"} }}
		ready, health := ask(o, "/readyz"), ask(o, "/healthz")
		if got := strings.TrimSpace(ready.Body.String()); ready.Code != c.ready || got != c.want || ready.Header().Get("Content-Type") != "application/json" {
			t.Errorf("ready: %d %s, want %d %s", ready.Code, got, c.ready, c.want)
		}
		said := map[int]string{200: "ok\n", 503: "store: disk full\n"}[c.health]
		if health.Code != c.health || health.Body.String() != said {
			t.Errorf("health: %d %q, want %d %q", health.Code, health.Body, c.health, said)
		}
	}
}

// TestHandlersStandBehindTheGuard: so do those of other wings.
func TestHandlersStandBehindTheGuard(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a console") })
	o := Options{Handlers: map[string]http.Handler{"GET /console/": page}}
	if w := ask(o, "/console/journal"); w.Code != 200 || w.Body.String() != "a console" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	o.Token = token
	if w := ask(o, "/console/journal"); w.Code != 401 {
		t.Errorf("without the token: %d", w.Code)
	}
}

// TestShutdownBeforeServe: a start that fails ends a server that never served.
func TestShutdownBeforeServe(t *testing.T) {
	s := New(Options{Log: slog.New(slog.DiscardHandler)})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(ln); err != nil {
		t.Error(err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("it still listens")
	}
}
