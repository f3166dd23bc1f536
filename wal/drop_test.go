package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestDrop: single segments go in any order; cursors step over them, also those
// that stand in one; what is left is there after a restart and nothing is damage.
func TestDrop(t *testing.T) {
	l, fs := openMem(t, nil)
	opt := small(fs, func(o *Options) { o.Damaged = func(d Damage) { t.Errorf("damage: %+v", d) } })
	first := l.First()
	var all []string
	for i := range 8 { // one each
		all = append(all, fmt.Sprint(i, strings.Repeat("x", int(opt.SegmentBytes)-200)))
		add(t, l, all[i])
	}
	if n := l.Usage().Segments; n != 8 {
		t.Fatalf("%d segments", n)
	}
	inside := l.Cursor(first + 2)
	e, ok, err := inside.TryNext()
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	e.Block.Release()
	before := l.Usage().Bytes
	for _, n := range []uint64{first + 5, first + 2, first + 3, first + 7, first + 100, first + 5} {
		l.Drop(n)
	}
	if u := l.Usage(); u.Segments != 5 || before-u.Bytes < 3*opt.SegmentBytes-3*400 {
		t.Errorf("usage %+v, before that %d bytes", u, before)
	}
	for i := range uint64(8) {
		if want := !slices.Contains([]uint64{2, 3, 5}, i); l.Holds(first+i) != want {
			t.Errorf("segment %d is held: %v", i, !want)
		}
	}
	want(t, read(t, inside), all[4], all[6], all[7])
	want(t, content(t, l), all[0], all[1], all[4], all[6], all[7])
	l.Drop(first)
	if l.First() != first+1 {
		t.Errorf("first is %d, want %d", l.First(), first+1)
	}
	eventually(t, "the files are gone", func() bool { return len(fs.Files(".wal")) == 4 })
	closeLog(t, l)

	l = open(t, opt)
	want(t, content(t, l), all[1], all[4], all[6], all[7])
	if l.Boot() <= first+7 {
		t.Errorf("segment numbers begin again at %d", l.Boot())
	}
	l.Release(l.Boot())
	add(t, l, "more")
	want(t, content(t, l), "more")
}

// TestDropCrash: after a power cut the segments are gone that were given up first.
func TestDropCrash(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			l, fs := openMem(t, nil)
			first := l.First()
			for i := range 8 {
				add(t, l, fmt.Sprint(i, strings.Repeat("x", int(l.opt.SegmentBytes)-200)))
			}
			var allowed atomic.Int32
			fs.SetFault(func(op, name string) error {
				if (op == "rename" || op == "remove") && strings.HasSuffix(name, live) && allowed.Add(-1) < 0 {
					return errors.New("not now")
				}
				return nil
			})
			order := rng.Perm(7)
			for _, n := range order {
				l.Drop(first + uint64(n))
			}
			gone := 1 + rng.IntN(6)
			allowed.Store(int32(gone))
			eventually(t, "some files are gone", func() bool { return len(fs.Files(live)) == 8-gone })
			opt := small(fs.Cut(rng), nil)
			opt.Damaged = func(d Damage) { t.Errorf("damage: %+v", d) }
			again := open(t, opt)
			there := false
			for _, n := range order {
				held := again.Holds(first + uint64(n))
				if there && !held {
					t.Errorf("segment %d is gone, one given up before it is not", n)
				}
				there = there || held
			}
			if !there || !again.Holds(first+7) {
				t.Error("too many are gone")
			}
			content(t, again)
		})
	}
}
