package main

import (
	"fmt"
	"os"
	"strings"
)

// plot draws p99, backlog and memory over time, one above the other; the grey
// part is without Kafka, the green part the drain.
func (t *trial) plot(path string) error {
	const left, width, height, gap = 90, 640, 110, 34
	if len(t.samples) < 2 {
		return fmt.Errorf("too few samples to plot: %d", len(t.samples))
	}
	end := t.samples[len(t.samples)-1].at.Seconds()
	x := func(seconds float64) float64 { return left + width*min(seconds/end, 1) }
	panels := []struct {
		title, unit, stroke string
		value               func(s *sample) float64
	}{
		{"p99 of an answer", "ms", "#3e8ed0", func(s *sample) float64 { return s.took.Millis(0.99) }},
		{"acknowledged, not yet in Kafka", "events", "#e9a03b", func(s *sample) float64 { return float64(s.backlog) }},
		{"resident memory", "MB", "#2a9d6f", func(s *sample) float64 { return s.rss }},
	}
	var b strings.Builder
	for i, p := range panels {
		top := float64(gap + i*(height+gap))
		fmt.Fprintf(&b, `<rect x="%.0f" y="%.0f" width="%.0f" height="%d" fill="#e4e7eb"/><rect x="%.0f" y="%.0f" width="%.0f" height="%d" fill="#dff3ea"/>`+"\n",
			x(t.down[outage].Seconds()), top, x(t.down[drain].Seconds())-x(t.down[outage].Seconds()), height,
			x(t.down[drain].Seconds()), top, x(t.down[after].Seconds())-x(t.down[drain].Seconds()), height)
		most := 1e-9
		for k := range t.samples {
			most = max(most, p.value(&t.samples[k]))
		}
		var points []string
		for k := range t.samples {
			s := &t.samples[k]
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(s.at.Seconds()), top+height*(1-max(p.value(s), 0)/most)))
		}
		fmt.Fprintf(&b, `<text x="%d" y="%.0f">%s</text><text x="%d" y="%.0f" text-anchor="end">%.4g %s</text><text x="%d" y="%.0f" text-anchor="end">0</text><line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="#9aa5b1"/><polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n",
			left, top-6, p.title, left-6, top+12, most, p.unit, left-6, top+height, left, top+height, left+width, top+height, strings.Join(points, " "), p.stroke)
	}
	bottom := gap + len(panels)*(height+gap)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%.0f min</text><text x="%.0f" y="%d">Kafka stopped</text>`+"\n", left+width, bottom-14, end/60, x(t.down[outage].Seconds()), bottom-14)
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13"><rect width="100%%" height="100%%" fill="#fff"/>`+"\n%s</svg>\n", left+width+20, bottom, b.String())
	return os.WriteFile(path, []byte(svg), 0o644)
}
