package collector

import (
	"testing"
	"time"
)

func TestAppendTimeIsRFC3339(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	for i := range 200_000 {
		at := time.Unix(int64(i)*1_234_567, int64(i)*987_654_321%1e9).In(zone)
		if got, want := string(appendTime(nil, at)), at.UTC().Format("2006-01-02T15:04:05.000Z07:00"); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}
