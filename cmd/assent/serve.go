package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent"
	"assent/consent/store"
	"assent/disk"
	"assent/geo"
	"assent/geo/mmdb"
	"assent/keys"
	"assent/policy"
	"assent/sinks"
	"assent/sinks/dedup"
	"assent/sinks/journal"
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

// A node is what stands behind the listeners, open over one data directory: all
// that it takes to keep what comes in, to judge what waits, and to forward it.
type node struct {
	cfg        *config
	log        *slog.Logger
	sources    []*collector.Source
	proxies    *geo.Proxies
	ring       *keys.Ring
	shelf      *policies
	pol        *policy.Policy
	choices    *store.Store
	registry   *consent.Registry
	window     *dedup.Window
	dedupKey   keys.Key
	sink       sinks.Committer
	downstream sinks.Forwarder // nil without Kafka

	closers // all but the sink's
}

// openNode wires the wings in the order an event meets them.
func openNode(cfg *config, log *slog.Logger) (_ *node, err error) {
	var opened closers
	defer func() {
		if err != nil {
			err = errors.Join(err, opened.Close())
		}
	}()
	sources, proxies, p := cfg.examine()
	if err := errors.Join(p.list...); err != nil {
		return nil, err
	}
	lock, err := lockData(cfg.Data)
	if err != nil {
		return nil, err
	}
	opened.add("data directory", lock)
	ring, err := loadKeys(cfg.Keys)
	if err != nil {
		return nil, err
	}
	shelf, err := openPolicies(filepath.Join(cfg.Data, "policies"), ring, cfg.reserved())
	if err != nil {
		return nil, err
	}
	pol, err := shelf.load(cfg.Policy)
	if err != nil {
		return nil, err
	}
	choices, err := store.Open(store.Options{Dir: filepath.Join(cfg.Data, "consent")})
	if err != nil {
		return nil, fmt.Errorf("opening consent store: %w", err)
	}
	opened.add("consent store", choices)
	registry, err := openRegistry(cfg, ring, pol, choices)
	if err != nil {
		return nil, err
	}
	dedupKey := oldest(ring.Derive("dedup"))
	window, err := openWindow(cfg, sources, dedupKey)
	if err != nil {
		return nil, err
	}
	opened.add("deduplication window", window)
	judge, err := collector.NewJudge(registry, shelf.get)
	if err != nil {
		return nil, err
	}
	sink, downstream, err := openSink(cfg, pol, judge, window, log)
	if err != nil {
		return nil, err
	}
	return &node{
		cfg: cfg, log: log, sources: sources, proxies: proxies, ring: ring, shelf: shelf, pol: pol,
		choices: choices, registry: registry, window: window, dedupKey: dedupKey,
		sink: sink, downstream: downstream, closers: opened,
	}, nil
}

func openRegistry(cfg *config, ring *keys.Ring, pol *policy.Policy, choices *store.Store) (*consent.Registry, error) {
	registry, err := consent.NewRegistry(consent.Options{
		Store: choices, Now: time.Now, Rand: rand.Reader, Node: cfg.Node,
		CookieKeys: ring.Derive("cookie"), ReceiptKeys: ring.Derive("receipt"), JournalKeys: ring.Derive("journal"),
		Controller: cmp.Or(pol.Controller().Name, pol.Name()),
	})
	if err != nil {
		return nil, err
	}
	choices.Notify(registry.Forget)
	registry.Use(pol.Purposes())
	return registry, nil
}

func openWindow(cfg *config, sources []*collector.Source, key keys.Key) (*dedup.Window, error) {
	o := cfg.dedupOptions()
	o.Sources = collector.Shares(sources, key)
	w, err := dedup.Open(o)
	if err != nil {
		return nil, fmt.Errorf("opening deduplication window: %w", err)
	}
	return w, nil
}

// lockData makes the data directory this process's own.
func lockData(dir string) (io.Closer, error) {
	if err := disk.MakeDir(disk.OS{}, dir); err != nil {
		return nil, fmt.Errorf("creating data directory: %w", err)
	}
	lock, err := disk.OS{}.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return nil, fmt.Errorf("data directory %s is in use by another process, or cannot be locked: %w", dir, err)
	}
	return lock, nil
}

// parts are what can fail while the node runs.
func (n *node) parts() []*part {
	all := []*part{
		{name: "sink", ready: n.sink.Ready, effect: "events are answered 503"},
		{name: "consent store", ready: n.choices.Ready, effect: "choices are answered 503"},
	}
	if n.downstream != nil {
		all = append(all, &part{name: "kafka", ready: n.downstream.Ready, effect: "events wait in the journal"})
	}
	return all
}

// closeSink closes the sink within the bound of a shutdown.
func (n *node) closeSink() error {
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Limits.Shutdown)
	defer cancel()
	return n.sink.Close(ctx)
}

