package rig

import (
	"fmt"
	"os"
	"slices"
)

// Median returns the middle of v, which it sorts; 0 of nothing.
func Median(v []float64) float64 {
	slices.Sort(v)
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Spread writes the median of v with its ends.
func Spread(v []float64) string {
	mid := Median(v)
	if len(v) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", mid, v[0], v[len(v)-1])
}

// Progress overwrites one line of stderr; an empty one clears it.
func Progress(format string, args ...any) { fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...) }
