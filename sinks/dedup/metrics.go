package dedup

import "github.com/VictoriaMetrics/metrics"

var (
	evictions = metrics.NewCounter(`assent_dedup_evictions_total`) // IDs that made room for newer ones
	damaged   = metrics.NewCounter(`assent_dedup_damaged_total`)   // entries and files that could not be read back
	failures  = metrics.NewCounter(`assent_dedup_write_failures_total`)
)
