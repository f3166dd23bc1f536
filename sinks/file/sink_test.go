package file

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"assent/disk"
	"assent/disk/disktest"
	"assent/sinks"
)

// openMem returns a sink on a file system in memory.
func openMem(t *testing.T, set func(*Options)) (*Sink, *disktest.Mem) {
	t.Helper()
	memory := disktest.New()
	opt := Options{Dir: "events", FS: memory}
	if set != nil {
		set(&opt)
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s, memory
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func record(topic, key string) *sinks.Batch {
	return &sinks.Batch{Records: []sinks.Record{{Topic: topic, Key: []byte(key), Value: []byte(`{}`)}}}
}

func mustCommit(t *testing.T, s *Sink, b *sinks.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func wantReason(t *testing.T, err error, want sinks.Reason) {
	t.Helper()
	if err == nil || sinks.ReasonOf(err) != want {
		t.Errorf("got %v, want reason %s", err, want)
	}
}

// keys returns the keys of a topic's lines, in order, by file.
func keys(t *testing.T, system disk.FS, topic string) string {
	t.Helper()
	var all []string
	for _, l := range readLines(t, system, filepath.Join("events", topic)) {
		all = append(all, l.Key)
	}
	return strings.Join(all, " ")
}

func TestCommitKeepsOrderAndTopics(t *testing.T) {
	s, memory := openMem(t, nil)
	mustCommit(t, s, &sinks.Batch{})
	mustCommit(t, s, &sinks.Batch{Records: []sinks.Record{
		{Topic: "a", Key: []byte("1"), Value: []byte(`{"n":1}`), Headers: []sinks.Header{{Key: "h", Value: []byte("v")}}},
		{Topic: "b", Key: []byte("2")},
		{Topic: "a", Key: []byte("3")},
	}})
	mustCommit(t, s, record("a", "4"))
	if a, b := keys(t, memory, "a"), keys(t, memory, "b"); a != "1 3 4" || b != "2" {
		t.Errorf("a holds %q and b %q, want 1 3 4 and 2", a, b)
	}
	for _, content := range memory.Files(".ndjson") {
		if first, _, _ := strings.Cut(content, "\n"); strings.HasPrefix(first, `{"key":"1"`) && first != `{"key":"1","headers":{"h":"v"},"value":{"n":1}}` {
			t.Errorf("the line is %s", first)
		}
	}
}

func TestConcurrentCommitsShareSyncs(t *testing.T) {
	const callers, each = 64, 20
	s, memory := openMem(t, nil)
	var syncs atomic.Int64
	memory.SetFault(func(op, _ string) error {
		if op == "sync" {
			syncs.Add(1)
		}
		return nil
	})
	var running sync.WaitGroup
	for c := range callers {
		running.Go(func() {
			var key []byte
			for i := range each {
				key = fmt.Appendf(key[:0], "%d.%d", c, i)
				if err := s.Commit(context.Background(), &sinks.Batch{Records: []sinks.Record{{Topic: "a", Key: key}}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	next := map[string]int{}
	for _, key := range strings.Fields(keys(t, memory, "a")) {
		caller, n, _ := strings.Cut(key, ".")
		if fmt.Sprint(next[caller]) != n {
			t.Fatalf("caller %s: line %s comes where %d was due", caller, n, next[caller])
		}
		next[caller]++
	}
	for c := range callers {
		if next[fmt.Sprint(c)] != each {
			t.Errorf("caller %d has %d lines, want %d", c, next[fmt.Sprint(c)], each)
		}
	}
	if n := syncs.Load(); n > callers*each/4 {
		t.Errorf("%d syncs for %d commits by %d callers: they are not shared", n, callers*each, callers)
	}
}

func TestRotation(t *testing.T) {
	var clock atomic.Int64
	clock.Store(time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC).UnixMilli())
	s, memory := openMem(t, func(o *Options) {
		o.MaxFileBytes = 4 << 10
		o.MaxFileAge = time.Minute
		o.Now = func() time.Time { return time.UnixMilli(clock.Load()) }
	})
	for i := range 3 {
		b := record("a", fmt.Sprint(i))
		b.Records[0].Value = []byte(`{"x":"` + strings.Repeat("x", 1500) + `"}`)
		mustCommit(t, s, b)
	}
	var names []string
	for path := range memory.Files(".ndjson") {
		names = append(names, filepath.Base(path))
	}
	sort.Strings(names)
	if got := strings.Join(names, " "); got != "20261122T101500.000Z-000001.ndjson 20261122T101500.000Z-000002.ndjson" {
		t.Errorf("files %s", got)
	}
	clock.Add(time.Hour.Milliseconds())
	time.Sleep(tick + tick/2) // an idle file is closed by age as well
	mustCommit(t, s, record("a", "3"))
	clock.Add(-2 * time.Hour.Milliseconds()) // a clock that goes back keeps names in order
	s.opt.MaxFileBytes = 4 << 10
	for i := 4; i < 7; i++ {
		b := record("a", fmt.Sprint(i))
		b.Records[0].Value = []byte(`{"x":"` + strings.Repeat("x", 3000) + `"}`)
		mustCommit(t, s, b)
	}
	if n := len(memory.Files(".ndjson")); n != 5 {
		t.Errorf("%d files, want 5", n)
	}
	if got := keys(t, memory, "a"); got != "0 1 2 3 4 5 6" && !t.Failed() {
		t.Errorf("lines in order of file names: %s", got)
	}
}

func TestCompression(t *testing.T) {
	s, memory := openMem(t, func(o *Options) { o.MaxFileBytes = 4 << 10; o.Compress = true })
	renamed, durable := map[string]bool{}, map[string]bool{}
	memory.SetFault(func(op, path string) error { // one at a time
		switch dir, name := filepath.Split(path); {
		case op == "rename":
			renamed[filepath.Join(dir, strings.TrimSuffix(name[1:], zstdSuffix+".tmp"))] = true
		case op == "syncdir":
			maps.Copy(durable, renamed)
		case op == "remove" && strings.HasSuffix(path, extension) && !durable[path]:
			t.Errorf("%s goes before its compressed form is durable", path)
		}
		return nil
	})
	var want []string
	for i := range 40 {
		b := record("a", fmt.Sprint(i))
		b.Records[0].Value = []byte(`{"x":"` + strings.Repeat("x", 1000) + `"}`)
		mustCommit(t, s, b)
		want = append(want, fmt.Sprint(i))
	}
	eventually(t, "13 files are compressed", func() bool { return len(memory.Files(zstdExtension)) >= 13 })
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{Dir: "events", Compress: true, FS: memory}) // takes the last one up
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close(t.Context())
	eventually(t, "all files are compressed", func() bool { return len(memory.Files(extension)) == 0 })
	if got := keys(t, memory, "a"); got != strings.Join(want, " ") {
		t.Errorf("lines %s", got)
	}
}

// failing returns a fault that hits one operation on files of topic a while on.
func failing(on *atomic.Bool, op string, err error) func(string, string) error {
	return func(o, path string) error {
		if on.Load() && o == op && strings.Contains(path, "events/a") {
			return err
		}
		return nil
	}
}

func TestDiskFaults(t *testing.T) {
	cases := []struct {
		op   string
		err  error
		want sinks.Reason
	}{
		{"write", syscall.ENOSPC, sinks.ReasonDiskFull},
		{"write", syscall.EIO, sinks.ReasonIO},
		{"sync", syscall.EIO, sinks.ReasonIO},
		{"sync", syscall.EDQUOT, sinks.ReasonDiskFull},
		{"create", syscall.ENOSPC, sinks.ReasonDiskFull},
		{"syncdir", syscall.EIO, sinks.ReasonIO},
		{"short", nil, sinks.ReasonIO},
	}
	for _, c := range cases {
		t.Run(fmt.Sprintf("%s %v", c.op, c.err), func(t *testing.T) {
			t.Parallel()
			s, memory := openMem(t, func(o *Options) { o.MaxFileBytes = 4 << 10 })
			mustCommit(t, s, record("a", "before"))
			mustCommit(t, s, record("b", "before"))
			var on atomic.Bool
			on.Store(true)
			memory.SetFault(failing(&on, c.op, c.err))
			memory.SetShort(c.op == "short")
			large := record("a", "refused") // makes a new file, so that create and syncdir are met
			large.Records[0].Value = []byte(`{"x":"` + strings.Repeat("x", 5000) + `"}`)
			err := s.Commit(t.Context(), large)
			wantReason(t, err, c.want)
			if sinks.ClassOf(err) != sinks.Retriable || strings.Contains(err.Error(), "refused") {
				t.Errorf("%v: want it retriable and without values", err)
			}
			wantReason(t, s.Ready(), c.want)
			wantReason(t, s.Commit(t.Context(), twoOf("a", "b", "both")), c.want)
			if c.op != "short" {
				mustCommit(t, s, record("b", "neighbour"))
			}
			on.Store(false)
			memory.SetShort(false)
			eventually(t, "ready again without any traffic", func() bool { return s.Ready() == nil })
			mustCommit(t, s, record("a", "after"))
			if got := keys(t, memory, "a"); got != "before after" {
				t.Errorf("a holds %q, want nothing that was refused", got)
			}
		})
	}
}

func twoOf(a, b, key string) *sinks.Batch {
	return &sinks.Batch{Records: append(record(a, key).Records, record(b, key).Records...)}
}

// A file whose sync failed once is not trusted again, though the next sync of it
// would report success.
func TestFailedSyncGivesTheFileUp(t *testing.T) {
	s, memory := openMem(t, nil)
	mustCommit(t, s, record("a", "1"))
	var on atomic.Bool
	on.Store(true)
	memory.SetFault(failing(&on, "sync", syscall.EIO))
	wantReason(t, s.Commit(t.Context(), record("a", "2")), sinks.ReasonIO)
	on.Store(false)
	mustCommit(t, s, record("a", "3"))
	if s.Ready() != nil {
		t.Errorf("Ready = %v after a write succeeded", s.Ready())
	}
	if n := len(memory.Files(extension)); n != 2 {
		t.Errorf("%d files, want a second one", n)
	}
	if got := keys(t, memory, "a"); got != "1 3" {
		t.Errorf("a holds %q, want what was refused cut off", got)
	}
}

func TestOverload(t *testing.T) {
	s, memory := openMem(t, func(o *Options) { o.MaxPendingBytes = 64 << 10 })
	mustCommit(t, s, record("a", "first"))
	hung, release := memory.Hang("write", extension)
	big := record("a", "big")
	big.Records[0].Value = []byte(`{"x":"` + strings.Repeat("x", 40<<10) + `"}`)
	results := make(chan error)
	for range 5 {
		go func() { results <- s.Commit(context.Background(), big) }()
		<-hung // the first is at the disk; of the others two fit
	}
	for range 2 {
		wantReason(t, <-results, sinks.ReasonOverloaded)
	}
	release()
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	s, _ := openMem(t, nil)
	wantReason(t, s.Commit(t.Context(), record("../a", "k")), sinks.ReasonBadTopic)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantReason(t, s.Commit(ended, record("a", "k")), sinks.ReasonCanceled)
	mustCommit(t, s, record("a", "k"))
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantReason(t, s.Commit(t.Context(), record("a", "k")), sinks.ReasonClosed)
	wantReason(t, s.Commit(t.Context(), record("new", "k")), sinks.ReasonClosed)
	wantReason(t, s.Ready(), sinks.ReasonClosed)
}

// Close lets what waits finish, and returns with its context when the disk
// hangs.
func TestCloseDrains(t *testing.T) {
	s, memory := openMem(t, nil)
	mustCommit(t, s, record("a", "1"))
	hung, release := memory.Hang("write", extension)
	results := make(chan error)
	for range 3 {
		go func() { results <- s.Commit(context.Background(), record("a", "2")) }()
		<-hung
	}
	eventually(t, "two wait behind the first", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.filling.members.Load() == 2
	})
	hurry, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if s.Close(hurry) == nil {
		t.Error("Close = nil while the disk hangs")
	}
	release()
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := keys(t, memory, "a"); got != "1 2 2 2" {
		t.Errorf("a holds %q", got)
	}
}

func TestSecondSinkIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "events")
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opening it twice: %v, want a refusal that says why", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatalf("opening it after Close: %v", err)
	}
	again.Close(t.Context())
}

func TestRecovery(t *testing.T) {
	whole := string(sinks.AppendLine(nil, &sinks.Record{Key: []byte("k"), Value: []byte(`{}`)}))
	f := func(name string, before map[string]string, after map[string]string, cut int64) {
		t.Helper()
		memory := disktest.New()
		for path, data := range before {
			memory.Put("events/"+path, []byte(data))
		}
		var told int64
		s, err := Open(Options{Dir: "events", FS: memory, Truncated: func(_ string, n int64) { told += n }})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.Close(t.Context())
		got := memory.Files("")
		for path, data := range after {
			if got["events/"+path] != data {
				t.Errorf("%s: %s holds %q, want %q", name, path, got["events/"+path], data)
			}
			delete(got, "events/"+path)
		}
		if len(got) != 0 || told != cut {
			t.Errorf("%s: %d bytes cut and %q left over, want %d and nothing", name, told, got, cut)
		}
	}
	type files = map[string]string
	f("nothing to do", files{"a/1.ndjson": whole + whole}, files{"a/1.ndjson": whole + whole}, 0)
	f("torn line", files{"a/1.ndjson": whole + whole[:9], "a/2.ndjson": whole}, files{"a/1.ndjson": whole, "a/2.ndjson": whole}, 9)
	f("nothing but a torn line", files{"a/1.ndjson": whole[:9]}, nil, 9)
	f("empty", files{"a/1.ndjson": ""}, nil, 0)
	f("hole inside a group", files{"a/1.ndjson": whole + "{\"key\":\x00\x00\x00" + whole + whole}, files{"a/1.ndjson": whole}, int64(10+2*len(whole)))
	f("hole at the end", files{"a/1.ndjson": whole + "\x00\x00\x00"}, files{"a/1.ndjson": whole}, 3)
	long := strings.Repeat("x", 3<<20)
	f("torn line longer than a read", files{"a/1.ndjson": whole + long}, files{"a/1.ndjson": whole}, int64(len(long)))
	f("compressed twice", files{"a/1.ndjson": whole, "a/1.ndjson.zst": "z"}, files{"a/1.ndjson.zst": "z"}, 0)
	f("compression cut short", files{"a/1.ndjson": whole, "a/.1.ndjson.zst.tmp": "z"}, files{"a/1.ndjson": whole}, 0)
	f("probe cut short", files{"a/.probe": "\x00"}, nil, 0)
	f("not ours", files{"a/notes.txt": "x", "a/.hidden": "x", "README": "x"}, files{"a/notes.txt": "x", "a/.hidden": "x", "README": "x"}, 0)
}

func TestOptions(t *testing.T) {
	_, err := Open(Options{MaxFileBytes: 1, MaxFileAge: 1, MaxPendingBytes: 1})
	if err == nil {
		t.Fatal("bad options are taken")
	}
	for _, field := range []string{"dir:", "max file bytes:", "max file age:", "max pending bytes:"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%q lacks %s", err, field)
		}
	}
}