// serve opens a node and its listeners, runs until a signal asks it to end, and
// shuts down in reverse.
func serve(asked signals, cfg *config, out io.Writer) (err error) {
	log, lines := newLog(os.Stderr)
	defer lines.flush()
	n, err := openNode(cfg, log)
	if err != nil {
		return err
	}
	for _, w := range cfg.warnings() {
		log.Warn(w.Error())
	}
	serving := false
	defer func() {
		if !serving {
			err = errors.Join(err, n.closeSink())
		}
		err = errors.Join(err, n.Close())
	}()
	places, err := mmdb.Open(mmdb.Options{Place: cfg.Geo.File, Anonymous: cfg.Geo.Anonymous})
	if err != nil {
		return fmt.Errorf("opening geo database: %w", err)
	}
	edge, err := n.newEdge(places)
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	back := &admin{cfg: cfg, collector: edge, sink: n.sink, downstream: n.downstream, store: n.choices, places: places, log: log}
	stopAdmin, err := back.start()
	if err != nil {
		_ = public.Close()
		return err
	}

	serving = true
	background, cancel := context.WithCancel(context.Background())
	defer cancel()
	go tell(background, log, n.parts()...)
	go places.Watch(background, func(err error) { logReload(log, "geo database", err) })
	go watchPolicy(background, asked.reload, cfg.Policy, func() error {
		return reload(n.shelf, cfg.Policy, edge, n.registry)
	}, func(err error) { back.policyFailed.Store(err != nil); logReload(log, "policy", err) })
	go watchFiles(background, asked.reopen, n.sink)
	failed := make(chan error, 1)
	go func() { failed <- edge.Serve(public) }()
	greet(out, cfg, public.Addr(), back.addr)

	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serving: %w", err), n.shutdown(asked, edge, stopAdmin))
	case <-asked.end.Done():
	}
	cancel()
	log.Info("stopping: answering what is in flight")
	if err := n.shutdown(asked, edge, stopAdmin); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// newEdge makes the public listener's part, not yet listening.
func (n *node) newEdge(places *mmdb.Reader) (*collector.Collector, error) {
	cfg := n.cfg
	return collector.New(collector.Options{
		Sources: n.sources, Policy: n.pol, Locator: places, Proxies: n.proxies, Registry: n.registry, Sink: n.sink,
		Dialects: []collector.Route{
			{Method: "POST", Path: "/v1/events", Dialect: dialect.Native{}},
			{Method: "GET", Path: "/v1/pixel.gif", Dialect: dialect.Pixel{}},
		},
		Handlers: cfg.pages(n.pol), Pages: cfg.visits(), Now: time.Now, BadKeys: n.ring.Derive("bad-row"), BadTopic: cfg.Topics.Bad, CDNHeader: cfg.Trust.CDNHeader,
		CountryHeader: cfg.Trust.CountryHeader, RegionHeader: cfg.Trust.RegionHeader,
		Cookies: collector.CookieOptions(cfg.Cookies), Limits: collector.Limits(cfg.Limits.edgeLimits),
		Dedup: n.window, DedupKey: n.dedupKey,
		AcceptFailed: func(err error) {
			n.log.Warn("connections cannot be accepted; those that are open are served, new ones wait", "error", err)
		},
	})
}

// oldest is the key that stays the longest when keys rotate by a new one on top.
func oldest(ring []keys.Key) keys.Key { return ring[len(ring)-1] }

// shutdown stops accepting, answers all in flight, forwards what it can of what
// waits and closes the sink, within the bound.
func (n *node) shutdown(asked signals, edge *collector.Collector, stopAdmin func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Limits.Shutdown)
	defer cancel()
	n.by, _ = ctx.Deadline()
	j, journaled := n.sink.(*journal.Journal)
	var before journal.Progress
	if journaled {
		before = j.Progress()
		j.Hurry() // also while somebody takes his time to send a request
	}
	var errs []error
	if err := edge.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("draining connections: %w", err))
	}
	if journaled {
		n.forwardRest(ctx, asked.hurry, j, before)
	}
	if err := n.sink.Close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("closing sink: %w", err))
	}
	_ = stopAdmin(ctx)
	return errors.Join(errs...)
}

// readPolicy reads and compiles a policy, the embedded one without a path, and
// returns its document beside it. What it returns can be put in force. reserved
// are topics that recipients may not have.
func readPolicy(path string, ring *keys.Ring, reserved map[string]string) (*policy.Policy, []byte, error) {
	name, raw := "default.yaml", policy.Default()
	if path != "" {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			return nil, nil, fmt.Errorf("reading policy: %w", err)
		}
		name = path
	}
	doc, wrong := policy.Parse(name, raw)
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	p, wrong := policy.Compile(doc, policy.Options{Keys: hmacKeys(ring), Offers: collector.Offers, Reserved: reserved})
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	if err := collector.CheckPolicy(p); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, raw, nil
}

func logReload(log *slog.Logger, what string, err error) {
	if err != nil {
		log.Error(what+" not reloaded; the last good one stays in force", "error", err)
		return
	}
	log.Info(what + " reloaded")
}

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
