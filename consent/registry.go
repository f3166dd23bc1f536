package consent

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"assent/keys"
	"assent/uuid7"
)

// Options of a Registry.
type Options struct {
	Store       Store            // required
	CookieKeys  []keys.Key       // required; the first signs, all verify
	ReceiptKeys []keys.Key       // required; seeds, the first signs
	Controller  string           // required; named in receipts
	Now         func() time.Time // required
	Rand        io.Reader        // required; safe for concurrent use
	Node        uint16           // of this process in the fleet, for versions
	// JournalKeys seal whose record waits in a journal: the first seals, all open.
	// None where no record waits: then no subject is sealed.
	JournalKeys []keys.Key
	// GrantLife is how long a grant holds: default and ceiling 395 days (13 months:
	// IAB Europe, TCF Policies, appendix A; CNIL advises 6 months).
	GrantLife time.Duration
	CacheSize int // states kept ready; default 8192
}

// maxGrantLife is the ceiling of GrantLife.
const maxGrantLife = 395 * 24 * time.Hour

// EnsureDefaults fills what was left out.
func (o *Options) EnsureDefaults() {
	if o.GrantLife == 0 {
		o.GrantLife = maxGrantLife
	}
	if o.CacheSize == 0 {
		o.CacheSize = 8192
	}
}

// Validate reports everything wrong at once.
func (o *Options) Validate() error {
	var errs []error
	check := func(ok bool, problem string) {
		if !ok {
			errs = append(errs, errors.New(problem))
		}
	}
	check(o.Store != nil, "no store")
	check(o.Now != nil, "no clock")
	check(o.Rand != nil, "no randomness")
	check(len(o.CookieKeys) > 0, "no cookie keys")
	check(len(o.ReceiptKeys) > 0, "no receipt keys")
	check(o.Controller != "", "no controller")
	check(o.GrantLife > 0 && o.GrantLife <= maxGrantLife, "grant life is not within 395 days")
	check(o.CacheSize >= 2 && o.CacheSize <= 1<<24, "cache size is not within 2 and 2^24")
	return errors.Join(errs...)
}

// Registry answers what people have chosen, and records what they choose. Safe for
// concurrent use. A choice that it acknowledged is in every later answer.
type Registry struct {
	o      Options
	clock  Clock
	vocab  atomic.Pointer[vocabulary]
	cache  *cache
	epochs epochs
	seals  sealRing
	locks  [256]sync.Mutex // writers, by subject
}

// vocabulary is what hangs on the policy in force.
type vocabulary struct {
	purposes   *Purposes
	nobody     *State
	unreadable *State
}

// NewRegistry makes a registry that knows no purposes yet: see Use.
func NewRegistry(o Options) (*Registry, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("consent options: %w", err)
	}
	r := &Registry{o: o, clock: Clock{Node: o.Node}, cache: newCache(o.CacheSize)}
	r.epochs.seed = r.cache.seed
	r.epochs.origin = maphash.String(r.cache.seed, "origin")
	var err error
	if r.seals, err = newSealRing(o.JournalKeys); err != nil {
		return nil, err
	}
	none, err := NewPurposes(nil)
	if err != nil {
		return nil, err
	}
	r.Use(none)
	return r, nil
}

// Use makes p the vocabulary of every later answer. Answers given before stay in
// theirs: State.Purposes tells.
func (r *Registry) Use(p *Purposes) {
	r.vocab.Store(&vocabulary{purposes: p, nobody: Fold(p, nil), unreadable: unreadable(p)})
}

// Purposes is the vocabulary in use.
func (r *Registry) Purposes() *Purposes { return r.vocab.Load().purposes }

