//go:build !race

package sinks

import "testing"

func TestAppendLineAllocatesNothing(t *testing.T) {
	r := &Record{
		Key: []byte("visitor-é\xff\"1"), Value: []byte(`{"type":"track"}`),
		Headers: []Header{{"ce_id", []byte("0192d3a4")}, {"privacy-regime", []byte("gdpr")}},
	}
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { AppendLine(dst, r) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
