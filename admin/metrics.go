package admin

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"strings"
)

// metrics.txt is the closed table of what /metrics exposes about Assent, sorted by
// name: name | type | since when | help. Since when is one of start, kafka (from
// the start if there is Kafka) and first (when it first happens).
//
//go:embed metrics.txt
var metricsTable string

// A family is a row of the table.
type family struct{ name, kind, since, help string }

var families = readFamilies()

func readFamilies() (all []family) {
	for line := range strings.Lines(metricsTable) {
		cell := strings.SplitN(strings.TrimSpace(line), " | ", 4)
		all = append(all, family{cell[0], cell[1], cell[2], cell[3]})
	}
	return all
}

// familyOf returns the name of the family that a sample's line belongs to.
func familyOf(line []byte, histograms map[string]bool) string {
	name := string(line)
	if i := strings.IndexAny(name, "{ "); i >= 0 {
		name = name[:i]
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && histograms[base] {
			return base
		}
	}
	return name
}

// describe writes samples family by family, as the text format wants them, each
// with its help and type; one that the table lacks is written as it is.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func describe(w io.Writer, samples []byte) error {
	histograms := map[string]bool{}
	for _, f := range families {
		histograms[f.name] = f.kind == "histogram"
	}
	lines := map[string][]byte{}
	for line := range bytes.Lines(samples) {
		if line[0] == '#' {
			continue // the library's, which takes each series of a histogram for a gauge
		}
		name := familyOf(line, histograms)
		lines[name] = append(lines[name], line...)
	}
	var out bytes.Buffer
	for _, f := range families {
		if part, ok := lines[f.name]; ok {
			fmt.Fprintf(&out, "# HELP %s %s\n# TYPE %s %s\n%s", f.name, f.help, f.name, f.kind, part)
			delete(lines, f.name)
		}
	}
	for _, part := range lines {
		out.Write(part)
	}
	_, err := w.Write(out.Bytes())
	return err
}
