package file

import (
	"github.com/VictoriaMetrics/metrics"

	"assent/metric"
	"assent/sinks"
)

var (
	meter          = sinks.NewMeter("file")
	syncSeconds    = metric.NewHistogram(metrics.GetDefaultSet(), `assent_sinks_fsync_seconds{sink="file"}`)
	truncatedBytes = metrics.NewCounter(`assent_sinks_truncated_bytes_total{sink="file"}`)
	compressErrors = metrics.NewCounter(`assent_sinks_compress_errors_total{sink="file"}`)
)
