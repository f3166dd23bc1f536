package main

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"assent/collector"
)

// TestEveryLimitIsExplained: docs/limits.md has a row for every number that the
// config can hold, with the default that it has when it is left out.
func TestEveryLimitIsExplained(t *testing.T) {
	raw, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| ([^|]+) \\| [^|]{3,} \\| [^|]+ \\|$").FindAllStringSubmatch(string(raw), -1) {
		rows[m[1]] = m[2]
	}
	want := defaults(t)
	no := map[string]bool{"node": true, "kafka.partitions": true, "kafka.replication": true} // they bound nothing
	for key, value := range want {
		cell, ok := rows[key]
		switch {
		case no[key]:
		case !ok:
			t.Errorf("no row of four cells for %s", key)
		case amount(t, cell) != value:
			t.Errorf("%s: the table says %s, the default is %v", key, cell, value)
		}
		delete(rows, key)
	}
	for key := range rows {
		t.Errorf("there is no %s in the config", key)
	}
}

// TestIdleConnectionsOutliveBalancers: a balancer that keeps a connection for longer
// than this node sends requests into connections that are being closed.
func TestIdleConnectionsOutliveBalancers(t *testing.T) {
	if idle, google := defaults(t)["limits.idle_timeout"], (600 * time.Second).Seconds(); idle <= google {
		t.Errorf("%v s, a balancer keeps them for %v s", idle, google)
	}
}

// defaults are the numbers of a config of which nothing was given, by key; times
// in seconds.
func defaults(t *testing.T) map[string]float64 {
	t.Helper()
	var c config
	c.ensureDefaults()
	edge := collector.Options{Limits: collector.Limits(c.Limits.edgeLimits)}
	edge.EnsureDefaults()
	files, kept := c.fileOptions(), c.journalOptions()
	files.EnsureDefaults()
	kept.EnsureDefaults()
	window := c.dedupOptions()
	window.EnsureDefaults()
	brokers, err := c.kafkaOptions()
	if err != nil {
		t.Fatal(err)
	}
	brokers.EnsureDefaults()
	known := map[string]reflect.Value{
		"limits.shutdown": reflect.ValueOf(c.Limits.Shutdown),
		"kafka.linger":    reflect.ValueOf(kept.Linger),
		"dedup.count":     reflect.ValueOf(window.Count),
	}
	for prefix, options := range map[string]any{"limits": edge.Limits, "journal": kept, "kafka": brokers, "files": fileNames{files.MaxFileBytes, files.MaxFileAge}} {
		fields(prefix, reflect.ValueOf(options), known)
	}
	all := map[string]float64{}
	numbers("", reflect.ValueOf(c), func(key string) {
		v, ok := known[key]
		if !ok {
			all[key] = -1
			return
		}
		all[key] = number(v)
	})
	return all
}

// fileNames are file.Options by the names of the config.
type fileNames struct {
	MaxBytes int64
	MaxAge   time.Duration
}

// fields adds the fields of a struct under the keys that the config has for them.
func fields(prefix string, v reflect.Value, to map[string]reflect.Value) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			name := regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(f.Name, "${1}_$2")
			if key := prefix + "." + strings.ToLower(name); !to[key].IsValid() {
				to[key] = v.Field(i)
			}
		}
	}
}

// numbers calls found with the key of every number in the config.
func numbers(prefix string, v reflect.Value, found func(key string)) {
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Tag.Get("yaml") == "" {
			continue
		}
		key := strings.TrimPrefix(prefix+"."+f.Tag.Get("yaml"), ".")
		switch f.Type.Kind() {
		case reflect.Struct:
			numbers(key, v.FieldByIndex(f.Index), found)
		case reflect.Int, reflect.Int64, reflect.Uint16, reflect.Float64:
			found(key)
		}
	}
}

func number(v reflect.Value) float64 {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return time.Duration(v.Int()).Seconds()
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	}
	return v.Float()
}

// amount reads a cell: a number and perhaps its unit.
func amount(t *testing.T, cell string) float64 {
	t.Helper()
	n, unit, _ := strings.Cut(cell, " ")
	value, err := strconv.ParseFloat(n, 64)
	scale, ok := map[string]float64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}[unit]
	if err != nil || !ok {
		t.Errorf("not an amount: %q", cell)
	}
	return value * scale
}