// Identify answers for one request from what it presents: the values of the choice
// cookie, the id cookie and the subject token, each empty when not sent, several
// cookies of one name joined by ';'.
//
//   - An id that verifies proves a visitor. Two different ids prove two people, and
//     both must have granted. More than two make the state unreadable.
//   - A choice bound to a proven id merges by version with what the store holds for
//     the id. Any other choice beside a proven id narrows and grants nothing.
//   - Without an id, a choice bound to nobody counts, but for grants of purposes that
//     keep an id; of one bound to somebody, its denials count.
//   - Of several choices the strictest counts. One that does not verify makes the
//     state unreadable: it may have been a refusal.
//
// Never nil; when the store fails the state is Unreadable. The bytes are not kept.
// Allocates nothing when the same bytes were seen lately.
func (r *Registry) Identify(choiceCookie, idCookie, token []byte) *State {
	v := r.vocab.Load()
	if len(choiceCookie)+len(idCookie)+len(token) == 0 {
		return v.nobody
	}
	h := r.cache.hash(NoSubject, choiceCookie, idCookie, token)
	if e := r.cache.get(h, NoSubject, choiceCookie, idCookie, token); e != nil && r.holds(v, e) {
		return e.state
	}
	return r.identify(v, h, choiceCookie, idCookie, token)
}

// holds reports whether a cached state is still what would be answered.
func (r *Registry) holds(v *vocabulary, e *cached) bool {
	if e.state.purposes != v.purposes {
		return false
	}
	for i := range e.n {
		if !r.epochs.current(&e.deps[i]) {
			return false
		}
	}
	return e.ends == 0 || r.o.Now().UnixMicro() < e.ends
}

// maxClasses bounds the choice cookies without an id by which waiting records are found.
const maxClasses = 2

func (r *Registry) identify(v *vocabulary, h uint64, choiceCookie, idCookie, token []byte) *State {
	w := readShown(r.o.CookieKeys, choiceCookie, idCookie, token, r.o.Now())
	e := &cached{ends: w.ends}
	s := r.person(v, e, w)
	s.Presented = w.fate
	if s.Unreadable && !w.unread {
		return s // the store failed: asked again next time
	}
	s.Snapshot = r.epochs.snapshot(e.deps[:e.n])
	if len(choiceCookie) <= maxCredential && len(idCookie) <= maxCredential && len(token) <= maxCredential {
		e.a, e.b, e.c, e.state = string(choiceCookie), string(idCookie), string(token), s
		r.cache.put(h, e)
	}
	return s
}

// person is the fresh state of whoever was shown; the caller may still change it.
func (r *Registry) person(v *vocabulary, e *cached, w *shown) *State {
	switch len(w.visitors) {
	case 0:
		d := w.device(v.purposes, "")
		s := Fold(v.purposes, d.unbound)
		s.device, s.Unreadable = d, d.unread
		for _, c := range w.choices[:min(len(w.choices), maxClasses)] {
			s.Classes = append(s.Classes, c.class())
			e.deps[e.n], e.n = r.epochs.of(c.class()), e.n+1
		}
		return s
	case 1:
		return r.visitor(v, e, w, w.visitors[0])
	case 2:
		a, b := r.visitor(v, e, w, w.visitors[0]), r.visitor(v, e, w, w.visitors[1])
		s := Combine(a, b)
		if s == a {
			s = a.folded(a.record, a.Unreadable)
		}
		s.Also = b.Subject
		s.device.proven = w.subjects()
		return s
	}
	w.unread = true
	s := unreadable(v.purposes)
	s.device = device{unread: true, proven: w.subjects()}
	return s
}

func (r *Registry) visitor(v *vocabulary, e *cached, w *shown, id string) *State {
	subject := Subject{Visitor, id}
	e.deps[e.n], e.n = r.epochs.of(subject), e.n+1
	stored, err := r.o.Store.Get(subject)
	if err != nil {
		s := unreadable(v.purposes)
		s.Subject = subject
		return s
	}
	d := w.device(v.purposes, id)
	record := Merge(stored, d.bound)
	record.Subject = subject
	record = beside(record, d.unbound)
	s := Fold(v.purposes, record)
	s.Subject, s.device, s.Unreadable = subject, d, d.unread
	return s
}

