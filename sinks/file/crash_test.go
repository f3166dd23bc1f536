package file

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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

// twoTopics is a batch whose records carry id, one of them in each topic.
func twoTopics(id string) *sinks.Batch {
	r := sinks.Record{Topic: "events", Key: []byte(id), Value: []byte(`{"pad":"` + strings.Repeat("x", 300) + `"}`)}
	other := r
	other.Topic = "events.bad"
	return &sinks.Batch{Records: []sinks.Record{r, other}}
}

// writeLoop commits from several goroutines until stopped and reports each id
// once it is acknowledged.
func writeLoop(s *Sink, prefix string, stop <-chan struct{}, acknowledged func(id string)) error {
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

func writeUntilKilled(dir string) {
	s, err := Open(crashOptions(dir))
	if err == nil {
		err = writeLoop(s, fmt.Sprint(os.Getpid()), nil, func(id string) { fmt.Println(id) })
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// TestKilled kills a writer at random moments, again and again in the same
// directory. kill -9 leaves the page cache alone, so this shows order and
// recovery; TestPowerCut shows that syncs happen.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
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
		for line := range bytes.Lines(out.Bytes()) {
			if id, whole := bytes.CutSuffix(line, []byte("\n")); whole {
				acknowledged[string(id)] = true
			}
		}
		if round%5 == 4 {
			verify(t, disk.OS{}, dir, acknowledged)
		}
	}
	if len(acknowledged) < 100 {
		t.Errorf("only %d acknowledged: the test proves little", len(acknowledged))
	}
	t.Logf("%d acknowledged over 20 kills", len(acknowledged))
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
			if err := writeLoop(s, fmt.Sprint(round), stop, func(id string) {
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
		verify(t, memory, opt.Dir, acknowledged)
	}
	t.Logf("%d acknowledged", len(acknowledged))
}

// verify opens dir, which repairs it, and wants every promised id exactly once
// in each topic, nothing twice, and nothing but lines of JSON.
func verify(t *testing.T, system disk.FS, dir string, promised map[string]bool) {
	t.Helper()
	s, err := Open(Options{Dir: dir, FS: system})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"events", "events.bad"} {
		seen := map[string]int{}
		for _, line := range readLines(t, system, filepath.Join(dir, topic)) {
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
