package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

type closer func() error

func (c closer) Close() error { return c() }

// TestClosingWaitsForNobody: what does not close is left and named, and all else is
// closed in reverse.
func TestClosingWaitsForNobody(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	order := ""
	var c closers
	c.add("one", closer(func() error { order += "1"; return nil }))
	c.add("two", closer(func() error { order += "2"; return errors.New("disk on fire") }))
	c.add("three", closer(func() error { <-hang; return nil }))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	err := c.end(ctx)
	if err == nil || err.Error() != "closing three: not done in time\nclosing two: disk on fire" || order != "21" {
		t.Errorf("%v, in order %s", err, order)
	}
}

// TestDataIsPrivate: nothing that serve makes can be read by others, whatever the mask
// it was started with.
func TestDataIsPrivate(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	defer syscall.Umask(syscall.Umask(0))
	for name, brokers := range map[string][]string{"files": nil, "kafka": cluster.ListenAddrs()} {
		data, found := filepath.Join(t.TempDir(), "data"), 0
		exposedIn(t, data, brokers)
		err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := e.Info()
			if err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %s: %v", name, path, info.Mode())
			}
			found++
			return err
		})
		if err != nil || found < 10 {
			t.Errorf("%s: %d found, %v", name, found, err)
		}
	}
}
