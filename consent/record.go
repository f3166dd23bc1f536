package consent

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// SubjectKind says in which name space a subject's id lives.
type SubjectKind uint8

const (
	NoSubject  SubjectKind = iota
	Visitor                // Assent's own id, from the id cookie or a subject token
	Anonymous              // a tracker's own id
	User                   // an account id that a source vouches for
	Remembered             // whoever shows a choice cookie that says just this, and no id
)

// String names the kind; empty for nobody.
func (k SubjectKind) String() string {
	switch k {
	case Visitor:
		return "visitor"
	case Anonymous:
		return "anonymous"
	case User:
		return "user"
	case Remembered:
		return "remembered"
	}
	return ""
}

// Subject is who a record is about. The zero value is nobody known.
type Subject struct {
	Kind SubjectKind
	ID   string
}

// UserOf is the subject of an account id, which means something only within the realm
// whose sources vouch for it.
func UserOf(realm, account string) Subject {
	return Subject{Kind: User, ID: realm + "\x00" + account}
}

// name is the id as people write it; of an account behind its realm, if that has a name.
func (s Subject) name() string {
	if realm, account, ok := strings.Cut(s.ID, "\x00"); ok && s.Kind == User {
		return strings.TrimPrefix(realm+"/"+account, "/")
	}
	return s.ID
}

func (s Subject) IsZero() bool { return s.Kind == NoSubject }

// Version orders the states of one purpose of one subject over all nodes: the
// hybrid clock at receipt, then the node. Never a time the client claims.
type Version struct {
	Time int64 // microseconds since 1970
	Node uint16
}

// Compare is negative when v is older than w.
func (v Version) Compare(w Version) int {
	if c := cmp.Compare(v.Time, w.Time); c != 0 {
		return c
	}
	return cmp.Compare(v.Node, w.Node)
}

// Clock makes the versions of one node. It never goes back and never repeats,
// whatever the machine's clock does. Safe for concurrent use.
type Clock struct {
	Node uint16
	last atomic.Int64
}

// Next returns a version at now, or just after what it made before or after
// the newest version already known for the subject, whichever is latest.
func (c *Clock) Next(now time.Time, known Version) Version {
	for {
		last := c.last.Load()
		t := max(now.UnixMicro(), last+1)
		if c.last.CompareAndSwap(last, t) {
			return Version{Time: max(t, known.Time+1), Node: c.Node}
		}
	}
}

// Entry is the newest known state of one purpose.
type Entry struct {
	Purpose string
	Status  Status
	Version Version
	Since   int64 // of a grant: unbroken since; microseconds since 1970
	Until   int64 // of a grant: not valid from here on; 0 for a denial, which never ends
	// Revision of the purpose that was chosen upon.
	Revision int
	Method   Method
	Notice   string // version of the notice that was shown
	Receipt  string // id of the receipt that proves it
	// Carried: the entry of a choice cookie stood in a cookie bound to nobody before the
	// id came. The device may rest on the entry, which is never written to a subject.
	Carried bool
}

// blur is what the times of a cookie bound to nobody are rounded to, in microseconds.
const blur = int64(time.Hour / time.Microsecond)

// given is when a grant was last given, from which the law counts how long a grant holds.
// A renewal leaves Since as it is. A choice of another consent manager is as old as that
// manager says, and never renews a grant.
func (e *Entry) given() int64 {
	if e.Method == CMP {
		return e.Since
	}
	return e.Version.Time
}

// GivenTime is when a grant was last given.
func (e *Entry) GivenTime() time.Time { return microTime(e.given()) }

// SinceTime and UntilTime give the bounds as times; zero where there is none.
func (e *Entry) SinceTime() time.Time { return microTime(e.Since) }
func (e *Entry) UntilTime() time.Time { return microTime(e.Until) }

func microTime(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// compare orders entries of one purpose: the higher version, and at a tie the
// stricter. The rest of the order has no meaning; it makes Merge commutative.
func (e *Entry) compare(f *Entry) int {
	return cmp.Or(
		e.Version.Compare(f.Version),
		cmp.Compare(e.Status.rank(), f.Status.rank()),
		-cmp.Compare(e.Until, f.Until),
		-cmp.Compare(e.Revision, f.Revision),
		cmp.Compare(e.Method, f.Method),
		strings.Compare(e.Receipt, f.Receipt),
		strings.Compare(e.Notice, f.Notice),
	)
}

// rank orders statuses by strictness.
func (s Status) rank() int {
	switch s {
	case Granted:
		return 0
	case Denied:
		return 2
	}
	return 1
}

// Record is the newest known state of one subject: at most one entry a purpose,
// sorted by purpose. It may name purposes that no policy in force declares.
type Record struct {
	Subject Subject
	Entries []Entry
}

// Find returns the entry of a purpose, nil when there is none.
func (r *Record) Find(purpose string) *Entry {
	if r == nil {
		return nil
	}
	if i, ok := r.search(purpose); ok {
		return &r.Entries[i]
	}
	return nil
}

func (r *Record) search(purpose string) (int, bool) {
	return slices.BinarySearchFunc(r.Entries, purpose, func(e Entry, p string) int { return strings.Compare(e.Purpose, p) })
}

// Newest is the highest version in the record.
func (r *Record) Newest() Version {
	var v Version
	if r != nil {
		for i := range r.Entries {
			if w := r.Entries[i].Version; w.Compare(v) > 0 {
				v = w
			}
		}
	}
	return v
}

// notAfter takes times after now back to now. The clock of the node that signed a
// device's record may be ahead of ours, and a device's record must not outrank what is
// chosen here. A grant from the future becomes older than whatever is on record.
func (r *Record) notAfter(now time.Time) {
	most := now.UnixMicro()
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Status == Granted && e.Version.Time > most {
			e.Version = Version{}
		}
		e.Version.Time, e.Since = min(e.Version.Time, most), min(e.Since, most)
	}
}

