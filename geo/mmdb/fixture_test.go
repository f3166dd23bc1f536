package mmdb

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

var built = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// fixture writes a database of the given type: records by network.
func fixture(t testing.TB, kind string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	return sizedFixture(t, kind, 6, 24, records)
}

func sizedFixture(t testing.TB, kind string, ipVersion, recordSize int, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: kind,
		Description:  map[string]string{"en": "fixture"},
		IPVersion:    ipVersion,
		BuildEpoch:   built.Unix(),
		RecordSize:   recordSize,
	})
	if err != nil {
		t.Fatal(err)
	}
	networks := make([]netip.Prefix, 0, len(records))
	for cidr := range records {
		networks = append(networks, netip.MustParsePrefix(cidr))
	}
	// A narrow network must come after the wide one around it.
	slices.SortFunc(networks, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	for _, n := range networks {
		mask := net.CIDRMask(n.Bits(), n.Addr().BitLen())
		if err := tree.Insert(&net.IPNet{IP: n.Addr().AsSlice(), Mask: mask}, records[n.String()]); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// city is a record of the City schema, with the parts nobody reads that real ones have.
func city(country string, subdivisions ...string) mmdbtype.Map {
	names := mmdbtype.Map{"en": mmdbtype.String("Somewhere")}
	record := mmdbtype.Map{
		"city":               mmdbtype.Map{"geoname_id": mmdbtype.Uint32(1), "names": names},
		"location":           mmdbtype.Map{"latitude": mmdbtype.Float64(48.8), "longitude": mmdbtype.Float64(2.3)},
		"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")},
	}
	if country != "" {
		record["country"] = mmdbtype.Map{"iso_code": mmdbtype.String(country), "names": names}
	}
	var list mmdbtype.Slice
	for _, s := range subdivisions {
		list = append(list, mmdbtype.Map{"iso_code": mmdbtype.String(s), "names": names})
	}
	if list != nil {
		record["subdivisions"] = list
	}
	return record
}

func with(record mmdbtype.Map, trait string) mmdbtype.Map {
	record["traits"] = flagged(trait)
	return record
}

func flagged(flag string) mmdbtype.Map {
	return mmdbtype.Map{mmdbtype.String(flag): mmdbtype.Bool(true)}
}

func cityFixture(t testing.TB) []byte {
	return fixture(t, "GeoIP2-City", map[string]mmdbtype.Map{
		"17.0.0.0/8":        city("US", "CA"),
		"17.128.0.0/9":      city("US"),
		"24.200.0.0/14":     city("CA", "QC"),
		"80.8.0.0/13":       city("FR", "IDF", "75"),
		"81.0.0.0/32":       city("GB", "ENG"),
		"82.0.0.0/8":        city("UK", "SCT"),
		"83.0.0.0/8":        city("EU"),
		"84.0.0.0/8":        city("A1"),
		"85.0.0.0/8":        city(""),
		"86.0.0.0/8":        city("US", "California"),
		"87.0.0.0/8":        with(city("DE", "BE"), "is_anonymous_proxy"),
		"88.0.0.0/8":        with(city("DE", "BE"), "is_satellite_provider"),
		"89.0.0.0/8":        with(city("DE", "BE"), "is_anycast"),
		"90.0.0.0/8":        with(city("DE", "BE"), "is_legitimate_proxy"),
		"223.255.255.0/24":  city("AU"),
		"2a01:cb00::/26":    city("FR", "IDF"),
		"2600:1700::/28":    city("US", "CA"),
		"2600:1700::1/128":  city("US", "NV"),
		"2600:1700::ff/128": city("US", "NV"),
		"3ffe::/16":         city("JP", "13"),
	})
}

func anonymousFixture(t testing.TB) []byte {
	return fixture(t, "GeoIP2-Anonymous-IP", map[string]mmdbtype.Map{
		"17.1.0.0/16":        flagged("is_anonymous"),
		"17.2.0.0/16":        flagged("is_anonymous_vpn"),
		"17.3.0.0/16":        flagged("is_hosting_provider"),
		"17.4.0.0/16":        flagged("is_public_proxy"),
		"17.5.0.0/16":        flagged("is_residential_proxy"),
		"17.6.0.0/16":        flagged("is_tor_exit_node"),
		"17.7.0.0/16":        {},
		"2600:1700:0:1::/64": flagged("is_tor_exit_node"),
	})
}

// write puts data in place of the file as a careful updater does: by a rename.
func write(t testing.TB, path string, data []byte) {
	t.Helper()
	aside := path + ".new"
	if err := os.WriteFile(aside, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
}

func saved(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, data)
	return path
}
