package journal

import (
	"math"
	"strings"
	"testing"
)

// TestBoundsOfTheDisk: a journal larger than any disk cannot start, and one that leaves
// more free than there is takes nothing.
func TestBoundsOfTheDisk(t *testing.T) {
	said := func(most, reserve int64) string {
		o := Options{Dir: "d", MaxBytes: most, ReserveBytes: reserve}
		o.EnsureDefaults()
		return o.Validate().Error() // there is no forwarder
	}
	for _, k := range []struct {
		most, reserve int64
		want          string
	}{
		{maxBytes + 1, 1, "max bytes: 17592186044417 is above 16 TiB"},
		{math.MaxInt64, 1, "max bytes: 9223372036854775807 is above 16 TiB"},
		{1, maxReserve + 1, "reserve bytes: 1099511627777 is above 1 TiB"},
		{1, math.MaxInt64, "reserve bytes: 9223372036854775807 is above 1 TiB"},
	} {
		if got := said(k.most, k.reserve); !strings.Contains(got, k.want) {
			t.Errorf("want %q in %q", k.want, got)
		}
	}
	if got := said(maxBytes, maxReserve); strings.Contains(got, "bytes") {
		t.Error(got)
	}
}
