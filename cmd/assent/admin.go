package main

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"assent/collector"
	"assent/consent/store"
	"assent/geo/mmdb"
	"assent/sinks"
)

// admin is the listener for operators: loopback, or a bearer token.
type admin struct {
	cfg          *config
	collector    *collector.Collector
	sink         sinks.Committer
	downstream   sinks.Forwarder // nil without Kafka
	store        *store.Store
	places       *mmdb.Reader
	log          *slog.Logger
	addr         net.Addr
	policyFailed atomic.Bool // the newest policy file does not compile
}

// start listens and serves; stop ends it.
func (a *admin) start() (stop func(context.Context) error, err error) {
	token := ""
	if a.cfg.Admin.TokenFile != "" {
		if token, err = secretFile(a.cfg.Admin.TokenFile); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("tcp", a.cfg.Admin.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for admin: %w", err)
	}
	a.addr = ln.Addr()
	metrics.ExposeMetadata(true) // of the runtime and the process; ours are described here
	server := &http.Server{Handler: a.guard(token, a.routes()), ReadTimeout: 10 * time.Second, WriteTimeout: 90 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)}
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("admin listener ended", "error", err)
		}
	}()
	return server.Shutdown, nil
}

func (a *admin) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.healthy)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("GET /metrics", a.metrics)
	if a.cfg.Admin.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}

// guard asks for the token when there is one. A browser page on another site
// can reach loopback: its requests say so (Fetch Metadata, 2.4), or name a foreign
// host or origin, and are refused. No answer is kept, or taken for another type.
func (a *admin) guard(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		for _, site := range r.Header.Values("Sec-Fetch-Site") {
			if site != "same-origin" && site != "none" {
				http.Error(w, "not from pages of another site", http.StatusForbidden)
				return
			}
		}
		if token != "" {
			scheme, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			if sent = strings.TrimSpace(sent); !strings.EqualFold(scheme, "Bearer") { // RFC 9110, 11.1: in any case
				sent = ""
			}
			if subtle.ConstantTimeCompare([]byte(sent), []byte(token)) != 1 {
				http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
				return
			}
		} else if host, _, err := net.SplitHostPort(r.Host); err != nil || !loopback(strings.Trim(host, "[]")) || r.Header.Get("Origin") != "" {
			http.Error(w, "only from this machine", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// healthy is what a supervisor restarts on: what heals by itself is told by ready alone.
func (a *admin) healthy(w http.ResponseWriter, _ *http.Request) {
	if err := a.store.Healthy(); err != nil {
		http.Error(w, "store: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// ready reports each part; 503 while one of them cannot do its work. Two things
// are told but do not turn readiness: a policy file that does not compile, since
// the last good policy judges, and Kafka being away, since the journal takes what
// comes for as long as it has room.
func (a *admin) ready(w http.ResponseWriter, _ *http.Request) {
	parts := map[string]string{"sink": "ok", "store": "ok", "policy": "ok", "geo": "ok"}
	status := http.StatusOK
	if err := a.sink.Ready(); err != nil {
		parts["sink"], status = err.Error(), http.StatusServiceUnavailable
	}
	if err := a.store.Ready(); err != nil {
		parts["store"], status = err.Error(), http.StatusServiceUnavailable
	}
	if a.downstream != nil {
		parts["kafka"] = "ok"
		if err := a.downstream.Ready(); err != nil {
			parts["kafka"] = err.Error()
		}
	}
	if a.policyFailed.Load() {
		parts["policy"] = "the newest file does not compile; the last good policy is in force"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"ready": status == http.StatusOK, "parts": parts,
		"policy": a.collector.Policy().Name() + "@" + a.collector.Policy().Version(), "geo_built": a.places.Built().UTC().Format(time.DateOnly),
	})
}

func (a *admin) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	var b bytes.Buffer
	a.collector.WriteMetrics(&b)
	metrics.WritePrometheus(&b, false)
	fmt.Fprintf(&b, "assent_geo_database_age_seconds %.0f\n", time.Since(a.places.Built()).Seconds())
	fmt.Fprintf(&b, "assent_consent_store_reopened_total %d\n", a.store.Reopened())
	reload := 0
	if a.policyFailed.Load() {
		reload = 1
	}
	fmt.Fprintf(&b, "assent_policy_reload_failed %d\n", reload)
	_ = describe(w, b.Bytes())
	metrics.WriteProcessMetrics(w)
}
