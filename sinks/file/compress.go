package file

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	zstdSuffix    = ".zst"
	zstdExtension = extension + zstdSuffix
)

// queue is an unbounded list of closed files that wait to be compressed: a
// writer must never wait for the compressor.
type queue struct {
	mu    sync.Mutex
	paths []string
	wake  chan struct{}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) put(path string) {
	q.mu.Lock()
	q.paths = append(q.paths, path)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) pop() (path string, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.paths) == 0 {
		return "", false
	}
	path, q.paths = q.paths[0], q.paths[1:]
	return path, true
}

// compress queues a closed file, if files are to be compressed.
func (s *Sink) compress(path string) {
	if s.opt.Compress {
		s.queue.put(path)
	}
}

// runCompressor compresses one file after the other, on one core at most. A
// file that fails stays as it is until the next start.
func (s *Sink) runCompressor() {
	defer s.compressor.Done()
	for {
		select {
		case <-s.closing:
			return
		case <-s.queue.wake:
		}
		for path, ok := s.queue.pop(); ok; path, ok = s.queue.pop() {
			err := s.compressFile(path)
			if errors.Is(err, errClosing) {
				return
			}
			if err != nil {
				compressErrors.Inc()
			}
		}
	}
}

var errClosing = errors.New("sink is closing")

// compressFile replaces path by path.zst. At every instant one complete form of
// the file is durable; between the rename and the removal both are, and opening
// the sink removes the plain one.
func (s *Sink) compressFile(path string) error {
	dir, name := filepath.Split(path)
	temp := filepath.Join(dir, "."+name+zstdSuffix+".tmp")
	if err := s.writeCompressed(temp, path); err != nil {
		s.opt.FS.Remove(temp)
		return fmt.Errorf("compressing %q: %w", path, err)
	}
	if err := s.opt.FS.Rename(temp, path+zstdSuffix); err != nil {
		return fmt.Errorf("renaming %q: %w", temp, err)
	}
	if err := s.opt.FS.SyncDir(dir); err != nil {
		return fmt.Errorf("syncing %q: %w", dir, err)
	}
	if err := s.opt.FS.Remove(path); err != nil {
		return fmt.Errorf("removing %q: %w", path, err)
	}
	return s.opt.FS.SyncDir(dir)
}

func (s *Sink) writeCompressed(to, from string) (err error) {
	src, err := s.opt.FS.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := s.opt.FS.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	enc, err := zstd.NewWriter(dst, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	if _, err := io.Copy(enc, stoppable{src, s.closing}); err != nil {
		enc.Close()
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	return dst.Sync()
}

// stoppable is a reader that fails once stop is closed.
type stoppable struct {
	r    io.Reader
	stop <-chan struct{}
}

func (r stoppable) Read(p []byte) (int, error) {
	select {
	case <-r.stop:
		return 0, errClosing
	default:
		return r.r.Read(p)
	}
}
