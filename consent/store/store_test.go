package store

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"assent/consent"
	"assent/keys"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const dir = "state"

var ctx = context.Background()

func open1(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open(Options{Dir: dir, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func visitor(i int) consent.Subject {
	return consent.Subject{Kind: consent.Visitor, ID: fmt.Sprintf("visitor-%d", i)}
}

func tracker(i int) consent.Subject {
	return consent.Subject{Kind: consent.Anonymous, ID: fmt.Sprintf("visitor-%d", i)}
}

func record(s consent.Subject, round int64) *consent.Record {
	return &consent.Record{Subject: s, Entries: []consent.Entry{
		{
			Purpose: "ads", Status: consent.Denied, Version: consent.Version{Time: round, Node: 3}, Since: round,
			Method: consent.Banner, Notice: "7", Receipt: fmt.Sprint("r", round),
		},
		{
			Purpose: "analytics", Status: consent.Granted, Version: consent.Version{Time: round}, Since: round,
			Until: round + 1000, Revision: 2, Method: consent.Form,
		},
	}}
}

func write(i int, round int64) *consent.Change {
	return &consent.Change{
		Records:   []*consent.Record{record(visitor(i), round), record(tracker(i), round)},
		Links:     []consent.Link{{Alias: tracker(i), Holder: visitor(i), Version: consent.Version{Time: round, Node: 1}}},
		ReceiptID: fmt.Sprintf("r%d-%d", i, round), Receipt: []byte(`{"receipt":1}`),
		About: visitor(i),
	}
}

// holds checks that all of a change is there.
func holds(t *testing.T, s *Store, i int, round int64) {
	t.Helper()
	w := write(i, round)
	for _, want := range w.Records {
		if got, err := s.Get(want.Subject); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("record %d: %+v, %v", i, got, err)
		}
	}
	if links, err := s.Links(tracker(i)); err != nil || !slices.Equal(links, w.Links) {
		t.Fatalf("links of %d: %+v %v", i, links, err)
	}
	if got, err := s.Receipt(w.ReceiptID); err != nil || !bytes.Equal(got, w.Receipt) {
		t.Fatalf("receipt %d: %q %v", i, got, err)
	}
}

func TestPutAndGet(t *testing.T) {
	s := open1(t, vfs.NewMem())
	if r, err := s.Get(visitor(1)); r != nil || err != nil {
		t.Fatalf("nothing yet: %v %v", r, err)
	}
	if links, err := s.Links(tracker(1)); links != nil || err != nil {
		t.Fatalf("nothing yet: %v %v", links, err)
	}
	if b, err := s.Receipt("r"); b != nil || err != nil {
		t.Fatalf("nothing yet: %q %v", b, err)
	}
	for _, round := range []int64{1, 2} {
		if err := s.Put(ctx, write(1, round)); err != nil {
			t.Fatal(err)
		}
		holds(t, s, 1, round)
	}
	if r, err := s.Get(consent.Subject{Kind: consent.User, ID: visitor(1).ID}); r != nil || err != nil {
		t.Error("an account is answered with a visitor's record")
	}
	// An id may have several holders; those of one change are all there are.
	of := func(alias, holder int) consent.Link {
		return consent.Link{Alias: tracker(alias), Holder: visitor(holder), Version: consent.Version{Time: 1, Node: uint16(holder)}}
	}
	if err := s.Put(ctx, &consent.Change{Links: []consent.Link{of(1, 2), of(3, 1), of(1, 300)}}); err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[int][]consent.Link{1: {of(1, 2), of(1, 300)}, 2: nil, 3: {of(3, 1)}} {
		if links, err := s.Links(tracker(alias)); !slices.Equal(links, want) || err != nil {
			t.Errorf("links of %d: %v %v, want %v", alias, links, err, want)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Put(done, write(2, 1)); err == nil {
		t.Error("wrote for someone who left")
	}
	if err := s.Ready(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(Options{}); err == nil {
		t.Error("opened nowhere")
	}
	fs := vfs.NewMem()
	s := open1(t, fs)
	if _, err := Open(Options{Dir: dir, FS: fs}); err == nil {
		t.Error("opened twice")
	}
	if err := s.in.db.Set([]byte{'f'}, []byte{Format + 1}, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, FS: fs}); err == nil || !strings.Contains(err.Error(), "has format [4], and this version reads format 3: run") {
		t.Errorf("opened a later format: %v", err)
	}
}

func TestClosed(t *testing.T) {
	s := open1(t, vfs.NewMem())
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Get(visitor(1)); err == nil {
		t.Error("read after close")
	}
	if s.Put(ctx, write(1, 1)) == nil || s.Ready() == nil {
		t.Error("written after close")
	}
}

// TestUnreadableIsAnError: no damaged, misplaced or foreign value reads as an
// absence or as somebody's choice.
func TestUnreadableIsAnError(t *testing.T) {
	s := open1(t, vfs.NewMem())
	if err := s.Put(ctx, write(1, 1)); err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{
		"record": subjectKey('r', visitor(1)), "link": subjectKey('l', tracker(1)), "receipt": []byte("pr1-1"),
	}
	read := func(what string) error {
		var err error
		switch what {
		case "record":
			_, err = s.Get(visitor(1))
		case "link":
			_, err = s.Links(tracker(1))
		default:
			_, err = s.Receipt("r1-1")
		}
		return err
	}
	for what, key := range keys {
		v, closer, err := s.in.db.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		good := bytes.Clone(v)
		closer.Close()
		try := func(problem string, value []byte) {
			if err := s.in.db.Set(key, value, pebble.Sync); err != nil {
				t.Fatal(err)
			}
			if err := read(what); err == nil {
				t.Errorf("%s: %s goes unnoticed", what, problem)
			} else if strings.Contains(err.Error(), "visitor-1") {
				t.Errorf("%s: %s: the error names the visitor", what, problem)
			}
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 0x10
			try(fmt.Sprint("bit flipped in byte ", i), bad)
		}
		for n := range good {
			try(fmt.Sprint("cut to ", n), good[:n])
		}
		if what != "receipt" {
			try("a well-sealed other thing", seal(key, []byte("other")))
		}
		try("another's value", seal(append(bytes.Clone(key), 'x'), good[:len(good)-4]))
		if err := s.in.db.Set(key, good, pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if err := read(what); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestConcurrentUse runs readers, writers and Close together.
func TestConcurrentUse(t *testing.T) {
	s := open1(t, vfs.NewMem())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for round := range int64(50) {
				if err := s.Put(ctx, write(i, round)); err != nil {
					if err != errClosed {
						t.Error(err)
					}
					return
				}
				if _, err := s.Get(visitor(i)); err != nil && err != errClosed {
					t.Error(err)
				}
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func registry(t *testing.T, s *Store, p *consent.Purposes) *consent.Registry {
	t.Helper()
	r, err := consent.NewRegistry(consent.Options{
		Store: s, CookieKeys: []keys.Key{{ID: "1"}}, ReceiptKeys: []keys.Key{{ID: "1"}}, Controller: "Example Shop Ltd",
		Now: time.Now, Rand: crand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Use(p)
	return r
}

// TestRegistryOnDisk takes one person through a restart.
func TestRegistryOnDisk(t *testing.T) {
	fs := vfs.NewMem()
	p, err := consent.NewPurposes([]consent.Purpose{{Name: "analytics", Basis: consent.Consent}})
	if err != nil {
		t.Fatal(err)
	}
	start := func() (*consent.Registry, *Store) {
		s, err := Open(Options{Dir: dir, FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		return registry(t, s, p), s
	}
	r, s := start()
	granted, err := r.Record(ctx, consent.Choice{
		All: consent.Granted, Method: consent.Banner, AnonymousID: "X",
		NeedsID: func(s *consent.State) bool { return s.Granted != 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	who := r.Identify(nil, []byte(granted.IDCookie), nil)
	if who.Granted.Len() != 1 {
		t.Fatal("not granted")
	}
	if _, err := r.Record(ctx, consent.Choice{All: consent.Denied, Method: consent.Banner, Visitor: who}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, s = start()
	defer s.Close()
	if st := r.Identify([]byte(granted.ChoiceCookie), []byte(granted.IDCookie), nil); st.Denied.Len() != 1 || st.Granted != 0 {
		t.Error("a withdrawal is forgotten over a restart")
	}
	if st := r.Lookup(consent.Subject{Kind: consent.Anonymous, ID: "X"}); st.Denied.Len() != 1 {
		t.Error("a link is forgotten over a restart")
	}
	if raw, err := r.Receipt(granted.ReceiptID); err != nil || !bytes.Equal(raw, granted.Receipt) {
		t.Errorf("a receipt is forgotten over a restart: %v", err)
	}
}

func BenchmarkPut(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	b.SetParallelism(32)
	var n sync.Mutex
	next := 0
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n.Lock()
			next++
			i := next
			n.Unlock()
			if err := s.Put(ctx, write(i, 1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s := open1(b, vfs.NewMem())
	for i := range 1000 {
		if err := s.Put(ctx, write(i, 1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := s.Get(visitor(i % 2000)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReadyAfterRestart: what Pebble does at each start of a store that holds
// something is no fault of the disk.
func TestReadyAfterRestart(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if err := s.Put(ctx, write(i, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(50 * time.Millisecond) // flushes happen in the background
		if err := s.Ready(); err != nil {
			t.Errorf("start %d: %v", i, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
