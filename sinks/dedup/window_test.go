package dedup

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
	"assent/sinks"
)

const spread = 1 << 31

func open(t *testing.T, fs disk.FS, count int) *Window {
	t.Helper()
	w, err := Open(Options{Dir: "data/dedup", FS: fs, Count: count})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func reopen(t *testing.T, w *Window, fs disk.FS, count int) *Window {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, fs, count)
}

func ids(from, to uint64) (out []sinks.ID) {
	for n := from; n < to; n++ {
		out = append(out, id(n, spread))
	}
	return out
}

// known counts which of the IDs of a range the window holds.
func (w *Window) holds(from, to uint64) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range ids(from, to) {
		if w.known.has(x) {
			n++
		}
	}
	return n
}

func keep(t *testing.T, w *Window, list []sinks.ID) {
	t.Helper()
	if err := w.Keep(list); err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		w.Add(x)
	}
}

// claim claims one ID.
func claim(w *Window, x sinks.ID) sinks.Claim {
	var said [1]sinks.Claim
	w.Claim([]sinks.ID{x}, said[:])
	return said[0]
}

// TestClaimsTogether: of two that claim the same IDs at once, one gets them all.
func TestClaimsTogether(t *testing.T) {
	w := open(t, disktest.New(), 1<<16)
	for n := range uint64(300) {
		ids := []sinks.ID{id(3*n, spread), {}, id(3*n+1, spread), id(3*n+2, spread)}
		var said [4][4]sinks.Claim
		var all sync.WaitGroup
		for i := range said {
			all.Go(func() { w.Claim(ids, said[i][:]) })
		}
		all.Wait()
		first := 0
		for _, s := range said {
			if s[1] != sinks.First {
				t.Fatal("a zero ID is taken")
			}
			if s[0] != s[2] || s[2] != s[3] {
				t.Fatalf("the claims of one request are split: %v", s)
			}
			if s[0] == sinks.First {
				first++
			}
		}
		if first != 1 {
			t.Fatalf("%d are first", first)
		}
	}
}

// TestClaims walks one ID through its life.
func TestClaims(t *testing.T) {
	w := open(t, disktest.New(), 16)
	x := id(1, spread)
	f := func(want sinks.Claim) {
		t.Helper()
		if got := claim(w, x); got != want {
			t.Fatalf("claim is %d, want %d", got, want)
		}
	}
	f(sinks.First)
	f(sinks.Pending)
	w.Finish([]sinks.ID{x}, false)
	if w.Wait(x) {
		t.Error("what nobody stored is stored")
	}
	f(sinks.First) // the next one may try
	w.Finish([]sinks.ID{x}, true)
	if !w.Wait(x) {
		t.Error("what was stored is not")
	}
	f(sinks.Known)
	f(sinks.Known)
	w.Add(id(2, spread))
	if claim(w, id(2, spread)) != sinks.Known {
		t.Error("an added ID is not known")
	}
	if n := testing.AllocsPerRun(100, func() {
		x[15]++
		claim(w, x)
		w.Finish([]sinks.ID{x}, true)
	}); n != 0 {
		t.Errorf("a claim costs %v allocations", n)
	}
}

// TestTwins: of many that come at once one is first, the others wait for it, and
// when it fails one of those that come again is first.
func TestTwins(t *testing.T) {
	w := open(t, disktest.New(), 1024)
	for n := range uint64(200) {
		x := id(n, spread)
		var stored, first atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for {
					switch claim(w, x) {
					case sinks.First:
						time.Sleep(time.Duration(rand.Int64N(2)) * 50 * time.Microsecond)
						ok := first.Add(1) > 2 // the first two attempts fail
						if ok {
							stored.Add(1)
						}
						w.Finish([]sinks.ID{x}, ok)
						if ok {
							return
						}
					case sinks.Pending:
						if w.Wait(x) {
							return
						}
					case sinks.Known:
						return
					}
				}
			})
		}
		all.Wait()
		if stored.Load() != 1 {
			t.Fatalf("stored %d times", stored.Load())
		}
	}
	if len(w.claimed) != 0 {
		t.Errorf("%d claims are left", len(w.claimed))
	}
}

// TestRestart: what was kept or noted is known after a restart, and after many,
// and they leave one file.
func TestRestart(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 1000)
	for n := range uint64(20) {
		if n%2 == 0 {
			keep(t, w, ids(n*10, n*10+10))
		} else {
			w.Note(ids(n*10, n*10+10))
		}
		w = reopen(t, w, fs, 1000)
		if got := w.holds(0, 1000); got != int(n+1)*10 {
			t.Fatalf("after %d restarts %d IDs are known", n+1, got)
		}
	}
	if files := fs.Files(extension); len(files) != 1 {
		t.Errorf("%d files", len(files))
	}
}

