package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/VictoriaMetrics/metrics"
)

// healthy is what a supervisor restarts on: what heals by itself shows in ready alone.
func (o *Options) healthy(w http.ResponseWriter, _ *http.Request) {
	for _, p := range o.Parts {
		if p.Healthy == nil {
			continue
		}
		if err := p.Healthy(); err != nil {
			http.Error(w, p.Name+": "+err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// ready reports each part; 503 while one that is not optional cannot do its work.
func (o *Options) ready(w http.ResponseWriter, _ *http.Request) {
	parts := map[string]string{}
	ready := true
	for _, p := range o.Parts {
		parts[p.Name] = "ok"
		if p.Ready == nil {
			continue
		}
		if err := p.Ready(); err != nil {
			parts[p.Name] = err.Error()
			ready = ready && p.Optional
		}
	}
	answer := map[string]any{"ready": ready, "parts": parts}
	for name, value := range o.About() {
		answer[name] = value
	}
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (o *Options) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	var b bytes.Buffer
	o.Metrics(&b)
	metrics.WritePrometheus(&b, false)
	_ = describe(w, b.Bytes())
	metrics.WriteProcessMetrics(w)
}