// Lookup answers for a subject that the request only names: a tracker's own id,
// followed to whoever holds it, or an account that a source vouches for. An id that
// nothing was ever recorded for has an empty state. Otherwise as Identify; the id's
// bytes are not kept.
func (r *Registry) Lookup(s Subject) *State {
	v := r.vocab.Load()
	if s.IsZero() || s.ID == "" {
		return v.nobody
	}
	id := unsafe.Slice(unsafe.StringData(s.ID), len(s.ID))
	h := r.cache.hash(s.Kind, id, nil, nil)
	if e := r.cache.get(h, s.Kind, id, nil, nil); e != nil && r.holds(v, e) {
		return e.state
	}
	e := newCached(s.Kind, s.ID, "", "")
	record, err := r.follow(Subject{s.Kind, e.a}, e)
	if err != nil {
		return v.unreadable
	}
	e.state = Fold(v.purposes, record)
	e.state.Snapshot = r.epochs.snapshot(e.deps[:e.n])
	if len(s.ID) <= maxCredential {
		r.cache.put(h, e)
	}
	return e.state
}

// follow reads the record that answers for a subject. An id held by a visitor has
// the holder's; what others denied for that id since it was linked stands beside it
// and is not the holder's to undo. An id with several holders grants what all of them
// grant. An id that is a visitor's own, sent by somebody who proves nothing, has that
// visitor's denials.
func (r *Registry) follow(s Subject, e *cached) (*Record, error) {
	every := r.epochs.any()
	e.deps[0], e.n = r.epochs.of(s), 1
	own, err := r.o.Store.Get(s)
	if err != nil || s.Kind != Anonymous {
		return own, err
	}
	if _, ours := uuid7.Time(s.ID); ours {
		visitor := Subject{Visitor, s.ID}
		e.deps[e.n], e.n = r.epochs.of(visitor), e.n+1
		record, err := r.o.Store.Get(visitor)
		if err != nil {
			return nil, err
		}
		if record = record.denials(); len(record.entries()) > 0 {
			own = Merge(own, nil).denied(record)
			own.Subject = s
		}
	}
	links, err := r.o.Store.Links(s)
	if err != nil || len(links) == 0 {
		return own, err
	}
	var all *Record
	for i, l := range links {
		if e.n < len(e.deps) {
			e.deps[e.n], e.n = r.epochs.of(l.Holder), e.n+1
		} else {
			e.deps[0], e.n = every, 1
		}
		record, err := r.held(l, own)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			all = record
			continue
		}
		all = strictest(all, record)
		all.Subject = s // no holder answers alone
	}
	return all, nil
}

// held is the record of a link's holder with what was denied for the id itself.
func (r *Registry) held(l Link, own *Record) (*Record, error) {
	record, err := r.o.Store.Get(l.Holder)
	if err != nil {
		return nil, err
	}
	record = Merge(record, own.denials())
	record.Subject = l.Holder
	for _, d := range own.entries() {
		if d.Status == Denied && d.Version.Compare(l.Version) > 0 {
			record = record.with(d)
		}
	}
	return record, nil
}

// Snapshot is that of a subject for whom nothing was recorded yet, such as a visitor
// whose id was made just now.
func (r *Registry) Snapshot(s Subject) uint64 {
	d := [1]dep{r.epochs.of(s)}
	return r.epochs.snapshot(d[:])
}

// JoinSnapshots is the snapshot of an answer that rests on all that two snapshots are of;
// zero, which counts as changed, where something was recorded for one of them meanwhile.
func (r *Registry) JoinSnapshots(a, b uint64) uint64 { return r.epochs.join(a, b) }

// Unchanged reports whether nothing was recorded, since the state with this snapshot was
// asked for, for whomever the state rests on: their own record, or that of the holder a
// tracker's id was followed to. True is exact: a choice acknowledged before the call is
// seen. False may be a false alarm. A zero snapshot and another process's are changed
// ones. Unchanged takes no lock and allocates nothing.
func (r *Registry) Unchanged(snapshot uint64) bool { return r.epochs.unchanged(snapshot) }

// Forget drops whatever is cached and makes every snapshot a changed one: for a store
// that was opened anew, in which a write that failed may have been found.
func (r *Registry) Forget() { r.epochs.forget() }

// Seals reports whether there are keys to seal subjects with.
func (r *Registry) Seals() bool { return len(r.seals) > 0 }

// SealSubjects appends a reference to all whose choices bear on an event. Only Withdrawn
// can read it, and nobody can tell whether two references mean the same people. Subjects
// that are nobody, or longer than a choice can name, are left out, because nothing can
// ever be recorded for them. Nothing is appended where none is left, and without keys.
// Allocates nothing where dst has room.
func (r *Registry) SealSubjects(dst []byte, subjects []Subject, chance Chance) []byte {
	return r.seals.seal(dst, subjects, chance)
}

// OpenSubjects reads what SealSubjects wrote. The error says nothing of what is in it.
func (r *Registry) OpenSubjects(ref []byte) ([]Subject, error) { return r.seals.open(ref) }

// clockSlack is how far the clock may have been set back between an event and the
// withdrawal after it.
const clockSlack = 10 * time.Second

// Withdrawn is what the subjects of a reference deny now, for an event that was judged at
// an instant: the denials of each of them. A refusal made before that instant with a
// choice cookie was somebody else's, whose cookie says the same: it is left out. The
// state is Unreadable when the store cannot be read; ErrReference is the error of a
// reference that no key of the ring made.
func (r *Registry) Withdrawn(ref []byte, judged time.Time) (*State, error) {
	subjects, err := r.OpenSubjects(ref)
	if err != nil {
		return nil, err
	}
	all := r.vocab.Load().nobody
	for _, s := range subjects {
		state := r.Lookup(s)
		if s.Kind == Remembered {
			state = state.folded(state.record.where(func(e *Entry) bool {
				return e.Version.Time >= judged.Add(-clockSlack).UnixMicro()
			}), state.Unreadable)
		}
		all = Narrow(all, state)
	}
	return all, nil
}

// Ready reports why no choice can be read or recorded; nil when it can.
func (r *Registry) Ready() error { return r.o.Store.Ready() }

// Receipt returns a signed receipt by its id; nil when there is none.
func (r *Registry) Receipt(id string) ([]byte, error) { return r.o.Store.Receipt(id) }

// NewVisitor makes an id for someone who needs one.
func (r *Registry) NewVisitor() (string, error) { return uuid7.New(r.o.Rand, r.o.Now()) }

// IDCookie is the signed value of the id cookie for a visitor.
func (r *Registry) IDCookie(visitor string) string { return signID(&r.o.CookieKeys[0], visitor) }

// IDEnds is when a visitor's id must end, and its cookie with it.
func (r *Registry) IDEnds(visitor string) time.Time {
	born, _ := uuid7.Time(visitor)
	return born.Add(IDLife)
}

// ChoiceCookie is the signed value of the choice cookie for a state. It names nobody.
// Bound to the state's visitor it is exact, and grants beside that id alone; bound to
// nobody its times are blurred, and grants of purposes that keep an id are not in it.
func (r *Registry) ChoiceCookie(s *State, bound bool) string {
	visitor := ""
	record := s.record
	if record == nil {
		record = &Record{}
	}
	if bound && s.Subject.Kind == Visitor {
		visitor = s.Subject.ID
	} else {
		record = s.purposes.idless(record)
	}
	// A purpose that is no longer declared may be again: its refusal stays for as long as
	// there is room.
	kept := record.where(s.purposes.worthKeeping(record))
	if cookie := signChoice(&r.o.CookieKeys[0], kept, visitor); len(cookie) <= MaxCookie {
		return cookie
	}
	declared := func(e *Entry) bool { _, ok := s.purposes.Index(e.Purpose); return ok }
	return signChoice(&r.o.CookieKeys[0], record.where(declared), visitor)
}

// WithoutID is the choice cookie for a person whose id cookie ends: it holds what is to
// count without the id. Empty where the device's own cookie says as much already.
func (r *Registry) WithoutID(s *State) string {
	if s.device.bonded {
		return r.ChoiceCookie(s, false) // what is bound tells one visitor from all others
	}
	for _, e := range s.purposes.idless(s.record).entries() {
		if e.Status == Granted || !s.device.denies(e.Purpose) {
			return r.ChoiceCookie(s, false)
		}
	}
	return ""
}

// Token is the subject token for a state: what both cookies would hold.
func (r *Registry) Token(s *State, identified bool) string {
	id := ""
	if identified && s.Subject.Kind == Visitor {
		id = r.IDCookie(s.Subject.ID)
	}
	return id + tokenJoint + r.ChoiceCookie(s, id != "")
}
