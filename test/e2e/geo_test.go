package e2e

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// places are addresses that the embedded database knows, and those of cityDatabase.
var places = map[string]string{
	"FR": "80.10.0.1", "DE": "84.128.0.1", "US": "12.0.0.1", "JP": "133.1.1.1", "BR": "200.147.0.1", "GB": "81.2.69.160",
	"US-CA": "12.1.0.1", "US-CO": "12.2.0.1", "CA-QC": "132.203.0.1", "CA": "132.204.0.1",
	"home": "192.168.1.7",
}

// cityDatabase is a small GeoIP2 City database with states and provinces.
func cityDatabase(t *testing.T) string {
	t.Helper()
	networks := map[string]string{}
	for _, place := range []string{"FR", "US", "US-CA", "US-CO", "CA-QC", "CA"} {
		networks[places[place]+"/16"] = place
	}
	path := filepath.Join(t.TempDir(), "city.mmdb")
	writeDatabase(t, path, networks)
	return path
}

// writeDatabase puts a GeoIP2-City file of networks and their places in place at once.
func writeDatabase(t *testing.T, path string, networks map[string]string) {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoIP2-City", RecordSize: 24})
	if err != nil {
		t.Fatal(err)
	}
	for cidr, place := range networks {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		country, state, _ := strings.Cut(place, "-")
		record := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(country)}}
		if state != "" {
			record["subdivisions"] = mmdbtype.Slice{mmdbtype.Map{"iso_code": mmdbtype.String(state)}}
		}
		if err := w.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".next", b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
}
