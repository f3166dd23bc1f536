package kafka

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"assent/metric"
	"assent/sinks"
)

// What forwarding counts, for all forwarders of the process:
//
//	assent_kafka_produce_requests_total             batches sent
//	assent_kafka_produce_seconds                    from sending one to its answer
//	assent_kafka_records_total                      records stored
//	assent_kafka_bytes_total{form="plain"|"sent"}   bytes of batches sent, before and after compression
//	assent_kafka_retries_total{reason}              sends that have to be made again
//	assent_kafka_repeats_avoided_total              batches found stored already
//	assent_kafka_lookups_total{outcome}             batches looked for: stored, absent, doubtful, failed
var (
	producedRequests = metrics.NewCounter("assent_kafka_produce_requests_total")
	producedSeconds  = metric.NewHistogram(metrics.GetDefaultSet(), "assent_kafka_produce_seconds")
	storedRecords    = metrics.NewCounter("assent_kafka_records_total")
	plainBytes       = metrics.NewCounter(`assent_kafka_bytes_total{form="plain"}`)
	sentBytes        = metrics.NewCounter(`assent_kafka_bytes_total{form="sent"}`)
	repeatsAvoided   = metrics.NewCounter("assent_kafka_repeats_avoided_total")
)

func countLookup(outcome string) {
	metrics.GetOrCreateCounter(fmt.Sprintf("assent_kafka_lookups_total{outcome=%q}", outcome)).Inc()
}

func countRetry(r sinks.Reason) {
	metrics.GetOrCreateCounter(fmt.Sprintf("assent_kafka_retries_total{reason=%q}", r)).Inc()
}
