package crash

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"assent/test/program"
)

// TestOpenedTwice: a second program on the same data is refused, says why, and
// disturbs nothing.
func TestOpenedTwice(t *testing.T) {
	t.Parallel()
	s := newStand(t, sharedBroker(t))
	s.start()
	l := startLoad(s.url, "o", rand.Uint64(), 8, 4*time.Millisecond)
	if _, err := program.Try(t, s.data, append(slices.Clone(s.args), "--listen", "127.0.0.1:0")...); err == nil {
		t.Error("two programs have the same data directory")
	} else if !strings.Contains(err.Error(), "in use") {
		t.Errorf("the refusal does not say that the directory is in use: %v", err)
	}
	time.Sleep(time.Second)
	s.settle(l)
}

// TestDiskFull fills the disk under the program, by a size-limited tmpfs, while
// Kafka is away. It refuses with 503, is not ready, and goes on when there is
// space again. Where tmpfs may not be mounted, the same is tested by the file
// system shims of wal and sinks/journal alone.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	b, proxy := sharedProxy(t, ofDiskFull)
	s := newStand(t, b, proxy.Addr)
	err := syscall.Mount("tmpfs", s.data, "tmpfs", 0, "size=448m")
	if errors.Is(err, syscall.EPERM) {
		t.Log("tmpfs may not be mounted here: a full disk is left to the shims")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.data, syscall.MNT_DETACH) })
	proxy.Refuse()
	s.start()
	l := startLoad(s.url, "d", rand.Uint64(), 8, 4*time.Millisecond)
	s.eventually("events are taken", func() bool { return l.acked.Load() > 500 })
	ballast := filepath.Join(s.data, "ballast")
	fill(t, ballast)
	s.eventually("it is not ready", func() bool { status, _, err := s.p.Get("/readyz"); return err == nil && status == 503 })
	s.eventually("events are refused", func() bool { return l.refused.Load() > 0 })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	before := l.acked.Load()
	s.eventually("events are taken again", func() bool { return l.acked.Load() > before+200 })
	fill(t, ballast)
	time.Sleep(500 * time.Millisecond)
	s.p.Kill() // and again, dying on a full disk
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.start()
	proxy.Allow()
	s.settle(l)
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := bytes.Repeat([]byte("ballast "), 8<<10); err == nil; {
		if _, err = f.Write(block); err != nil && len(block) > 1 {
			block, err = block[:len(block)/2], nil
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// TestDamage flips and cuts bytes of a journal that holds acknowledged events,
// while the program is away. What is not damaged is delivered, the rest is
// counted.
func TestDamage(t *testing.T) {
	t.Parallel()
	b, proxy := sharedProxy(t, ofDamage)
	proxy.Refuse()
	s := newStand(t, b, proxy.Addr)
	s.start()
	c := &client{load: newLoad(s.url, 1), name: "g", keys: []string{"g-v0"}, r: rand.New(rand.NewPCG(1, 1))}
	for range 200 {
		first := len(c.events)
		if body := c.compose(1); !c.send(body, 1) {
			t.Fatal("not acknowledged")
		}
		c.events[first].acked = true
	}
	s.p.Kill()

	damaged := map[string]bool{}
	for _, i := range []int{0, 20, 21, 90} {
		id := c.events[i].id
		damaged[id] = true
		s.strike(id, func(f *os.File, at int64) error {
			var b [1]byte
			if _, err := f.ReadAt(b[:], at); err != nil {
				return err
			}
			b[0] ^= 0x20
			_, err := f.WriteAt(b[:], at)
			return err
		})
	}
	last := c.events[len(c.events)-1].id
	damaged[last] = true
	s.strike(last, func(f *os.File, at int64) error { return f.Truncate(at) })
	sent := c.events
	for i := range sent {
		sent[i].mayMiss = damaged[sent[i].id]
	}
	s.start()
	regions, _, err := s.p.Metric("assent_wal_damaged_regions_total")
	if err != nil {
		t.Fatal(err)
	}
	proxy.Allow()
	s.drained()
	for end := time.Now().Add(patience); regions < 3 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if regions, _, err = s.p.Metric("assent_wal_damaged_regions_total"); err != nil {
			t.Fatal(err)
		}
	}
	if regions < 3 {
		t.Errorf("%v damaged regions counted, want 3", regions)
	}
	if found, err := filepath.Glob(filepath.Join(s.data, "journal", "quarantine", "*")); err != nil || len(found) < 3 {
		t.Errorf("%d damaged regions are kept for inspection, %v", len(found), err)
	}
	s.p.Stop(t)
	v := s.judge(c.load, sent)
	if v.withheld != len(damaged) {
		t.Errorf("%d events are missing, %d were damaged", v.withheld, len(damaged))
	}
}

// strike opens the segment that holds an event, for damaging it where its id is.
func (s *stand) strike(id string, damage func(f *os.File, at int64) error) {
	s.t.Helper()
	segments, err := filepath.Glob(filepath.Join(s.data, "journal", "*.wal"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range segments {
		raw, err := os.ReadFile(path)
		if err != nil {
			s.t.Fatal(err)
		}
		at := bytes.Index(raw, fmt.Appendf(nil, "%q", id))
		if at < 0 {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			s.t.Fatal(err)
		}
		defer f.Close()
		if err := damage(f, int64(at)); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	s.t.Fatalf("event %s is in no segment", id)
}
