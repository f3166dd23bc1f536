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
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent"
	"assent/consent/store"
	"assent/disk"
	"assent/geo/mmdb"
	"assent/keys"
	"assent/policy"
	"assent/sinks"
	"assent/sinks/dedup"
	"assent/sinks/file"
	"assent/sinks/journal"
	"assent/sinks/kafka"
	"assent/wal"
)

func serveCommand() *cobra.Command {
	var path string
	var flags config
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Runs the proxy. Without a file it listens on 127.0.0.1:8080 (admin on 127.0.0.1:8081)
with the embedded policy and country data and writes events to ./assent-data/events.
SIGHUP or a changed policy file puts the new policy in force; SIGTERM drains and stops.
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
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return serve(ctx, cfg, cmd.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVarP(&path, "config", "c", "", "config `file`")
	settingFlags(f, &flags)
	return c
}

// serve wires the wings in the order an event meets them, runs until ctx ends,
// and shuts down in reverse.
func serve(ctx context.Context, cfg *config, out io.Writer) (err error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	sources, proxies, p := cfg.examine()
	if err := errors.Join(p.list...); err != nil {
		return err
	}
	for _, w := range cfg.warnings() {
		log.Warn(w.Error())
	}
	if err := disk.MakeDir(disk.OS{}, cfg.Data); err != nil {
		return fmt.Errorf("creating data directory: %w", err)
	}
	lock, err := disk.OS{}.Lock(filepath.Join(cfg.Data, ".lock"))
	if err != nil {
		return fmt.Errorf("data directory %s is in use by another process, or cannot be locked: %w", cfg.Data, err)
	}
	defer closing(&err, "data directory", lock)
	ring, err := loadKeys(cfg.Keys)
	if err != nil {
		return err
	}
	places, err := mmdb.Open(mmdb.Options{Place: cfg.Geo.File, Anonymous: cfg.Geo.Anonymous})
	if err != nil {
		return fmt.Errorf("opening geo database: %w", err)
	}
	shelf, err := openPolicies(filepath.Join(cfg.Data, "policies"), ring, cfg.reserved())
	if err != nil {
		return err
	}
	pol, err := shelf.load(cfg.Policy)
	if err != nil {
		return err
	}
	choices, err := store.Open(store.Options{Dir: filepath.Join(cfg.Data, "consent"), Free: disk.OS{}.Free})
	if err != nil {
		return fmt.Errorf("opening consent store: %w", err)
	}
	defer closing(&err, "consent store", choices)
	registry, err := consent.NewRegistry(consent.Options{
		Store: choices, Now: time.Now, Rand: rand.Reader, Node: cfg.Node,
		CookieKeys: ring.Derive("cookie"), ReceiptKeys: ring.Derive("receipt"), JournalKeys: ring.Derive("journal"),
		Controller: cmp.Or(pol.Controller().Name, pol.Name()),
	})
	if err != nil {
		return err
	}
	choices.Notify(registry.Forget)
	registry.Use(pol.Purposes())
	dedupKey := oldest(ring.Derive("dedup"))
	windowOptions := cfg.dedupOptions()
	windowOptions.Sources = collector.Shares(sources, dedupKey)
	window, err := dedup.Open(windowOptions)
	if err != nil {
		return fmt.Errorf("opening deduplication window: %w", err)
	}
	defer closing(&err, "deduplication window", window)
	judge, err := collector.NewJudge(registry, shelf.get)
	if err != nil {
		return err
	}
	sink, downstream, err := openSink(cfg, pol, judge, window, log)
	if err != nil {
		return err
	}
	options := collector.Options{
		Sources: sources, Policy: pol, Locator: places, Proxies: proxies, Registry: registry, Sink: sink,
		Dialects: []collector.Route{
			{Method: "POST", Path: "/v1/events", Dialect: dialect.Native{}},
			{Method: "GET", Path: "/v1/pixel.gif", Dialect: dialect.Pixel{}},
		},
		Pages: cfg.pages(pol), Now: time.Now, BadKeys: ring.Derive("bad-row"), BadTopic: cfg.Topics.Bad, CDNHeader: cfg.Trust.CDNHeader,
		CountryHeader: cfg.Trust.CountryHeader, RegionHeader: cfg.Trust.RegionHeader,
		Cookies: collector.CookieOptions(cfg.Cookies), Limits: cfg.limits(),
		Dedup: window, DedupKey: dedupKey,
	}
	options.AcceptFailed = func(err error) {
		log.Warn("connections cannot be accepted; those that are open are served, new ones wait", "error", err)
	}
	edge, err := collector.New(options)
	if err != nil {
		return err
	}
	public, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	back := &admin{cfg: cfg, collector: edge, sink: sink, downstream: downstream, store: choices, places: places, log: log}
	stopAdmin, err := back.start()
	if err != nil {
		_ = public.Close()
		return err
	}

	background, cancel := context.WithCancel(context.Background())
	defer cancel()
	parts := []*part{{name: "sink", ready: sink.Ready, effect: "events are answered 503"}}
	if downstream != nil {
		parts = append(parts, &part{name: "kafka", ready: downstream.Ready, effect: "events wait in the journal"})
	}
	go tell(background, log, parts...)
	go places.Watch(background, func(err error) { logReload(log, "geo database", err) })
	go watchPolicy(background, cfg.Policy, func() error {
		return reload(shelf, cfg.Policy, edge, registry)
	}, func(err error) { back.policyFailed.Store(err != nil); logReload(log, "policy", err) })
	failed := make(chan error, 1)
	go func() { failed <- edge.Serve(public) }()
	greet(out, cfg, public.Addr(), back.addr)

	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serving: %w", err), shutdown(cfg, edge, sink, stopAdmin))
	case <-ctx.Done():
	}
	cancel()
	log.Info("stopping: answering what is in flight")
	if err := shutdown(cfg, edge, sink, stopAdmin); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// oldest is the key that stays the longest when keys rotate by a new one on top.
func oldest(ring []keys.Key) keys.Key { return ring[len(ring)-1] }

// shutdown stops accepting, answers all in flight, closes the sink, within the bound.
func shutdown(cfg *config, edge *collector.Collector, sink sinks.Committer, stopAdmin func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Limits.Shutdown)
	defer cancel()
	var errs []error
	if err := edge.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("draining connections: %w", err))
	}
	if err := sink.Close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("closing sink: %w", err))
	}
	_ = stopAdmin(ctx)
	return errors.Join(errs...)
}

