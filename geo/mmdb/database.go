package mmdb

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"assent/geo"
)

// database is what one file says of every address, decoded when it was opened; the
// file itself is not kept. It never changes.
type database struct {
	v4   *spans[v4]
	v6   *spans[v6]
	kind string
	// places are what the words of a place database stand for; 0 is Unknown.
	places   []geo.Jurisdiction
	interned map[geo.Jurisdiction]uint16 // only while it is filled
	built    time.Time
}

// schema says what to read of a file's records.
type schema struct {
	name string
	// probe looks an address up the way geoip2 does and fails for a type of database
	// which does not answer that question.
	probe func(*geoip2.Reader, netip.Addr) error
	// word decodes a record; 0 is no entry.
	word func(*database, maxminddb.Result) (uint16, error)
}

// place is a GeoIP2 or GeoLite2 Country, City or Enterprise database.
var place = schema{
	name: "country, city or enterprise",
	probe: func(db *geoip2.Reader, addr netip.Addr) error {
		_, err := db.Country(addr)
		return err
	},
	word: func(d *database, r maxminddb.Result) (uint16, error) {
		var record placeRecord
		if err := r.Decode(&record); err != nil {
			return 0, err
		}
		return d.intern(record.jurisdiction())
	},
}

// anonymous is a GeoIP2 Anonymous IP database; its word is 1 for an address that says
// nothing of its user's place.
var anonymous = schema{
	name: "anonymous IP",
	probe: func(db *geoip2.Reader, addr netip.Addr) error {
		_, err := db.AnonymousIP(addr)
		return err
	},
	word: func(_ *database, r maxminddb.Result) (uint16, error) {
		var record flags
		if err := r.Decode(&record); err != nil || !record.any() {
			return 0, err
		}
		return 1, nil
	},
}

type placeRecord struct {
	Country struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Subdivisions []struct {
		ISOCode string `maxminddb:"iso_code"`
	} `maxminddb:"subdivisions"`
	Traits flags `maxminddb:"traits"`
}

// flags are the traits of a network that is not where its users are. An Anonymous IP
// record is nothing else; the first two are in country and city files of old.
type flags struct {
	AnonymousProxy   bool `maxminddb:"is_anonymous_proxy"`
	Satellite        bool `maxminddb:"is_satellite_provider"`
	Anycast          bool `maxminddb:"is_anycast"`
	Anonymous        bool `maxminddb:"is_anonymous"`
	VPN              bool `maxminddb:"is_anonymous_vpn"`
	Hosting          bool `maxminddb:"is_hosting_provider"`
	PublicProxy      bool `maxminddb:"is_public_proxy"`
	ResidentialProxy bool `maxminddb:"is_residential_proxy"`
	TorExit          bool `maxminddb:"is_tor_exit_node"`
}

func (f flags) any() bool { return f != flags{} }

// jurisdiction takes the country where the address is, not the one where it is
// registered. A code that is no country leaves the place unknown; a subdivision that
// is missing or malformed leaves the country alone.
func (r *placeRecord) jurisdiction() geo.Jurisdiction {
	if r.Traits.any() {
		return geo.Unknown
	}
	if len(r.Subdivisions) > 0 {
		if j, err := geo.New(r.Country.ISOCode, r.Subdivisions[0].ISOCode); err == nil {
			return j
		}
	}
	j, err := geo.New(r.Country.ISOCode, "")
	if err != nil {
		return geo.Unknown
	}
	return j
}

// newDatabase checks data and decodes every record in it, so that what is wrong with
// a file shows when it is opened and never in a look-up.
func newDatabase(data []byte, s schema) (*database, error) {
	tree, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, err
	}
	if err := checkTree(data, tree.Metadata); err != nil {
		return nil, err
	}
	typed, err := geoip2.OpenBytes(data)
	if err != nil {
		return nil, err
	}
	if err := s.probe(typed, netip.IPv4Unspecified()); err != nil {
		return nil, fmt.Errorf("not a %s database: %w", s.name, err)
	}
	if tree.Metadata.BuildEpoch == 0 {
		return nil, errors.New("file has no build date")
	}
	d := &database{
		v4:       newSpans(v4(0)),
		v6:       newSpans(keyV6(globalUnicast.Addr())),
		kind:     tree.Metadata.DatabaseType,
		places:   []geo.Jurisdiction{geo.Unknown},
		interned: map[geo.Jurisdiction]uint16{geo.Unknown: 0},
		built:    tree.Metadata.BuildTime().UTC(),
	}
	if err := d.fill(tree, s); err != nil {
		return nil, err
	}
	d.interned = nil
	d.v4.seal()
	d.v6.seal()
	return d, nil
}

func (d *database) fill(tree *maxminddb.Reader, s schema) error {
	words := make(map[uintptr]uint16) // by offset of the record, which many networks share
	for r := range tree.Networks() {
		if err := r.Err(); err != nil {
			return fmt.Errorf("walking networks: %w", err)
		}
		word, ok := words[r.Offset()]
		if !ok {
			var err error
			if word, err = s.word(d, r); err != nil {
				return fmt.Errorf("decoding record at %d: %w", r.Offset(), err)
			}
			words[r.Offset()] = word
		}
		if err := d.add(r.Prefix(), word); err != nil {
			return fmt.Errorf("adding network %s: %w", r.Prefix(), err)
		}
	}
	if len(d.v4.starts)+len(d.v6.starts) == 2 {
		return fmt.Errorf("no record of this %s says anything", d.kind)
	}
	return nil
}

func (d *database) add(network netip.Prefix, word uint16) error {
	switch {
	case network.Addr().Is4():
		return d.v4.add(keyV4(network.Addr()), network.Bits(), word)
	case globalUnicast.Bits() <= network.Bits() && globalUnicast.Overlaps(network):
		return d.v6.add(keyV6(network.Addr()), network.Bits(), word)
	case network.Overlaps(globalUnicast) || network.Overlaps(netip.PrefixFrom(netip.IPv6Unspecified(), 96)):
		return errors.New("wider than the global unicast space")
	}
	return nil // never asked for: see geo.Public
}

// intern returns j's place among those of the file, a few thousand at most.
func (d *database) intern(j geo.Jurisdiction) (uint16, error) {
	if word, ok := d.interned[j]; ok {
		return word, nil
	}
	if len(d.places) > math.MaxUint16 {
		return 0, errors.New("more than 65535 places")
	}
	word := uint16(len(d.places))
	d.places, d.interned[j] = append(d.places, j), word
	return word, nil
}

// lookup returns the word of a public address, 0 if it has no entry.
func (d *database) lookup(addr netip.Addr) uint16 {
	if addr.Is4() {
		return d.v4.lookup(keyV4(addr))
	}
	return d.v6.lookup(keyV6(addr))
}
