package consent

import (
	"context"
	"errors"
	"flag"
	"math/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/keys"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden runs f on every case of a file, a case being what follows a line
// "-- name --", and compares the case with what f makes of it.
func golden(t *testing.T, file string, f func(name, body string) string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split("\n"+string(raw), "\n-- ")
	out := strings.TrimLeft(parts[0], "\n")
	for _, part := range parts[1:] {
		name, body, ok := strings.Cut(part, " --\n")
		if !ok {
			t.Fatalf("%s: a case without a name", file)
		}
		got := strings.TrimSpace(f(name, body))
		if want := strings.TrimSpace(body); got != want && !*update {
			t.Errorf("%s: %s: got\n%s\nwant\n%s", file, name, got, want)
		}
		out += "\n-- " + name + " --\n" + got + "\n"
	}
	if *update {
		if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// day0 is when every test begins.
var day0 = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// shop is the vocabulary of the tests.
func shop(t testing.TB) *Purposes {
	t.Helper()
	p, err := NewPurposes([]Purpose{
		{Name: "orders", Basis: Contract},
		{Name: "fraud", Basis: LegitimateInterest},
		{Name: "analytics", Basis: Consent, Revision: 2, Signals: map[string][]string{"segment": {"Analytics", "Measuring"}}},
		{Name: "ads", Basis: Consent, Sale: true, TargetedAds: true},
		{Name: "health", Basis: ExplicitConsent},
		{Name: "tax", Basis: LegalObligation},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func set(t testing.TB, p *Purposes, names ...string) (s PurposeSet) {
	t.Helper()
	for _, n := range names {
		i, ok := p.Index(n)
		if !ok {
			t.Fatalf("no purpose %q", n)
		}
		s = s.With(i)
	}
	return s
}

func ring(ids ...string) []keys.Key {
	var out []keys.Key
	for _, id := range ids {
		k := keys.Key{ID: id}
		copy(k.Secret[:], strings.Repeat(id, keys.Size))
		out = append(out, k)
	}
	return out
}

// memStore is a Store without a disk.
type memStore struct {
	mu       sync.Mutex
	records  map[Subject]*Record
	links    map[Subject][]Link
	receipts map[string][]byte
	err      error // every call fails with it
	gets     int
}

var errDisk = errors.New("disk on fire")

func newMemStore() *memStore {
	return &memStore{records: map[Subject]*Record{}, links: map[Subject][]Link{}, receipts: map[string][]byte{}}
}

func (m *memStore) Get(s Subject) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	return m.records[s], m.err
}

func (m *memStore) Links(s Subject) ([]Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.links[s], m.err
}

func (m *memStore) Receipt(id string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.receipts[id], m.err
}

func (m *memStore) Put(_ context.Context, c *Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	// Through the codec, as a disk would have it.
	c, err := ParseChange(AppendChange(nil, c))
	if err != nil {
		return err
	}
	for _, r := range c.Records {
		m.records[r.Subject] = r
	}
	for _, l := range c.Links {
		m.links[l.Alias] = nil
	}
	for _, l := range c.Links {
		m.links[l.Alias] = append(m.links[l.Alias], l)
	}
	m.receipts[c.ReceiptID] = c.Receipt
	return nil
}

func (m *memStore) Ready() error { return m.err }
func (m *memStore) Close() error { return nil }

func (m *memStore) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// lockedRand is the same randomness in every run.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (l *lockedRand) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

// fixture is a registry with a clock to turn.
type fixture struct {
	*Registry
	store *memStore
	p     *Purposes
	mu    sync.Mutex
	now   time.Time
}

func (f *fixture) time() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) turn(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func setup(t testing.TB, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{store: newMemStore(), p: shop(t), now: day0}
	o := Options{
		Store: f.store, CookieKeys: ring("a"), ReceiptKeys: ring("r"), Controller: "Example Shop Ltd",
		Now: f.time, Rand: &lockedRand{r: rand.New(rand.NewSource(1))}, Node: 7, CacheSize: 64,
	}
	for _, c := range change {
		c(&o)
	}
	r, err := NewRegistry(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Use(f.p)
	f.Registry = r
	return f
}

// needsID is the rule of a policy whose analytics and ads keep the visitor id.
func needsID(s *State) bool {
	for _, n := range []string{"analytics", "ads"} {
		if i, ok := s.Purposes().Index(n); ok && s.Granted.Has(i) {
			return true
		}
	}
	return false
}

// choose records a choice as the collector would.
func (f *fixture) choose(t testing.TB, visitor *State, body string) *Outcome {
	t.Helper()
	c, err := ParseChoice([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	c.Visitor, c.NeedsID = visitor, needsID
	c.Jurisdiction, c.Regimes, c.Policy = "FR", []string{"gdpr"}, "shop@1"
	o, err := f.Record(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func status(t testing.TB, s *State, name string) Status {
	t.Helper()
	i, ok := s.Purposes().Index(name)
	if !ok {
		t.Fatalf("no purpose %q", name)
	}
	switch {
	case s.Denied.Has(i):
		return Denied
	case s.Granted.Has(i):
		return Granted
	}
	return Unknown
}
