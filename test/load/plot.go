package main

import (
	"fmt"
	"os"
	"strings"

	"assent/test/load/rig"
)

// plot draws the median requests per second of each side as bars.
func plot(path string, sides []*side, results map[int][][]figure) error {
	const barHeight, left, width = 26, 250, 420
	var most float64
	for _, rows := range results {
		for i := range sides {
			most = max(most, rig.Median(column(rows, i, perSecond)))
		}
	}
	var b strings.Builder
	y := 10
	for _, connections := range counts {
		fmt.Fprintf(&b, `<text x="10" y="%d" font-weight="bold">%d connections</text>`+"\n", y+16, connections)
		y += barHeight
		for i, s := range sides {
			v := rig.Median(column(results[connections], i, perSecond))
			share := rig.Median(column(results[connections], i, ratio))
			w := int(v / most * width)
			fill := []string{"#9aa5b1", "#3e8ed0", "#2a9d6f", "#e9a03b", "#b5648f"}[i%5]
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text><rect x="%d" y="%d" width="%d" height="%d" fill="%s"/><text x="%d" y="%d">%.0f/s (%.2f)</text>`+"\n",
				left-10, y+16, s.name, left, y+2, w, barHeight-6, fill, left+w+6, y+16, v, share)
			y += barHeight
		}
		y += 10
	}
	svg := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13"><rect width="100%%" height="100%%" fill="#fff"/>`+"\n%s</svg>\n", left+width+140, y, b.String())
	return os.WriteFile(path, []byte(svg), 0o644)
}
