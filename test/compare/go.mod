module assent/test/compare

go 1.26.8

replace assent => ../..

require (
	assent v0.0.0-00010101000000-000000000000
	github.com/VictoriaMetrics/metrics v1.35.1
	github.com/klauspost/compress v1.20.3
	github.com/twmb/franz-go v1.22.2
)

require (
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
	github.com/segmentio/kafka-go v0.4.51 // indirect
	github.com/twmb/franz-go/pkg/kmsg v1.15.0 // indirect
	github.com/valyala/fastrand v1.1.0 // indirect
	github.com/valyala/histogram v1.2.0 // indirect
	github.com/xdg-go/pbkdf2 v1.0.0 // indirect
	github.com/xdg-go/scram v1.1.2 // indirect
	github.com/xdg-go/stringprep v1.0.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
