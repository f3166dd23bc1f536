package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"assent/admin"
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
)

// A program is every wing of a process over one data directory. Each open… method
// opens one wing, from the fields that the methods before it have filled, and says
// by add or atEnd how the wing is closed.
type program struct {
	cfg *config
	log *slog.Logger

	sources    []*collector.Source
	proxies    *geo.Proxies
	ring       *keys.Ring
	policies   *policies
	pol        *policy.Policy // in force at the start
	choices    *store.Store
	registry   *consent.Registry
	window     *dedup.Window
	dedupKey   keys.Key
	admin      *admin.Server
	sink       sinks.Committer
	downstream sinks.Forwarder // nil without Kafka
	places     *mmdb.Reader
	edge       *collector.Collector

	policyFailed atomic.Bool // the newest policy file does not compile
	closers
}

// open opens wings in the order given. When one fails, those before it are closed.
func (p *program) open(wings ...func() error) error {
	for _, open := range wings {
		if err := open(); err != nil {
			return errors.Join(err, p.close())
		}
	}
	return nil
}

// close ends every wing in reverse order, within limits.shutdown.
func (p *program) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.Limits.Shutdown)
	defer cancel()
	return p.end(ctx)
}

// openData examines the config and makes the data directory this process's own.
func (p *program) openData() error {
	var wrong *problems
	p.sources, p.proxies, wrong = p.cfg.examine()
	if err := wrong.err(); err != nil {
		return err
	}
	dir := p.cfg.Data
	if err := disk.MakeDir(disk.OS{}, dir); err != nil {
		return fmt.Errorf("creating data directory: %w", err)
	}
	lock, err := disk.OS{}.Lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return fmt.Errorf("data directory %s is in use by another process, or cannot be locked: %w", dir, err)
	}
	p.add("data directory", lock)
	return nil
}

func (p *program) openKeys() (err error) {
	p.ring, err = loadKeys(p.cfg.Keys)
	return err
}

func (p *program) openPolicies() (err error) {
	if p.policies, err = newPolicies(filepath.Join(p.cfg.Data, "policies"), p.ring, p.cfg.reserved()); err != nil {
		return err
	}
	p.pol, err = p.policies.load(p.cfg.Policy)
	return err
}

func (p *program) openConsent() (err error) {
	if p.choices, err = store.Open(store.Options{Dir: filepath.Join(p.cfg.Data, "consent")}); err != nil {
		return fmt.Errorf("opening consent store: %w", err)
	}
	p.add("consent store", p.choices)
	p.registry, err = consent.NewRegistry(consent.Options{
		Store: p.choices, Now: time.Now, Rand: rand.Reader, Node: p.cfg.Node,
		CookieKeys: p.ring.Derive("cookie"), ReceiptKeys: p.ring.Derive("receipt"), JournalKeys: p.ring.Derive("journal"),
		Controller: cmp.Or(p.pol.Controller().Name, p.pol.Name()),
	})
	if err != nil {
		return err
	}
	p.choices.Notify(p.registry.Forget)
	p.registry.Use(p.pol.Purposes())
	return nil
}

func (p *program) openDedup() (err error) {
	p.dedupKey = oldest(p.ring.Derive("dedup"))
	o := p.cfg.dedupOptions()
	o.Sources = collector.Shares(p.sources, p.dedupKey)
	if p.window, err = dedup.Open(o); err != nil {
		return fmt.Errorf("opening deduplication window: %w", err)
	}
	p.add("deduplication window", p.window)
	return nil
}

func (p *program) openGeo() (err error) {
	if p.places, err = mmdb.Open(mmdb.Options{Place: p.cfg.Geo.File, Anonymous: p.cfg.Geo.Anonymous}); err != nil {
		return fmt.Errorf("opening geo database: %w", err)
	}
	return nil
}

// openEdge makes what answers on the public listener, not yet listening.
func (p *program) openEdge() (err error) {
	cfg := p.cfg
	p.edge, err = collector.New(collector.Options{
		Sources: p.sources, Policy: p.pol, Locator: p.places, Proxies: p.proxies, Registry: p.registry, Sink: p.sink,
		Dialects: dialect.Routes(), Signals: cfg.signalPlaces(cfg.problems()),
		Handlers: cfg.pages(p.pol), Pages: cfg.visits(), Now: time.Now, BadKeys: p.ring.Derive("bad-row"), BadTopic: cfg.Topics.Bad, CDNHeader: cfg.Trust.CDNHeader,
		CountryHeader: cfg.Trust.CountryHeader, RegionHeader: cfg.Trust.RegionHeader,
		Cookies: collector.CookieOptions(cfg.Cookies), Limits: collector.Limits(cfg.Limits.edgeLimits),
		Dedup: p.window, DedupKey: p.dedupKey,
		AcceptFailed: func(err error) {
			p.log.Warn("connections cannot be accepted; those that are open are served, new ones wait", "error", err)
		},
	})
	return err
}

// closeLeast is for what comes last: a healthy disk needs less.
const closeLeast = 500 * time.Millisecond

// closers ends what is open, in reverse, within the bound of a context: what was
// acknowledged is on disk by then, and a disk that hangs must not keep the process
// from ending.
type closers struct{ steps []closeStep }

type closeStep struct {
	what string // in its error: "closing sink"
	do   func(context.Context) error
}

// atEnd adds a step that keeps the context's bound by itself.
func (c *closers) atEnd(what string, do func(context.Context) error) {
	c.steps = append(c.steps, closeStep{what, do})
}

// add closes what knows no bound: past the bound it is left to itself.
func (c *closers) add(name string, open io.Closer) {
	c.atEnd("closing "+name, func(ctx context.Context) error {
		by, _ := ctx.Deadline()
		return within(max(time.Until(by), closeLeast), open.Close)
	})
}

// end does every step, each once. ctx needs a deadline.
func (c *closers) end(ctx context.Context) error {
	var errs []error
	for _, step := range slices.Backward(c.steps) {
		if err := step.do(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", step.what, err))
		}
	}
	c.steps = nil
	return errors.Join(errs...)
}

// within runs f for so long and then leaves it to itself.
func within(d time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	left := time.NewTimer(d)
	defer left.Stop()
	select {
	case err := <-done:
		return err
	case <-left.C:
		return errors.New("not done in time")
	}
}
