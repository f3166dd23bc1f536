package wal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
)

// crashDirEnv makes the test binary the writer that TestKilled kills.
const crashDirEnv = "ASSENT_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		l, err := Open(crashOptions(dir, disk.OS{}))
		if err == nil {
			b := newBook()
			b.tell = func(id string) { fmt.Println(id) }
			err = b.write(l, fmt.Sprint(os.Getpid()), nil)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashOptions turn over as often as possible.
func crashOptions(dir string, system disk.FS) Options {
	return Options{Dir: dir, FS: system, SegmentBytes: 16 << 10, MaxBytes: 64 << 20}
}

// A book holds what a log has promised: of each writer, the number of the last
// Append that was acknowledged, and of the last that was released.
type book struct {
	mu       sync.Mutex
	off      bool // the power is: nobody is told any more
	faults   bool // some of what was asked for failed
	acked    map[string]int
	released map[string]int
	tell     func(id string)
}

const writers = 8

func newBook() *book {
	return &book{acked: map[string]int{}, released: map[string]int{}, tell: func(string) {}}
}

// write appends from several goroutines until stopped. Each Append is of one to
// three entries, each "writer number part parts …".
func (b *book) write(l *Log, prefix string, stop <-chan struct{}) error {
	var running sync.WaitGroup
	failed := make([]error, writers)
	for w := range writers {
		running.Go(func() {
			writer := fmt.Sprintf("%s-%d", prefix, w)
			for i := 1; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				parts := i%3 + 1
				var entries [][]byte
				for part := range parts {
					entries = append(entries, fmt.Appendf(nil, "%s %d %d %d %0*d", writer, i, part, parts, i*37%500, 0))
				}
				if i%7 == 0 {
					l.Note([]byte("note"))
				}
				if err := l.Append(entries...); err != nil {
					if b.faults {
						continue
					}
					if !errors.Is(err, ErrClosed) { // which nobody was told about
						failed[w] = err
					}
					return
				}
				b.mu.Lock()
				if !b.off {
					b.acked[writer] = i
					b.tell(fmt.Sprintf("%s %d", writer, i))
				}
				b.mu.Unlock()
			}
		})
	}
	running.Wait()
	return errors.Join(failed...)
}

// release reads the log and releases what it has read, a segment at a time.
func (b *book) release(l *Log, rng *rand.Rand) {
	c := l.Cursor(0)
	defer c.Close()
	seen, segment := map[string]int{}, uint64(0)
	for {
		e, err := c.Next(context.Background())
		if err != nil {
			return
		}
		if e.Segment != segment {
			segment = e.Segment
			b.mu.Lock()
			if off := b.off; off {
				b.mu.Unlock()
				return
			}
			if rng.IntN(3) == 0 {
				for writer, n := range seen {
					b.released[writer] = max(b.released[writer], n)
				}
				l.Release(segment)
			}
			b.mu.Unlock()
		}
		var writer string
		var n int
		if k, _ := fmt.Sscanf(string(e.Payload), "%s %d", &writer, &n); k == 2 {
			seen[writer] = n
		}
		e.Block.Release()
	}
}

