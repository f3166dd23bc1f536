package main

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// greet says where everything is.
func greet(out io.Writer, cfg *config, public, back net.Addr) {
	fmt.Fprintf(out, "assent %s\n", versionString())
	if cfg.showsDemo() {
		fmt.Fprintf(out, "  try it      http://%s/\n", public)
	}
	fmt.Fprintf(out, "  events      POST http://%s/v1/events\n", public)
	fmt.Fprintf(out, "  choices     POST http://%s/v1/consent\n", public)
	fmt.Fprintf(out, "  admin       http://%s/metrics  /healthz  /readyz\n", back)
	if len(cfg.Kafka.Brokers) > 0 {
		fmt.Fprintf(out, "  records to  Kafka at %s\n", strings.Join(cfg.Kafka.Brokers, ","))
		return
	}
	fmt.Fprintf(out, "  records to  %s/<topic>/*.ndjson\n", cfg.Files.Dir)
}
