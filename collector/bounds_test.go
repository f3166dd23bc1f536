package collector

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestLimitsHaveTwoBounds: no field of Limits takes what a node fails with, below
// or above; each error names its key and both bounds. What is left out is fine.
func TestLimitsHaveTwoBounds(t *testing.T) {
	bounds := map[string][2]int64{ // just within
		"Header": {4 << 10, 1 << 20}, "Body": {1 << 10, 256 << 20}, "Decompressed": {1 << 10, 256 << 20},
		"Event": {512, 256 << 20}, "Events": {1, 1e6}, "Connections": {1, 1 << 20}, "Memory": {1 << 20, math.MaxInt / 4},
		"ReadTimeout": {int64(time.Second), int64(time.Hour)}, "WriteTimeout": {int64(time.Second), int64(time.Hour)},
		"IdleTimeout": {int64(time.Second), int64(24 * time.Hour)},
		"SourceRate":  {1, 1e6}, "SourceBurst": {1, 1e9}, "AddressRate": {1, 1e6}, "AddressBurst": {1, 1e9},
		"ChoiceRate": {1, 1e6}, "ChoiceBurst": {1, 1e9}, "BadRows": {1, 1e6}, "BadRowBurst": {1, 1e9},
	}
	if err := (Limits{}).Validate(); err != nil {
		t.Error(err)
	}
	for i := range reflect.TypeFor[Limits]().NumField() {
		name := reflect.TypeFor[Limits]().Field(i).Name
		b, ok := bounds[name]
		if !ok {
			t.Errorf("the table of this test has no row for %s", name)
			continue
		}
		set := func(n int64) string {
			var l Limits
			reflect.ValueOf(&l).Elem().Field(i).SetInt(n)
			if err := l.Validate(); err != nil {
				return err.Error()
			}
			return ""
		}
		for _, n := range b {
			if said := set(n); said != "" {
				t.Errorf("%s %d: %s", name, n, said)
			}
		}
		bad := []int64{-1, b[1] + 1, math.MaxInt}
		if b[0] > 1 {
			bad = append(bad, 1, b[0]-1)
		}
		for _, n := range bad {
			if said := set(n); !strings.Contains(said, " is not within ") || !strings.HasPrefix(strings.ReplaceAll(said, "_", ""), "limits: "+strings.ToLower(name)+": ") {
				t.Errorf("%s %d: %q", name, n, said)
			}
		}
	}
}
