package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var path string
	var flags config
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Runs the proxy. Without a file it listens on 127.0.0.1:8080 (admin on 127.0.0.1:8081)
with the embedded policy and country data and writes events to ./assent-data/events.
SIGHUP or a changed policy file puts the new policy in force, and SIGHUP begins new event files; SIGTERM forwards what waits and stops.
Sources, limits and the rest of the config need a restart. Flags stand above the variables
ASSENT_LISTEN, ASSENT_ADMIN, ASSENT_DATA, ASSENT_POLICY, ASSENT_GEO, ASSENT_KAFKA and
ASSENT_TRUST, and those above the file.`,
		Example: "  assent serve\n  assent serve --kafka localhost:9092\n  assent serve -c assent.yaml",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path, &flags)
			if err != nil {
				return err
			}
			return serve(catchSignals(), cfg, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", "", "config `file`")
	settingFlags(f, &flags)
	return c
}

// serve opens every wing, runs until a signal asks it to end, and closes in reverse.
func serve(asked osSignals, cfg *config, out io.Writer) error {
	log, lines := newLog(os.Stderr)
	defer lines.flush()
	p := &program{cfg: cfg, log: log}
	err := p.open(
		p.openData,
		p.openKeys,
		p.openPolicies,
		p.openConsent,
		p.openDedup,
		p.openAdmin,
		p.openSink,
		p.openGeo,
		p.openEdge,
	)
	if err != nil {
		return err
	}
	err = errors.Join(p.run(asked, out), p.close())
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// run listens, and watches files and parts, until a signal asks for an end or the
// public listener fails.
func (p *program) run(asked osSignals, out io.Writer) error {
	for _, w := range p.cfg.warnings() {
		p.log.Warn(w.String())
	}
	public, back, err := p.listen()
	if err != nil {
		return err
	}
	background, cancel := context.WithCancel(context.Background())
	defer cancel()
	go logStatus(background, p.log, p.parts()...)
	go p.places.Watch(background, func(err error) { logReload(p.log, "geo database", err) })
	go watchPolicy(background, asked.reload, p.cfg.Policy, p.reload, func(err error) {
		p.policyFailed.Store(err != nil)
		logReload(p.log, "policy", err)
	})
	go watchFiles(background, asked.reopen, p.sink)
	go func() {
		if err := p.admin.Serve(back); err != nil {
			p.log.Error("admin listener ended", "error", err)
		}
	}()
	p.atEnd("draining connections", func(ctx context.Context) error { return p.drainEdge(ctx, asked.hurry) })
	failed := make(chan error, 1)
	go func() { failed <- p.edge.Serve(public) }()
	greet(out, p.cfg, public.Addr(), back.Addr())

	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-asked.end.Done():
		p.log.Info("stopping: answering what is in flight")
		return nil
	}
}

// listen takes both addresses, or none.
func (p *program) listen() (public, back net.Listener, err error) {
	if public, err = net.Listen("tcp", p.cfg.Listen); err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	if back, err = net.Listen("tcp", p.cfg.Admin.Listen); err != nil {
		_ = public.Close()
		return nil, nil, fmt.Errorf("listening for admin: %w", err)
	}
	return public, back, nil
}

// greet says where everything is.
func greet(out io.Writer, cfg *config, public, back net.Addr) {
	fmt.Fprintf(out, "assent %s\n", versionString())
	if cfg.showsDemo() {
		fmt.Fprintf(out, "  try it      http://%s/\n", public)
	}
	fmt.Fprintf(out, "  events      POST http://%s/v1/events\n", public)
	fmt.Fprintf(out, "  choices     POST http://%s/v1/consent\n", public)
	fmt.Fprintf(out, "  admin       http://%s/metrics  /healthz  /readyz\n", back)
	if len(cfg.Kafka.Brokers) > 0 {
		fmt.Fprintf(out, "  records to  Kafka at %s\n", strings.Join(cfg.Kafka.Brokers, ","))
		return
	}
	fmt.Fprintf(out, "  records to  %s/<topic>/*.ndjson\n", cfg.Files.Dir)
}
