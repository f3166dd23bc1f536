package file

import (
	"github.com/VictoriaMetrics/metrics"

	"assent/sinks"
)

var (
	meter          = sinks.NewMeter("file")
	syncSeconds    = metrics.NewHistogram(`assent_sinks_fsync_seconds{sink="file"}`)
	truncatedBytes = metrics.NewCounter(`assent_sinks_truncated_bytes_total{sink="file"}`)
	compressErrors = metrics.NewCounter(`assent_sinks_compress_errors_total{sink="file"}`)
)
