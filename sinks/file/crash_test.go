package file

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"assent/disk"
	"assent/disk/disktest"
	"assent/sinks"
)

// crashDirEnv makes the test binary the writer that TestKilled kills.
const crashDirEnv = "ASSENT_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDirEnv); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// crashOptions rotate and compress as often as possible.
func crashOptions(dir string) Options {
	return Options{Dir: dir, MaxFileBytes: 16 << 10, Compress: true}
}

// twoTopics is a batch of one event whose records carry id, one of them in each
// topic.
func twoTopics(id string) *sinks.Batch {
	r := sinks.Record{Topic: "events", Key: []byte(id), Value: []byte(`{"pad":"` + strings.Repeat("x", 300) + `"}`)}
	other := r
	other.Topic = "events.bad"
	return &sinks.Batch{Events: []sinks.Event{{Records: 2, ID: eventID(id)}}, Records: []sinks.Record{r, other}}
}

func eventID(id string) sinks.ID {
	sum := sha256.Sum256([]byte(id))
	return sinks.ID(sum[:16])
}

// writeLoop commits from several goroutines until stopped and reports each id
// when it is tried and once it is acknowledged.
func writeLoop(s *Sink, prefix string, stop <-chan struct{}, tried, acknowledged func(id string)) error {
	var running sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for c := range 8 {
		running.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%s-%d-%d", prefix, c, i)
				tried(id)
				if err := s.Commit(context.Background(), twoTopics(id)); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				acknowledged(id)
			}
		})
	}
	running.Wait()
	return failed
}

// writeUntilKilled first repeats the ids of its arguments that the processes before
// it did not note as stored, then goes on with new ones.
func writeUntilKilled(dir string) {
	err := func() error {
		before, err := os.ReadFile(dir + ".noted")
		if err != nil && !os.IsNotExist(err) {
			return err
		}
		known := map[sinks.ID]bool{}
		for id := range slices.Chunk(before, 16) {
			if len(id) == 16 {
				known[sinks.ID(id)] = true
			}
		}
		opt := crashOptions(dir)
		opening := true
		opt.Committed = func(ids []sinks.ID) {
			note(dir, ids)
			for _, id := range ids {
				if opening {
					known[id] = true
				}
			}
		}
		s, err := Open(opt)
		if err != nil {
			return err
		}
		opening = false
		for _, id := range os.Args[1:] {
			if !known[eventID(id)] {
				if err := s.Commit(context.Background(), twoTopics(id)); err != nil {
					return err
				}
			}
			fmt.Println(id)
		}
		return writeLoop(s, fmt.Sprint(os.Getpid()), nil, func(id string) { fmt.Println("?" + id) }, func(id string) { fmt.Println(id) })
	}()
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// note is what a deduplication window does with IDs: they outlive the process.
func note(dir string, ids []sinks.ID) {
	var b []byte
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	f, err := os.OpenFile(dir+".noted", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.Write(b)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
}

// TestKilled kills a writer at random moments, again and again in the same
// directory. Whoever got no answer asks again. kill -9 leaves the page cache alone,
// so this shows order and recovery; TestPowerCut shows that syncs happen.
func TestKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "events")
	acknowledged, waiting := map[string]bool{}, map[string]bool{}
	repeated := 0
	for round := range 20 {
		cmd := exec.Command(os.Args[0], slices.Collect(maps.Keys(waiting))...)
		repeated += len(waiting)
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
		for line := range bytes.Lines(out.Bytes()) {
			id, whole := bytes.CutSuffix(line, []byte("\n"))
			if !whole {
				continue
			}
			if id, asked := bytes.CutPrefix(id, []byte("?")); asked {
				waiting[string(id)] = true
				continue
			}
			acknowledged[string(id)] = true
			delete(waiting, string(id))
		}
		if round%5 == 4 {
			verify(t, Options{Dir: dir, Committed: func(ids []sinks.ID) { note(dir, ids) }}, acknowledged)
		}
	}
	if len(acknowledged) < 100 {
		t.Errorf("only %d acknowledged: the test proves little", len(acknowledged))
	}
	t.Logf("%d acknowledged over 20 kills, %d repeated", len(acknowledged), repeated)
}

