package mmdb

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/geoip2-golang/v2"

	"assent/geo"
)

func locate(t testing.TB, r geo.Locator, addr string) string {
	t.Helper()
	j, err := r.Locate(netip.MustParseAddr(addr))
	if err != nil {
		t.Fatalf("%s: %v", addr, err)
	}
	return j.String()
}

func TestLocate(t *testing.T) {
	r, err := Open(Options{
		Place:     saved(t, "city.mmdb", cityFixture(t)),
		Anonymous: saved(t, "anonymous.mmdb", anonymousFixture(t)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ addr, want string }{
		{"17.0.0.0", "US-CA"},
		{"17.127.255.255", "US-CA"},
		{"::ffff:17.0.0.1", "US-CA"},
		{"17.128.0.0", "US"}, // no subdivision
		{"16.255.255.255", "unknown"},
		{"18.0.0.0", "unknown"},
		{"24.200.0.1", "CA-QC"},
		{"80.8.0.1", "FR-IDF"},
		{"81.0.0.0", "GB-ENG"}, // a network of one address
		{"80.255.255.255", "unknown"},
		{"81.0.0.1", "unknown"},
		{"82.1.1.1", "GB-SCT"},
		{"83.1.1.1", "unknown"}, // pseudo-countries
		{"84.1.1.1", "unknown"},
		{"85.1.1.1", "unknown"}, // registered there, but located nowhere
		{"86.1.1.1", "US"},      // a name where a code belongs
		{"87.1.1.1", "unknown"},
		{"88.1.1.1", "unknown"},
		{"89.1.1.1", "unknown"},
		{"90.1.1.1", "DE-BE"},
		{"223.255.255.255", "AU"}, // the end of the space

		{"2a01:cb00::1", "FR-IDF"},
		{"2600:1700::1%eth0", "US-NV"},
		{"2600:1700::", "US-CA"},
		{"2600:1700::2", "US-CA"},
		{"2600:1700::fe", "US-CA"},
		{"2600:1700::ff", "US-NV"},
		{"2600:1700::100", "US-CA"},
		{"2000::", "unknown"},
		{"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "JP-13"},
		{"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unknown"},

		{"17.1.2.3", "unknown"}, // anonymous, each kind
		{"17.2.2.3", "unknown"},
		{"17.3.2.3", "unknown"},
		{"17.4.2.3", "unknown"},
		{"17.5.2.3", "unknown"},
		{"17.6.2.3", "unknown"},
		{"17.7.2.3", "US-CA"}, // listed, but not flagged
		{"2600:1700:0:1::1", "unknown"},
		{"2600:1700:0:2::1", "US-CA"},

		{"10.0.0.1", "unknown"}, // not public
		{"127.0.0.1", "unknown"},
		{"255.255.255.255", "unknown"},
		{"::1", "unknown"},
		{"fe80::1", "unknown"},
		{"2002:1100:0001::", "unknown"}, // tunnels around 17.0.0.1
		{"2001:0:1100:1::", "unknown"},
		{"64:ff9b::17.0.0.1", "unknown"},
	} {
		if got := locate(t, r, c.addr); got != c.want {
			t.Errorf("%s: %s, want %s", c.addr, got, c.want)
		}
	}
	for addr, want := range map[string]bool{"17.1.2.3": true, "::ffff:17.1.2.3": true, "17.7.2.3": false, "18.0.0.0": false, "10.0.0.1": false} {
		if got := r.Hides(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s hides: %v, want %v", addr, got, want)
		}
	}
	if j, err := r.Locate(netip.Addr{}); j != geo.Unknown || err != nil {
		t.Errorf("the zero address: %s, %v", j, err)
	}
	if r.Kind() != "GeoIP2-City" || !r.Built().Equal(built) {
		t.Errorf("kind %s, built %s", r.Kind(), r.Built())
	}
}

func TestLocateBeforeOpen(t *testing.T) {
	var r Reader
	if j, err := r.Locate(netip.MustParseAddr("8.8.8.8")); err == nil || j != geo.Unknown {
		t.Errorf("no database: %s, %v", j, err)
	}
}

func TestKinds(t *testing.T) {
	records := map[string]mmdbtype.Map{"17.0.0.0/8": city("US", "CA")}
	for _, kind := range []string{
		"GeoIP2-City", "GeoLite2-City", "GeoIP2-Country", "GeoLite2-Country", "GeoIP2-Enterprise",
	} {
		for _, ipVersion := range []int{4, 6} {
			for _, recordSize := range []int{24, 28, 32} {
				data := sizedFixture(t, kind, ipVersion, recordSize, records)
				r, err := Open(Options{Place: saved(t, "place.mmdb", data)})
				if err != nil {
					t.Errorf("%s, IPv%d, %d bits: %v", kind, ipVersion, recordSize, err)
					continue
				}
				if got := locate(t, r, "17.1.1.1"); got != "US-CA" || r.Kind() != kind {
					t.Errorf("%s, IPv%d, %d bits: %s of kind %s", kind, ipVersion, recordSize, got, r.Kind())
				}
				if got := locate(t, r, "2600::1"); got != "unknown" {
					t.Errorf("%s: %s without an entry", kind, got)
				}
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	good := cityFixture(t)
	flat := map[string]mmdbtype.Map{"17.0.0.0/8": {"country_code": mmdbtype.String("US")}}
	number := map[string]mmdbtype.Map{"17.0.0.0/8": {"country": mmdbtype.Map{"iso_code": mmdbtype.Uint32(7)}}}
	// The first record's own bytes become a type that no record has.
	garbled := bytes.Replace(good, []byte("iso_code"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff"), 1)
	looped := bytes.Clone(good)
	clear(looped[:300]) // every node leads back to the root
	folded := bytes.Clone(good)
	for node := range 100 { // both children of a node are the next one: 2^100 networks
		next := byte(node + 1)
		copy(folded[6*node:], []byte{0, 0, next, 0, 0, next})
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":                {nil, "invalid MaxMind DB file"},
		"text":                 {[]byte("<html>Not found</html>"), "invalid MaxMind DB file"},
		"truncated":            {good[:len(good)-200], ""},
		"only metadata":        {good[bytes.LastIndex(good, []byte("\xab\xcd\xefMaxMind.com")):], ""},
		"garbled record":       {garbled, ""},
		"garbled tree":         {looped, "two ways lead to one node"},
		"folded tree":          {folded, "two ways lead to one node"},
		"unknown type":         {fixture(t, "country ipv4", flat), `"country ipv4" database type`},
		"other type":           {fixture(t, "GeoLite2-ASN", flat), "not a country, city or enterprise database"},
		"flat records":         {fixture(t, "GeoIP2-Country", flat), "no record of this GeoIP2-Country says anything"},
		"records of no schema": {fixture(t, "GeoIP2-Country", number), "decoding record"},
		"anonymous as place":   {anonymousFixture(t), "not a country, city or enterprise database"},
	} {
		path := saved(t, "place.mmdb", c.data)
		r, err := Open(Options{Place: path})
		if err == nil {
			t.Errorf("%s: opened as %s", name, r.Kind())
			continue
		}
		if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	place := saved(t, "place.mmdb", good)
	for name, o := range map[string]Options{
		"missing":            {Place: place + ".absent"},
		"a folder":           {Place: filepath.Dir(place)},
		"place as anonymous": {Place: place, Anonymous: place},
		"missing anonymous":  {Place: place, Anonymous: place + ".absent"},
		"negative interval":  {Interval: -time.Second},
	} {
		if _, err := Open(o); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// A file cut or damaged anywhere either opens, and then answers every question, or does not.
func TestOpenDamaged(t *testing.T) {
	good := cityFixture(t)
	random := rand.New(rand.NewPCG(5, 6))
	addrs := randomAddrs(64)
	for range 2000 {
		data := bytes.Clone(good)
		for range 1 + random.IntN(3) {
			data[random.IntN(len(data))] = byte(random.Uint32())
		}
		if random.IntN(4) == 0 {
			data = data[:random.IntN(len(data))]
		}
		d, err := newDatabase(data, place)
		if err != nil {
			continue
		}
		for _, addr := range addrs {
			if geo.Public(addr) {
				_ = d.places[d.lookup(addr)]
			}
		}
	}
}

// geoip2's own look-up is the oracle for the spans.
func TestLocateAgrees(t *testing.T) {
	data := cityFixture(t)
	r, err := Open(Options{Place: saved(t, "city.mmdb", data)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := geoip2.OpenBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range randomAddrs(20_000) {
		record, err := db.City(addr)
		if err != nil {
			t.Fatal(err)
		}
		var region string
		if len(record.Subdivisions) > 0 {
			region = record.Subdivisions[0].ISOCode
		}
		want, err := geo.New(record.Country.ISOCode, region)
		if err != nil {
			want, _ = geo.New(record.Country.ISOCode, "")
		}
		if first := addr.As4()[0]; 87 <= first && first <= 89 || !geo.Public(addr) {
			want = geo.Unknown // by traits, which geoip2 does not show
		}
		if got := locate(t, r, addr.String()); got != want.String() {
			t.Fatalf("%s: %s, geoip2 says %s", addr, got, want)
		}
	}
}

// Blocks that their holders have had for decades.
func TestEmbedded(t *testing.T) {
	r, err := Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"80.12.10.1":       "FR", // Orange
		"2a01:cb00::1":     "FR",
		"193.174.0.1":      "DE", // DFN
		"2003::1":          "DE", // Deutsche Telekom
		"18.7.0.1":         "US", // MIT
		"2600:1700::1":     "US", // AT&T
		"133.1.0.1":        "JP", // Osaka University
		"131.111.0.1":      "GB", // Cambridge
		"130.59.0.1":       "CH", // SWITCH
		"132.203.0.1":      "CA", // Laval
		"200.17.0.1":       "BR", // RNP
		"128.250.0.1":      "AU", // Melbourne
		"127.0.0.1":        "unknown",
		"192.168.1.1":      "unknown",
		"203.0.113.1":      "unknown",
		"2001:db8::1":      "unknown",
		"240.0.0.1":        "unknown",
		"::ffff:80.12.0.1": "FR",
	} {
		if got := locate(t, r, addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if r.Kind() != "GeoIP2-Country" || r.Built().Format(time.DateOnly) != "2026-06-17" {
		t.Errorf("kind %s, built %s", r.Kind(), r.Built())
	}
	if swapped, err := r.Reload(); swapped || err != nil {
		t.Errorf("reload of what has no file: swapped %v, %v", swapped, err)
	}
	places := make(map[geo.Jurisdiction]int)
	for _, addr := range randomAddrs(100_000) {
		j, err := r.Locate(addr)
		if err != nil {
			t.Fatal(err)
		}
		places[j]++
	}
	if known := 100_000 - places[geo.Unknown]; known < 90_000 || len(places) < 100 {
		t.Errorf("%d of 100000 addresses have a place, in %d places", known, len(places))
	}
}

// The data's licence asks for its attribution to go with it.
func TestAttribution(t *testing.T) {
	text, err := os.ReadFile("LICENSE-country-data.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"nro.net", "CC BY 4.0", "CC0-1.0"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the licence does not say %q", want)
		}
	}
	if len(countryData) >= 4<<20 {
		t.Errorf("the embedded data takes %d bytes", len(countryData))
	}
}