func closing(err *error, what string, c io.Closer) {
	if e := c.Close(); e != nil && *err == nil {
		*err = fmt.Errorf("closing %s: %w", what, e)
	}
}

// openSink picks where records go: a journal that forwards to Kafka, which it
// returns too, when brokers are named, else files.
func openSink(cfg *config, pol *policy.Policy, judge sinks.Judge, window *dedup.Window, log *slog.Logger) (sinks.Committer, sinks.Forwarder, error) {
	if len(cfg.Kafka.Brokers) > 0 {
		return openJournal(cfg, pol, judge, window, log)
	}
	if err := leftBehind(cfg.Journal.Dir); err != nil {
		return nil, nil, err
	}
	o := cfg.fileOptions()
	o.Committed = window.Note
	o.Truncated = func(path string, bytes int64) {
		log.Warn("cut off what a crash left unfinished at the end of a file", "file", path, "bytes", bytes)
	}
	s, err := file.Open(o)
	if err != nil {
		return nil, nil, fmt.Errorf("opening file sink: %w", err)
	}
	return s, nil, nil
}

// leftBehind refuses a start without Kafka over a journal in which something
// waits for it: it was promised to get there.
func leftBehind(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	totals, err := journal.Inspect(dir, func(*journal.Item) error { return nil })
	if err != nil {
		return err
	}
	if totals.Waiting > 0 {
		return fmt.Errorf("%d records in %s wait for Kafka: name kafka.brokers, or move that directory away", totals.Waiting, dir)
	}
	return nil
}

func openJournal(cfg *config, pol *policy.Policy, judge sinks.Judge, window *dedup.Window, log *slog.Logger) (sinks.Committer, sinks.Forwarder, error) {
	k, err := cfg.kafkaOptions()
	if err != nil {
		return nil, nil, fmt.Errorf("opening kafka: %w", err)
	}
	for _, r := range pol.Recipients() {
		k.Topics = append(k.Topics, r.Topic)
	}
	k.Topics = append(k.Topics, cfg.Topics.Bad)
	forwarder, err := kafka.Open(k)
	if err != nil {
		return nil, nil, fmt.Errorf("opening kafka: %w", err)
	}
	o := cfg.journalOptions()
	o.Forwarder, o.Judge = forwarder, judge
	o.Recovered, o.Retire = window.Add, window.Keep
	o.Damaged = func(d wal.Damage) {
		log.Error("skipped a damaged region of the journal; its bytes are in quarantine", "segment", d.Segment, "offset", d.Offset, "bytes", d.Bytes)
	}
	j, err := journal.Open(o)
	if err != nil {
		return nil, nil, errors.Join(err, forwarder.Close())
	}
	return j, forwarder, nil
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
