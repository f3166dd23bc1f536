package consent

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// decided is what a choice changes, as it is folded.
func (f *fixture) decided(t testing.TB, visitor *State, account Subject, body string) *Change {
	t.Helper()
	c, err := ParseChoice([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	c.Visitor, c.Account, c.NeedsID = visitor, account, needsID
	w, err := f.begin(&c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.commit(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return d.change
}

func twoOfEach() *Change {
	v, x := Subject{Visitor, "v"}, Subject{Anonymous, "x"}
	return &Change{
		Records: []*Record{
			{v, []Entry{{Purpose: "ads", Status: Granted, Version: Version{1e15, 3}, Since: 1e15, Until: 2e15, Method: Form, Receipt: "r"}}},
			{x, []Entry{{Purpose: "ads", Status: Denied, Version: Version{1e15, 3}, Since: 1e15, Method: Form, Receipt: "r"}}},
		},
		Links:     []Link{{x, v, Version{1e15, 3}}, {x, Subject{Visitor, "w"}, Version{1, 0}}},
		ReceiptID: "r", Receipt: []byte("{}"), About: v, Narrows: true,
	}
}

// TestChangeKeepsItsForm: what one process writes, every later one reads.
func TestChangeKeepsItsForm(t *testing.T) {
	c := twoOfEach()
	got := AppendChange([]byte("before"), c)[len("before"):]
	golden(t, "testdata/change.txt", func(string, string) string { return hex.EncodeToString(got) })
	back, err := ParseChange(got)
	if err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("read back as %+v, %v", back, err)
	}
	empty := &Change{}
	if back, err := ParseChange(AppendChange(nil, empty)); err != nil || len(back.Records)+len(back.Links)+len(back.Receipt) > 0 {
		t.Errorf("an empty one is read back as %+v, %v", back, err)
	}
}

// TestOnlyOneChange: nothing but the one form of a change is read.
func TestOnlyOneChange(t *testing.T) {
	f := func(what string, raw []byte) {
		t.Helper()
		if c, err := ParseChange(raw); err == nil {
			t.Errorf("%s: read as %+v", what, c)
		}
	}
	whole := AppendChange(nil, twoOfEach())
	for i := range whole {
		f(fmt.Sprintf("cut at %d", i), whole[:i])
	}
	f("something follows", append(bytes.Clone(whole), 0))
	f("a later version", append([]byte{changeVersion + 1}, whole[1:]...))
	f("another flag", append([]byte{changeVersion, 2}, whole[2:]...))
	f("too large", AppendChange(nil, &Change{Receipt: make([]byte, maxChange)}))
	for what, change := range map[string]func(c *Change){
		"a subject twice":     func(c *Change) { c.Records[1].Subject = c.Records[0].Subject },
		"a record of nobody":  func(c *Change) { c.Records[0].Subject = Subject{} },
		"a link twice":        func(c *Change) { c.Links[1].Holder = c.Links[0].Holder },
		"a holder who is not": func(c *Change) { c.Links[0].Holder = Subject{} },
		"an alias of nobody":  func(c *Change) { c.Links[0].Alias = Subject{} },
		"an unknown kind":     func(c *Change) { c.About.Kind = 99 },
		"an id that is empty": func(c *Change) { c.About.ID = "" },
		"a purpose unsorted":  func(c *Change) { c.Records[0].Entries = append(c.Records[0].Entries, c.Records[0].Entries[0]) },
	} {
		c := twoOfEach()
		change(c)
		f(what, AppendChange(nil, c))
	}
}

func FuzzParseChange(f *testing.F) {
	f.Add(AppendChange(nil, twoOfEach()))
	f.Add(AppendChange(nil, &Change{}))
	x := setup(f)
	f.Add(AppendChange(nil, x.decided(f, nil, Subject{}, `{"all":"granted","link":{"anonymousId":"X"}}`)))
	f.Add(AppendChange(nil, x.decided(f, nil, Subject{}, `{"all":"denied","link":{"anonymousId":"X"}}`)))
	f.Add([]byte("\x01\x00\xff\xff\x3f"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := ParseChange(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(AppendChange(nil, c), raw) {
			t.Fatal("two forms of one change")
		}
		if err := x.Fold(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseLinks(f *testing.F) {
	x := Subject{Anonymous, "x"}
	f.Add(AppendLink(AppendLink(nil, &Link{Holder: Subject{Visitor, "v"}}), &Link{Holder: Subject{User, "w"}, Version: Version{1e15, 1}}))
	f.Add([]byte("\x01\x01v\x80\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		links, err := ParseLinks(x, raw)
		if err != nil {
			return
		}
		var again []byte
		for i := range links {
			again = AppendLink(again, &links[i])
		}
		if !bytes.Equal(again, raw) {
			t.Fatal("two forms of the same links")
		}
	})
}

// TestFoldAnyOrder: two nodes choose for the same people at the same time. Whoever folds
// what both did, in any order and any number of times, holds the same: per purpose the
// later choice, at one time the stricter, and every link.
func TestFoldAnyOrder(t *testing.T) {
	a := setup(t)
	b := setup(t, func(o *Options) { o.Node, o.Rand = 8, &lockedRand{r: rand.New(rand.NewSource(2))} })
	ann, bob := UserOf("shop", "ann"), UserOf("shop", "bob")
	var changes []*Change
	for i := range 12 {
		for _, node := range []*fixture{a, b} {
			who := []Subject{ann, bob}[i%2]
			body := fmt.Sprintf(`{"purposes":{"ads":%q,"analytics":%q}}`, []string{"granted", "denied"}[i%2], []string{"denied", "granted", "granted"}[i%3])
			changes = append(changes, node.decided(t, nil, who, body))
			if i%4 == 0 {
				changes = append(changes, node.decided(t, nil, Subject{}, fmt.Sprintf(`{"all":"granted","link":{"anonymousId":"X%d"}}`, i)))
			}
			if i%5 == 0 {
				node.turn(1)
			}
		}
	}
	var want *fixture
	order := rand.New(rand.NewSource(1))
	for range 20 {
		f := setup(t, func(o *Options) { o.Node = 9 })
		for _, again := range []bool{false, true} {
			order.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
			for i, c := range changes {
				if again && i%3 == 0 {
					continue
				}
				c, err := ParseChange(AppendChange(nil, c))
				if err == nil {
					err = f.Fold(context.Background(), c)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if want == nil {
			want = f
		}
		if !reflect.DeepEqual(f.store.records, want.store.records) || !reflect.DeepEqual(f.store.links, want.store.links) ||
			!reflect.DeepEqual(f.store.receipts, want.store.receipts) {
			t.Fatal("another order gives another store")
		}
	}
	for _, s := range []Subject{ann, bob} {
		for _, node := range []*fixture{a, b} {
			for _, e := range node.store.records[s].Entries {
				if got := want.store.records[s].Find(e.Purpose); got.compare(&e) < 0 {
					t.Errorf("%s of %v is older than what a node chose", e.Purpose, s)
				}
			}
		}
	}
	for i := 0; i < 12; i += 4 {
		if links := want.store.links[Subject{Anonymous, fmt.Sprintf("X%d", i)}]; len(links) != 2 || links[0].compare(&links[1]) >= 0 {
			t.Errorf("X%d: links %v", i, links)
		}
	}
}

// TestFoldedIsAnswered: the answer after a fold knows the change, and every
// snapshot of before has changed.
func TestFoldedIsAnswered(t *testing.T) {
	f, other := setup(t), setup(t, func(o *Options) { o.Node = 8 })
	ann, x := UserOf("shop", "ann"), Subject{Anonymous, "X"}
	f.decided(t, nil, ann, `{"all":"granted"}`)
	before, named := f.Lookup(ann), f.Lookup(x)
	other.turn(1e9)
	for _, c := range []*Change{
		other.decided(t, nil, ann, `{"purposes":{"ads":"denied"}}`),
		other.decided(t, nil, Subject{}, `{"purposes":{"analytics":"granted"},"link":{"anonymousId":"X"}}`),
	} {
		if err := f.Fold(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Receipt(c.ReceiptID); err != nil || !bytes.Equal(got, c.Receipt) {
			t.Errorf("its receipt: %q, %v", got, err)
		}
	}
	if f.Unchanged(before.Snapshot) || f.Unchanged(named.Snapshot) {
		t.Error("a snapshot of before the fold is unchanged")
	}
	if s := f.Lookup(ann); status(t, s, "ads") != Denied || status(t, s, "analytics") != Granted {
		t.Errorf("granted %b, denied %b", s.Granted, s.Denied)
	}
	if s := f.Lookup(x); status(t, s, "analytics") != Granted {
		t.Error("a linked id is not answered by its holder")
	}
	f.store.fail(errDisk)
	if err := f.Fold(context.Background(), twoOfEach()); err == nil {
		t.Error("folded without a store")
	}
}

// slow is a store that lets others go first after each read.
type slow struct{ *memStore }

func (s slow) Get(sub Subject) (*Record, error) {
	defer runtime.Gosched()
	return s.memStore.Get(sub)
}

func (s slow) Links(alias Subject) ([]Link, error) {
	defer runtime.Gosched()
	return s.memStore.Links(alias)
}

// TestFoldsAtOnce: changes that are folded at the same time, beside choices, lose
// nothing of each other.
func TestFoldsAtOnce(t *testing.T) {
	f := setup(t, func(o *Options) { o.Store = slow{o.Store.(*memStore)} })
	x, ann := Subject{Anonymous, "X"}, UserOf("shop", "ann")
	var wg sync.WaitGroup
	for i := range 100 {
		holder := Subject{Visitor, fmt.Sprint(i)}
		v := Version{Time: int64(1 + i), Node: 8}
		wg.Go(func() {
			err := f.Fold(context.Background(), &Change{
				Records: []*Record{{ann, []Entry{{Purpose: fmt.Sprintf("p%02d", i), Status: Denied, Version: v, Since: v.Time}}}},
				Links:   []Link{{x, holder, v}},
			})
			if err != nil {
				t.Error(err)
			}
		})
		if i%10 == 0 {
			wg.Go(func() { f.decided(t, nil, ann, `{"purposes":{"ads":"denied"}}`) })
		}
	}
	wg.Wait()
	if n := len(f.store.links[x]); n != 100 {
		t.Errorf("%d of 100 links", n)
	}
	// Denials of undeclared purposes stay, but for the oldest when the person chooses.
	if f.store.records[ann].Find("ads") == nil || len(f.store.records[ann].Entries) < MaxPurposes {
		t.Errorf("%d entries", len(f.store.records[ann].Entries))
	}
}

// TestSeveralHolders: an id that several people hold grants what all of them grant, and
// each of them can take it back.
func TestSeveralHolders(t *testing.T) {
	f := setup(t)
	x := Subject{Anonymous, "X"}
	var holders []*State
	for i, body := range []string{
		`{"purposes":{"analytics":"granted","ads":"granted"},"link":{"anonymousId":"X"}}`,
		`{"purposes":{"analytics":"granted"},"link":{"anonymousId":"X"}}`,
		`{"purposes":{"analytics":"granted","ads":"granted","health":"granted"},"link":{"anonymousId":"X"}}`,
		`{"purposes":{"analytics":"granted","ads":"granted"},"link":{"anonymousId":"X"}}`,
	} {
		node := setup(t, func(o *Options) { o.Node, o.Rand = uint16(8+i), &lockedRand{r: rand.New(rand.NewSource(int64(i)))} })
		c := node.decided(t, nil, Subject{}, body)
		if err := f.Fold(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		holders = append(holders, f.Lookup(c.About))
	}
	is := func(what, purpose string, want Status) {
		t.Helper()
		if got := status(t, f.Lookup(x), purpose); got != want {
			t.Errorf("%s: %s is %s, want %s", what, purpose, got, want)
		}
	}
	is("all", "analytics", Granted)
	is("all but one", "ads", Unknown)
	is("one alone", "health", Unknown)
	if s := f.Lookup(x); s.Subject != x || f.Lookup(x) != s {
		t.Errorf("answered as %v, or not from the cache", s.Subject)
	}
	for i, h := range holders {
		s := f.Lookup(x)
		f.choose(t, h, `{"purposes":{"analytics":"denied"}}`)
		if f.Unchanged(s.Snapshot) {
			t.Errorf("holder %d chose, and the snapshot is unchanged", i)
		}
		is(fmt.Sprintf("holder %d denied", i), "analytics", Denied)
		f.choose(t, f.Lookup(h.Subject), `{"purposes":{"analytics":"granted"}}`)
		is(fmt.Sprintf("holder %d granted again", i), "analytics", Granted)
	}
	f.choose(t, nil, `{"purposes":{"analytics":"denied"},"link":{"anonymousId":"X"}}`)
	is("a stranger denied", "analytics", Denied)
	f.choose(t, f.Lookup(holders[2].Subject), `{"all":"granted","link":{"anonymousId":"X"}}`)
	is("a holder cannot undo what a stranger denied", "analytics", Denied)
	if n := len(f.store.links[x]); n != len(holders) {
		t.Errorf("%d links", n)
	}
}

// TestMergeLinks: a set, whatever the order; of a link made twice the older version.
func TestMergeLinks(t *testing.T) {
	x, v, w := Subject{Anonymous, "x"}, Subject{Visitor, "v"}, Subject{Visitor, "w"}
	a := []Link{{x, w, Version{5, 1}}, {x, v, Version{2, 1}}}
	b := []Link{{x, w, Version{3, 2}}, {x, v, Version{2, 1}}}
	want := []Link{{x, v, Version{2, 1}}, {x, w, Version{3, 2}}}
	for _, got := range [][]Link{mergeLinks(a, b), mergeLinks(b, a), mergeLinks(mergeLinks(a, b), b), mergeLinks(want, nil)} {
		if !slices.Equal(got, want) {
			t.Errorf("merged to %v", got)
		}
	}
}

// TestNeedIsAskedWithoutLocks: whoever is asked whether an id is needed may ask the
// registry in turn, and record another choice of the same person.
func TestNeedIsAskedWithoutLocks(t *testing.T) {
	f := setup(t)
	o := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"X"}}`)
	for _, visitor := range []*State{nil, o.State} {
		asked := 0
		c := Choice{All: Granted, Method: Banner, Visitor: visitor, AnonymousID: "X"}
		c.NeedsID = func(s *State) bool {
			if asked++; asked == 1 {
				f.choose(t, o.State, `{"purposes":{"ads":"denied"},"link":{"anonymousId":"X"}}`)
			}
			return needsID(s)
		}
		if out, err := f.Record(context.Background(), c); err != nil || out.IDCookie == "" || asked == 0 {
			t.Errorf("asked %d times: %+v, %v", asked, out, err)
		}
	}
}

// TestRefusedWhileUnderWay: a choice of two people in one browser goes to a fresh id.
// What one of them refused after the request came is refused for that id as well.
func TestRefusedWhileUnderWay(t *testing.T) {
	f := setup(t)
	a, b := f.choose(t, nil, `{"all":"granted"}`), f.choose(t, nil, `{"all":"granted"}`)
	both := func() *State {
		return f.Identify([]byte(a.ChoiceCookie+";"+b.ChoiceCookie), []byte(a.IDCookie+";"+b.IDCookie), nil)
	}
	before := both()
	f.turn(time.Minute)
	f.choose(t, both(), `{"purposes":{"ads":"denied"}}`)
	f.turn(time.Minute)
	out := f.choose(t, before, `{"purposes":{"analytics":"granted"}}`)
	ads, _ := f.p.Index("ads")
	if now := f.Identify([]byte(out.ChoiceCookie), []byte(out.IDCookie), nil); now.Granted.Has(ads) || !now.Denied.Has(ads) {
		t.Error("a refusal is undone by a choice that was under way")
	}
}