// Merge joins what two places know: per purpose the higher version wins and a
// tie is denied. Either may be nil. Commutative (but for the subject, the
// first one known), associative and idempotent, so nodes may tell each other in
// any order, any number of times.
//
// The winner's Since becomes the latest either side knows: a node that granted
// anew without having heard of a withdrawal between does not vouch for that time.
func Merge(a, b *Record) *Record {
	out := &Record{}
	var x, y []Entry
	if a != nil {
		out.Subject, x = a.Subject, a.Entries
	}
	if b != nil {
		if out.Subject.IsZero() {
			out.Subject = b.Subject
		}
		y = b.Entries
	}
	out.Entries = make([]Entry, 0, max(len(x), len(y)))
	for len(x) > 0 && len(y) > 0 {
		switch c := strings.Compare(x[0].Purpose, y[0].Purpose); {
		case c < 0:
			out.Entries, x = append(out.Entries, x[0]), x[1:]
		case c > 0:
			out.Entries, y = append(out.Entries, y[0]), y[1:]
		default:
			out.Entries = append(out.Entries, join(x[0], y[0]))
			x, y = x[1:], y[1:]
		}
	}
	out.Entries = append(append(out.Entries, x...), y...)
	return out
}

func join(e, f Entry) Entry {
	since := max(e.Since, f.Since)
	if e.compare(&f) < 0 {
		e = f
	}
	e.Since = since
	return e
}

// with returns a copy of the record in which the entries stand for their purposes.
func (r *Record) with(entries ...Entry) *Record {
	out := &Record{}
	if r != nil {
		out.Subject, out.Entries = r.Subject, slices.Clone(r.Entries)
	}
	for _, e := range entries {
		i, ok := out.search(e.Purpose)
		if ok {
			out.Entries[i] = e
		} else {
			out.Entries = slices.Insert(out.Entries, i, e)
		}
	}
	return out
}

// denials returns the record's denials alone: what may narrow where nothing may
// be granted.
func (r *Record) denials() *Record {
	return r.where(func(e *Entry) bool { return e.Status == Denied })
}

// where returns the record with those entries alone for which keep is true.
func (r *Record) where(keep func(*Entry) bool) *Record {
	if r == nil {
		return nil
	}
	out := &Record{Subject: r.Subject}
	for i := range r.Entries {
		if keep(&r.Entries[i]) {
			out.Entries = append(out.Entries, r.Entries[i])
		}
	}
	return out
}

// carried returns the record as one that a device remembers bound to nobody.
func (r *Record) carried() *Record {
	out := r.with()
	for i := range out.Entries {
		out.Entries[i].Carried = true
	}
	return out
}

// strictest joins what two cookies of one device say: a denial in either denies, a
// grant must stand in both. Either may be nil, which says nothing.
func strictest(a, b *Record) *Record {
	out := Merge(a, b)
	kept := out.Entries[:0]
	for _, e := range out.Entries {
		x, y := a.Find(e.Purpose), b.Find(e.Purpose)
		switch {
		case x != nil && x.Status == Denied:
			e = *x
		case y != nil && y.Status == Denied:
			e = *y
		case x == nil || y == nil || x.Revision != y.Revision:
			continue
		default:
			e.Until = min(x.Until, y.Until)
			if !x.Method.Affirmative() || !y.Method.Affirmative() {
				e.Method = Implied
			}
		}
		kept = append(kept, e)
	}
	out.Entries = kept
	return out
}

// beside adds to a subject's record what a device remembers bound to nobody: denials
// narrow the record, whatever their versions, and grants fill gaps.
func beside(r, unbound *Record) *Record {
	if unbound == nil || len(unbound.Entries) == 0 {
		return r
	}
	out := r
	if out == nil {
		out = &Record{}
	}
	for _, e := range unbound.Entries {
		if old := r.Find(e.Purpose); old == nil || e.Status == Denied && old.Status != Denied {
			e.Carried = true
			out = out.with(e)
		}
	}
	return out
}