// TestWindowIsBounded: the oldest IDs go, here and on disk, and it is counted.
func TestWindowIsBounded(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 100)
	before := evictions.Get()
	for n := range uint64(1000) {
		keep(t, w, ids(n, n+1))
	}
	if got := evictions.Get() - before; got != 900 {
		t.Errorf("%d evictions are counted", got)
	}
	if w.holds(0, 900) != 0 || w.holds(900, 1000) != 100 {
		t.Errorf("holds %d old and %d new IDs", w.holds(0, 900), w.holds(900, 1000))
	}
	bytes := 0
	for _, data := range fs.Files(extension) {
		bytes += len(data)
	}
	if bytes > 2*100*entryLen {
		t.Errorf("%d bytes on disk", bytes)
	}
	w = reopen(t, w, fs, 100)
	if got := w.holds(900, 1000); got != 100 {
		t.Errorf("%d of the last 100 are known after a restart", got)
	}
	w = reopen(t, w, fs, 10) // a smaller window holds the last of them
	if got := w.holds(990, 1000); got != 10 {
		t.Errorf("%d of the last 10 are known in a smaller window", got)
	}
}

// TestFloodTakesNobodysPlace: what one source sends, however much, takes no ID of
// the share of another, in memory and on disk, over files that change and restarts.
func TestFloodTakesNobodysPlace(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 100)
	flood := uint64(0)
	for round := range 4 {
		small := []sinks.ID{idOf(1, uint64(2*round)), idOf(1, uint64(2*round+1))}
		keep(t, w, small[:1])
		w.Note(small[1:])
		for range 250 {
			keep(t, w, []sinks.ID{idOf(2, flood)})
			w.Note([]sinks.ID{idOf(2, flood+1)})
			flood += 2
		}
		for range 2 {
			for n := range uint64(2*round + 2) {
				if claim(w, idOf(1, n)) != sinks.Known {
					t.Fatalf("round %d: the flood took ID %d of another source", round, n)
				}
			}
			for n := flood - 50; n < flood; n++ {
				if claim(w, idOf(2, n)) != sinks.Known {
					t.Fatalf("round %d: a source lost ID %d of its newest 50, up to %d", round, n, flood)
				}
			}
			w = reopen(t, w, fs, 100)
		}
	}
}

// TestSourcesThatAreGone give their share back when the window is opened.
func TestSourcesThatAreGone(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 10)
	for n := range uint64(5) {
		keep(t, w, []sinks.ID{idOf(1, n), idOf(2, n)})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w, err := Open(Options{Dir: "data/dedup", FS: fs, Count: 10, Sources: []uint32{2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for n := uint64(5); n < 10; n++ {
		w.Add(idOf(1, n))
		w.Add(idOf(2, n))
	}
	for n := range uint64(10) {
		if claim(w, idOf(1, n)) == sinks.Known || claim(w, idOf(2, n)) != sinks.Known {
			t.Errorf("ID %d: one of a source that is gone is known, or one of a source that is there is not", n)
		}
	}
}

// TestNotedIsKnown: an ID that is noted is known from then on, also while somebody
// has a claim on it.
func TestNotedIsKnown(t *testing.T) {
	w := open(t, disktest.New(), 16)
	x := id(1, spread)
	claim(w, x)
	w.Note([]sinks.ID{x})
	if got := claim(w, x); got != sinks.Known {
		t.Errorf("claim is %d, want known", got)
	}
	w.Finish([]sinks.ID{x}, true)
	if got := claim(w, x); got != sinks.Known || len(w.known.ids) != 1 {
		t.Errorf("claim is %d and %d IDs are held once its claim is finished", got, len(w.known.ids))
	}
}

// TestDamage: a flipped byte costs one ID, a torn end the one it tears, a file
// that cannot be read itself; all are counted and none stops the start.
func TestDamage(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 1000)
	keep(t, w, ids(0, 100))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	before := damaged.Get()
	fs.Flip("data/dedup/0000000000000000.ids", 5*int64(entryLen)+3, 1)
	fs.Put("data/dedup/0000000000000001.ids", append(make([]byte, entryLen), "torn"...))
	fs.Put("data/dedup/not-one.ids", []byte("x"))
	w = open(t, fs, 1000)
	if got := damaged.Get() - before; got != 3 {
		t.Errorf("%d damages are counted", got)
	}
	if w.holds(0, 100) != 99 || w.holds(5, 6) != 0 {
		t.Errorf("%d of 99 IDs are known", w.holds(0, 100))
	}
	w = reopen(t, w, fs, 1000) // was written anew
	if got := damaged.Get() - before; got != 3 || w.holds(0, 100) != 99 {
		t.Errorf("damages %d, IDs %d after another start", got, w.holds(0, 100))
	}
	fs.SetFault(func(op, path string) error {
		if op == "read" {
			return syscall.EIO
		}
		return nil
	})
	w = reopen(t, w, fs, 1000)
	if w.holds(0, 100) != 0 || damaged.Get()-before == 3 {
		t.Error("unreadable files are known or not counted")
	}
}

// TestFullDisk: what cannot be kept is an error, what was kept stays, and once
// there is room it goes on.
func TestFullDisk(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 1000)
	keep(t, w, ids(0, 10))
	for _, failing := range []string{"write", "sync", "create", "syncdir"} {
		fs.SetFault(func(op, _ string) error {
			if op == failing {
				return syscall.ENOSPC
			}
			return nil
		})
		fs.SetShort(failing == "write")
		for range 3 {
			err := w.Keep(ids(100, 107))
			if failing != "create" && failing != "syncdir" && !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("failing %s: %v", failing, err)
			}
		}
		fs.SetFault(nil)
		fs.SetShort(false)
		if err := w.Keep(ids(10, 20)); err != nil {
			t.Errorf("after failing %s: %v", failing, err)
		}
	}
	if n := len(fs.Files(extension)); n > 6 {
		t.Errorf("failures left %d files", n)
	}
	w = reopen(t, w, fs, 1000)
	if w.holds(0, 20) != 20 {
		t.Errorf("%d of 20 are known", w.holds(0, 20))
	}
}