// verify opens a log and wants every promised Append in order, none half there,
// nothing else but what was asked for last, and no damage.
func (b *book) verify(t *testing.T, opt Options) {
	t.Helper()
	opt.Damaged = func(d Damage) { t.Errorf("damage: %+v", d) }
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	c := l.Cursor(0)
	first, last := map[string]int{}, map[string]int{}
	due := "" // the next part
	for {
		e, ok, err := c.TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		text := string(e.Payload)
		e.Block.Release()
		if text == "note" && due == "" {
			continue
		}
		var writer string
		var n, part, parts int
		if k, _ := fmt.Sscanf(text, "%s %d %d %d", &writer, &n, &part, &parts); k != 4 {
			t.Fatalf("%q was never written", text)
		}
		id := func(part int) string { return fmt.Sprintf("%s %d %d", writer, n, part) }
		if due == "" && part != 0 || due != "" && due != id(part) {
			t.Fatalf("%q follows where %q was due", text, due)
		}
		if due = ""; part+1 < parts {
			due = id(part + 1)
			continue
		}
		if last[writer] == 0 {
			first[writer] = n
		} else if gap := n - last[writer]; gap != 1 && !(b.faults && gap > 0) {
			t.Fatalf("%s: %d follows %d", writer, n, last[writer])
		}
		last[writer] = n
	}
	if due != "" {
		t.Errorf("the log ends where %q was due", due)
	}
	for writer, n := range b.acked {
		if last[writer] < n && b.released[writer] < n {
			t.Errorf("%s: %d was acknowledged, the log ends with %d", writer, n, last[writer])
		}
		if r := b.released[writer]; first[writer] > r+1 && !b.faults {
			t.Errorf("%s: the log begins with %d and only %d was released", writer, first[writer], r)
		}
	}
	c.Close()
	closeLog(t, l)
}

// TestPowerCut cuts the power of a file system that forgets what was not synced,
// again and again, each time going on with what was left. In the second half some
// operations fail too.
func TestPowerCut(t *testing.T) {
	for _, faults := range []bool{false, true} {
		t.Run(fmt.Sprintf("faults=%v", faults), func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			memory := disktest.New()
			b := newBook()
			b.faults = faults
			for round := range 40 {
				b.off = false
				opt := crashOptions("data/log", memory)
				opt.Damaged = func(d Damage) { t.Errorf("damage: %+v", d) }
				l := open(t, opt)
				if faults {
					dice := rand.New(rand.NewPCG(seed, uint64(round)))
					memory.SetFault(func(op, path string) error {
						if dice.IntN(50) == 0 && (op == "write" || op == "sync" || op == "syncdir" || op == "create" || op == "remove") {
							return syscall.EIO
						}
						return nil
					})
				}
				stop := make(chan struct{})
				var running sync.WaitGroup
				running.Go(func() {
					if err := b.write(l, fmt.Sprint(round), stop); err != nil {
						t.Error(err)
					}
				})
				luck := rand.New(rand.NewPCG(seed, uint64(round)))
				running.Go(func() { b.release(l, luck) })
				time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
				b.mu.Lock()
				left := memory.Cut(rng)
				b.off = true
				close(stop)
				b.mu.Unlock()
				memory.SetFault(nil)
				closing := make(chan struct{})
				go func() { running.Wait(); close(closing) }()
				closeLog(t, l)
				<-closing
				memory = left
				b.verify(t, opt.with(memory))
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
			total := 0
			for _, n := range b.acked {
				total += n
			}
			if total < 500 {
				t.Errorf("only %d acknowledged: the test proves little", total)
			}
			t.Logf("%d acknowledged", total)
		})
	}
}

func (o Options) with(system disk.FS) Options { o.FS = system; return o }

// TestKilled kills a writer at random moments, again and again in the same
// directory. kill -9 leaves the page cache alone, so this shows order and
// recovery; TestPowerCut shows that syncs happen.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "log")
	b := newBook()
	for round := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
		cmd.Stderr = os.Stderr
		var out bytes.Buffer
		cmd.Stdout = &out // copied until the writer's end is closed
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(50+rand.IntN(100)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		for {
			line, err := out.ReadString('\n')
			if err == io.EOF {
				break
			}
			writer, n, _ := strings.Cut(strings.TrimSpace(line), " ")
			var number int
			fmt.Sscan(n, &number)
			b.acked[writer] = max(b.acked[writer], number)
		}
		if round%5 == 4 {
			b.verify(t, crashOptions(dir, disk.OS{}))
		}
	}
	total := 0
	for _, n := range b.acked {
		total += n
	}
	if total < 100 {
		t.Errorf("only %d acknowledged: the test proves little", total)
	}
	t.Logf("%d acknowledged over 20 kills", total)
}
