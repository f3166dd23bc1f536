// Package admin is the listener for operators: health, readiness, metrics, and the
// handlers that other wings hang in.
//
// It knows none of those wings: what it shows are functions and net/http handlers
// that cmd hands in. Every handler stands behind the same guard, which asks for the
// token or for this machine, and refuses pages of other sites.
package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Options are what the listener shows, and to whom. Functions are called for each
// request, from many goroutines.
type Options struct {
	Token string // bearer token; empty: requests of this machine alone
	Pprof bool   // serve /debug/pprof/

	Parts   []Part                   // of the node, for /readyz and /healthz
	About   func() map[string]string // what is in force, by the names of /readyz
	Metrics func(w io.Writer)        // samples beside those of the libraries' default set
	Log     *slog.Logger

	// Handlers of other wings, by pattern of http.ServeMux: "GET /console/".
	Handlers map[string]http.Handler
}

// A Part is something that can fail while the node runs. Its functions may be nil:
// it cannot fail so.
type Part struct {
	Name    string
	Ready   func() error // why it cannot do its work now
	Healthy func() error // why nothing but a restart will help it

	// Optional parts do not turn readiness: the node does its work without them.
	Optional bool
}

// Server is the listener for operators.
type Server struct {
	http   http.Server
	routes []string
}

// New makes a server that does not listen yet.
func New(o Options) *Server {
	metrics.ExposeMetadata(true) // of the runtime and the process; ours are described here
	s, mux := &Server{}, http.NewServeMux()
	handle := func(pattern string, h http.Handler) {
		mux.Handle(pattern, h)
		s.routes = append(s.routes, pattern)
	}
	handle("GET /healthz", http.HandlerFunc(o.healthy))
	handle("GET /readyz", http.HandlerFunc(o.ready))
	handle("GET /metrics", http.HandlerFunc(o.metrics))
	if o.Pprof {
		handle("GET /debug/pprof/", http.HandlerFunc(pprof.Index))
		handle("GET /debug/pprof/profile", http.HandlerFunc(pprof.Profile))
		handle("GET /debug/pprof/trace", http.HandlerFunc(pprof.Trace))
		handle("GET /debug/pprof/symbol", http.HandlerFunc(pprof.Symbol))
	}
	for pattern, h := range o.Handlers {
		handle(pattern, h)
	}
	s.http.Handler = guard(o.Token, mux)
	s.http.ReadTimeout, s.http.WriteTimeout = 10*time.Second, 90*time.Second
	s.http.ErrorLog = slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)
	return s
}

// Routes lists what is served, by pattern of http.ServeMux, in order.
func (s *Server) Routes() []string { return slices.Sorted(slices.Values(s.routes)) }

// Serve answers on the listener until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown ends Serve, also one that is yet to come, and waits for what is in flight.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }
