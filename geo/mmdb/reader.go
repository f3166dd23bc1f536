// Package mmdb finds places in MaxMind DB files: GeoIP2 and GeoLite2 Country, City
// and Enterprise, and an Anonymous IP file beside them. A country database is
// embedded for those who have none.
//
// A file is read whole and every record in it decoded once, when it is opened; what is
// kept is the place of each span of addresses. A city file of 57 MB takes a second or two
// and leaves 10 MB. A look-up is a short search in sorted arrays: it cannot fail, and
// allocates nothing.
package mmdb

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"assent/geo"
)

// Options says which databases to read.
type Options struct {
	// Place is the path of a Country, City or Enterprise file. Only the latter two know
	// subdivisions. Default: the embedded country database.
	Place string
	// Anonymous is the path of an Anonymous IP file; addresses it flags have an Unknown
	// place. Default: none.
	Anonymous string
	// Interval is how often Watch looks whether a file changed. Default: 10 s.
	Interval time.Duration
}

// EnsureDefaults fills what is not set.
func (o *Options) EnsureDefaults() {
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
}

// Validate refuses options that cannot work.
func (o *Options) Validate() error {
	if o.Interval < 0 {
		return errors.New("geo database interval is negative")
	}
	return nil
}

// Reader is a [geo.Locator] over the databases in use. Its methods are safe for
// concurrent use, and a reload never delays a look-up.
type Reader struct {
	interval time.Duration
	current  atomic.Pointer[databases]

	reload           sync.Mutex
	place, anonymous *file // nil: embedded, none
}

// databases are those in use at one moment.
type databases struct {
	place     *database
	anonymous *database // nil: none
}

var (
	_ geo.Locator = (*Reader)(nil)
	_ geo.Hider   = (*Reader)(nil)
)

// Open reads and checks the databases. Any that cannot be used is an error which
// names its path.
func Open(o Options) (*Reader, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &Reader{interval: o.Interval}
	var now databases
	var err error
	if o.Place == "" {
		now.place, err = embedded()
	} else {
		r.place = &file{path: o.Place, schema: place}
		now.place, err = r.place.read()
	}
	if err != nil {
		return nil, err
	}
	if o.Anonymous != "" {
		r.anonymous = &file{path: o.Anonymous, schema: anonymous}
		if now.anonymous, err = r.anonymous.read(); err != nil {
			return nil, err
		}
	}
	r.current.Store(&now)
	return r, nil
}

// Embedded opens the country database in the binary.
func Embedded() (*Reader, error) { return Open(Options{}) }

var errNotOpen = errors.New("looking up address: no database is open")

// Locate implements [geo.Locator].
func (r *Reader) Locate(addr netip.Addr) (geo.Jurisdiction, error) {
	addr = addr.Unmap()
	if !geo.Public(addr) {
		return geo.Unknown, nil
	}
	now := r.current.Load()
	if now == nil {
		return geo.Unknown, errNotOpen
	}
	word := now.place.lookup(addr)
	if now.hides(addr) {
		return geo.Unknown, nil
	}
	return now.place.places[word], nil
}

// Hides implements [geo.Hider].
func (r *Reader) Hides(addr netip.Addr) bool {
	now := r.current.Load()
	return now == nil || now.hides(addr.Unmap())
}

func (d *databases) hides(addr netip.Addr) bool {
	return d.anonymous != nil && d.anonymous.lookup(addr) != 0
}

// Kind returns the type in the place database's metadata, such as "GeoIP2-City".
func (r *Reader) Kind() string { return r.current.Load().place.kind }

// Built returns when the data was built; of two databases, the older one's date.
func (r *Reader) Built() time.Time {
	now := r.current.Load()
	built := now.place.built
	if now.anonymous != nil && now.anonymous.built.Before(built) {
		built = now.anonymous.built
	}
	return built
}

// Reload reads the files that are not those last read, by inode, size and time of
// modification, and puts each good one in use. swapped reports whether any was. A
// broken or missing one leaves its predecessor in use and is an error once, until it
// changes again.
func (r *Reader) Reload() (swapped bool, err error) {
	r.reload.Lock()
	defer r.reload.Unlock()
	next := *r.current.Load()
	placed, err := r.place.renew(&next.place)
	hid, err2 := r.anonymous.renew(&next.anonymous)
	if placed || hid {
		r.current.Store(&next)
	}
	return placed || hid, errors.Join(err, err2)
}

// renew replaces db by what is on disk now, if that is new and good.
func (f *file) renew(db **database) (bool, error) {
	if f == nil {
		return false, nil
	}
	changed, err := f.changed()
	if err != nil || !changed {
		return false, err
	}
	read, err := f.read()
	if err != nil {
		return false, fmt.Errorf("keeping the geo database in use: %w", err)
	}
	*db = read
	return true, nil
}

// Watch calls [Reader.Reload] at every interval until ctx ends. It calls report after
// each swap, with nil, and after each failure, with the error; never at the same time
// twice.
func (r *Reader) Watch(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		swapped, err := r.Reload()
		if swapped {
			report(nil)
		}
		if err != nil {
			report(err)
		}
	}
}
