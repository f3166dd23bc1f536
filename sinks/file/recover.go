package file

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"assent/disk"
	"assent/sinks"
)

// recover finishes the last group and makes every file in the directory one that ends with a complete line
// and exists in one form only. It returns the files that are not compressed,
// oldest first.
func (s *Sink) recover() (closed []string, err error) {
	if err := s.undoLast(); err != nil {
		return nil, err
	}
	topics, err := s.opt.FS.ReadDir(s.opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading event directory: %w", err)
	}
	for _, topic := range topics {
		if !topic.IsDir() || sinks.ValidTopic(topic.Name()) != nil {
			continue
		}
		dir := filepath.Join(s.opt.Dir, topic.Name())
		files, err := s.recoverTopic(dir)
		if err == nil {
			err = s.opt.FS.SyncDir(dir)
		}
		if err != nil {
			return nil, fmt.Errorf("repairing topic folder %q: %w", dir, err)
		}
		closed = append(closed, files...)
	}
	return closed, nil
}

func (s *Sink) recoverTopic(dir string) (closed []string, err error) {
	entries, err := s.opt.FS.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	for _, name := range names {
		path := filepath.Join(dir, name)
		switch {
		case name == ".probe", strings.HasPrefix(name, ".") && strings.HasSuffix(name, zstdExtension+".tmp"):
			err = s.opt.FS.Remove(path)
		case strings.HasPrefix(name, "."), !strings.HasSuffix(name, extension):
			continue
		case slices.Contains(names, name+zstdSuffix):
			// Compressed, renamed, and then a crash: the rename happened after
			// the compressed bytes were durable.
			err = s.opt.FS.Remove(path)
		default:
			var kept int64
			if kept, err = s.repair(path); err == nil && kept == 0 {
				err = s.opt.FS.Remove(path)
			} else {
				closed = append(closed, path)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return closed, nil
}

// repair cuts off what a crash may have torn and returns what is left. Only the
// last group can be torn, and a group is at most about MaxPendingBytes: so in
// that much of the file's end everything from the first line that holds a NUL
// goes (a block that never reached the disk reads as NULs; JSON has none), and
// whatever follows the last line feed.
func (s *Sink) repair(path string) (kept int64, err error) {
	f, err := s.opt.FS.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	kept, err = completeLines(f, size, int64(s.opt.MaxPendingBytes))
	if err != nil || kept == size {
		return kept, err
	}
	if err := f.Truncate(kept); err != nil {
		return 0, err
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	s.cut(path, size-kept)
	return kept, nil
}

func (s *Sink) cut(path string, bytes int64) {
	truncatedBytes.AddInt64(bytes)
	s.opt.Truncated(path, bytes)
}

// completeLines returns the offset at which the trustworthy part of f ends.
func completeLines(f disk.File, size, window int64) (int64, error) {
	const chunk = 1 << 20
	buf := make([]byte, min(chunk, size))
	end := size
	// Forward over the window: the first NUL ends the trustworthy part.
	for off := max(0, size-window); off < end; off += chunk {
		part := buf[:min(chunk, end-off)]
		if _, err := f.ReadAt(part, off); err != nil {
			return 0, err
		}
		if i := bytes.IndexByte(part, 0); i >= 0 {
			end = off + int64(i)
		}
	}
	// Backward from there: to just after the last line feed.
	for end > 0 {
		off := max(0, end-chunk)
		part := buf[:end-off]
		if _, err := f.ReadAt(part, off); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return off + int64(i) + 1, nil
		}
		end = off
	}
	return 0, nil
}
