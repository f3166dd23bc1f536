package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"assent/admin"
)

// openAdmin makes what operators ask. It opens before the sink, so that it closes
// after the sink: a drain can be watched to its end. The functions it is given look
// up their wings when a request comes.
func (p *program) openAdmin() error {
	token := ""
	if file := p.cfg.Admin.TokenFile; file != "" {
		var err error
		if token, err = secretFile(file); err != nil {
			return err
		}
	}
	p.admin = admin.New(admin.Options{
		Token: token, Pprof: p.cfg.Admin.Pprof, Parts: p.adminParts(), About: p.inForce, Metrics: p.writeMetrics, Log: p.log,
	})
	p.atEnd("closing admin listener", func(ctx context.Context) error {
		_ = p.admin.Shutdown(ctx) // who still reads metrics holds nobody up
		return nil
	})
	return nil
}

// adminParts are what /readyz and /healthz report. Two of them do not turn
// readiness: a policy file that does not compile, since the last good policy
// judges, and Kafka being away, since the journal takes events while it has room.
func (p *program) adminParts() []admin.Part {
	parts := []admin.Part{
		{Name: "sink", Ready: func() error { return p.sink.Ready() }},
		{Name: "store", Ready: func() error { return p.choices.Ready() }, Healthy: func() error { return p.choices.Healthy() }},
		{Name: "policy", Ready: p.newestPolicy, Optional: true},
		{Name: "geo"},
	}
	if len(p.cfg.Kafka.Brokers) > 0 {
		parts = append(parts, admin.Part{Name: "kafka", Ready: func() error { return p.downstream.Ready() }, Optional: true})
	}
	return parts
}

func (p *program) newestPolicy() error {
	if p.policyFailed.Load() {
		return errors.New("the newest file does not compile; the last good policy is in force")
	}
	return nil
}

// inForce names the data that the node judges by.
func (p *program) inForce() map[string]string {
	pol := p.edge.Policy()
	return map[string]string{"policy": pol.Name() + "@" + pol.Version(), "geo_built": p.places.Built().UTC().Format(time.DateOnly)}
}

// writeMetrics writes the samples of wings that keep sets of their own.
func (p *program) writeMetrics(w io.Writer) {
	p.edge.WriteMetrics(w)
	fmt.Fprintf(w, "assent_geo_database_age_seconds %.0f\n", time.Since(p.places.Built()).Seconds())
	fmt.Fprintf(w, "assent_consent_store_reopened_total %d\n", p.choices.Reopened())
	failed := 0
	if p.policyFailed.Load() {
		failed = 1
	}
	fmt.Fprintf(w, "assent_policy_reload_failed %d\n", failed)
}