// TestKilledAnywhere ends a process at each of its steps in turn, and the next one
// at each of its own: a write is half done, what would have followed never happens.
// The sender repeats what it got no answer to and nobody noted. Every event is in
// each of its topics once in the end, in order.
func TestKilledAnywhere(t *testing.T) {
	killed := errors.New("killed")
	for first, second := 1, 0; ; second++ {
		memory := disktest.New()
		memory.SetSyncTime(0)
		noted := map[sinks.ID]bool{}
		lives := []int{first, second, 0} // steps; 0: to its end
		next, step := 0, 0
		for life := 0; life < len(lives); life++ {
			var mu sync.Mutex
			step = 0
			alive := func(string, string) error {
				mu.Lock()
				defer mu.Unlock()
				if step++; lives[life] > 0 && step >= lives[life] {
					return killed
				}
				return nil
			}
			memory.SetFault(alive)
			opt := Options{Dir: "events", FS: memory, MaxFileBytes: 4 << 10, Now: func() time.Time { return time.Unix(int64(life), 0) }}
			next = session(t, opt, next, noted, func() bool { return alive("", "") == nil })
			memory.SetFault(nil)
			if life == 0 && step < first {
				t.Logf("a process takes %d steps", step)
				return
			}
			if life == 1 && step < second {
				first, second = first+1, -1 // every step of the second was tried
			}
		}
		for topic, want := range map[string]string{"a": "0 1 2 3 4 5", "b": "1 2 4 5", "c": "2 5"} {
			if got := keys(t, memory, topic); got != want {
				t.Fatalf("killed at steps %v: %s holds %q, want %q", lives, topic, got, want)
			}
		}
	}
}

// session is one process: it commits six batches from next on, as long as it lives,
// and returns the first that was not answered.
func session(t *testing.T, opt Options, next int, noted map[sinks.ID]bool, alive func() bool) int {
	opt.Committed = func(ids []sinks.ID) {
		for _, id := range ids {
			if alive() {
				noted[id] = true
			}
		}
	}
	s, err := Open(opt)
	if err != nil {
		return next
	}
	defer s.Close(t.Context())
	for ; next < 6; next++ {
		id := fmt.Sprint(next)
		b := &sinks.Batch{Events: []sinks.Event{{ID: eventID(id)}}}
		for n, topic := range []string{"a", "b", "c"} {
			if n <= next%3 {
				b.Events[0].Records++
				b.Records = append(b.Records, sinks.Record{Topic: topic, Key: []byte(id), Value: []byte(`{"pad":"` + strings.Repeat("x", 1500) + `"}`)})
			}
		}
		if noted[eventID(id)] {
			continue
		}
		if s.Commit(t.Context(), b) != nil || !alive() {
			break
		}
	}
	return next
}

// TestPowerCut cuts the power of a file system that forgets what was not synced,
// again and again, each time going on with what was left.
func TestPowerCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	memory := disktest.New()
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	for round := range 40 {
		opt := crashOptions("data/events")
		opt.FS = memory
		s, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		stop, off := make(chan struct{}), false
		var writing sync.WaitGroup
		writing.Go(func() {
			if err := writeLoop(s, fmt.Sprint(round), stop, func(string) {}, func(id string) {
				mu.Lock()
				defer mu.Unlock()
				if !off {
					acknowledged[id] = true
				}
			}); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		mu.Lock() // nobody is told more while the power goes
		left := memory.Cut(rng)
		off = true
		close(stop)
		mu.Unlock()
		writing.Wait()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		memory = left
		verify(t, Options{Dir: opt.Dir, FS: memory}, acknowledged)
	}
	t.Logf("%d acknowledged", len(acknowledged))
}

// verify opens a directory, which repairs it, and wants every promised id exactly once
// in each topic, nothing twice, and nothing but lines of JSON.
func verify(t *testing.T, opt Options, promised map[string]bool) {
	t.Helper()
	opt.EnsureDefaults()
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"events", "events.bad"} {
		seen := map[string]int{}
		for _, line := range readLines(t, opt.FS, filepath.Join(opt.Dir, topic)) {
			seen[line.Key]++
		}
		lost, doubled := 0, 0
		for id := range promised {
			if seen[id] == 0 {
				lost++
			}
		}
		for _, n := range seen {
			if n > 1 {
				doubled++
			}
		}
		if lost != 0 || doubled != 0 {
			t.Fatalf("%s: of %d acknowledged %d are lost; %d are doubled", topic, len(promised), lost, doubled)
		}
	}
}

type line struct {
	Key     string
	Headers map[string]string
	Value   json.RawMessage
}

// readLines returns all lines of a topic in order of the files' names. Every
// byte must belong to a complete line of JSON.
func readLines(t *testing.T, system disk.FS, dir string) (lines []line) {
	t.Helper()
	entries, err := system.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.Name() == ".probe" {
			continue
		}
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is left over", path)
			continue
		}
		for l := range bytes.Lines(readFile(t, system, path)) {
			var v line
			if err := json.Unmarshal(l, &v); err != nil || !bytes.HasSuffix(l, []byte("\n")) {
				t.Fatalf("%s holds a line that is not JSON: %.80q", path, l)
			}
			lines = append(lines, v)
		}
	}
	return lines
}

func readFile(t *testing.T, system disk.FS, path string) []byte {
	t.Helper()
	f, err := system.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil && size > 0 {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, zstdSuffix) {
		dec, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer dec.Close()
		if data, err = dec.DecodeAll(data, nil); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	return data
}