// TestFullDiskAtStart: a start that cannot write reads all the same.
func TestFullDiskAtStart(t *testing.T) {
	fs := disktest.New()
	w := open(t, fs, 1000)
	keep(t, w, ids(0, 10))
	fs.SetFault(func(op, _ string) error {
		if op == "create" {
			return syscall.ENOSPC
		}
		return nil
	})
	w = reopen(t, w, fs, 1000)
	w = reopen(t, w, fs, 1000)
	if w.holds(0, 10) != 10 {
		t.Errorf("%d of 10 are known", w.holds(0, 10))
	}
}

// TestPowerCuts: whenever the power goes, every ID that Keep returned nil for is
// known afterwards, also over files that change and restarts.
func TestPowerCuts(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := disktest.New()
		var kept uint64
		for round := range 4 {
			// Up to three noted IDs may stand among the last.
			w, err := Open(Options{Dir: "data/dedup", FS: fs, Count: 53})
			if err != nil {
				t.Fatal(err)
			}
			from := kept - min(kept, 50)
			if got := w.holds(from, kept); got != int(kept-from) {
				t.Fatalf("seed %d, round %d: %d of %d are known", seed, round, got, kept-from)
			}
			for range rng.IntN(60) {
				n := 1 + rng.Uint64N(5)
				keep(t, w, ids(kept, kept+n))
				kept += n
			}
			w.Note([]sinks.ID{id(1<<40+seed, spread)})
			fs = fs.Cut(rng)
		}
	}
}

func TestOpenedTwice(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil {
		t.Error("a second window on one directory is opened")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if w, err = Open(Options{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{}, {Dir: "d", Count: 1}, {Dir: "d", Count: -1}, {Dir: "d", Count: 1 << 29}} {
		if _, err := Open(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func BenchmarkClaim(b *testing.B) {
	w, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	var n atomic.Uint64
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		rng := rand.New(rand.NewPCG(n.Add(1), 0))
		one, said := make([]sinks.ID, 1), make([]sinks.Claim, 1)
		for p.Next() {
			one[0] = id(rng.Uint64(), spread)
			w.Claim(one, said)
			w.Finish(one, true)
		}
	})
	b.ReportMetric(float64(len(w.known.ids)), "ids")
}

// TestWhatADiskRefusedIsWrittenLater: IDs that could not be written are on disk once it
// takes writes again, or at the end of the process.
func TestWhatADiskRefusedIsWrittenLater(t *testing.T) {
	for _, killed := range []bool{true, false} {
		var full atomic.Bool
		m := disktest.New()
		m.SetFault(func(op, _ string) error {
			if full.Load() && (op == "write" || op == "create") {
				return syscall.ENOSPC
			}
			return nil
		})
		w := open(t, m, 1<<10)
		w.Note(ids(0, 10))
		full.Store(true)
		w.Note(ids(10, 30))
		full.Store(false)
		want := uint64(30)
		if killed {
			w.Note(ids(30, 40))
			want = 40
			w = open(t, m.Cut(rand.New(rand.NewPCG(1, 1))), 1<<10)
		} else {
			w = reopen(t, w, m, 1<<10)
		}
		if n := w.holds(0, want); n != int(want) {
			t.Errorf("killed: %v; %d of %d are known after a restart", killed, n, want)
		}
	}
}
