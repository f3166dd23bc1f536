package main

import (
	"path/filepath"
	"strings"
	"testing"

	"assent/disk"
)

// TestCheckWarnsOfWideTrust: whoever comes from a trusted network picks an address.
func TestCheckWarnsOfWideTrust(t *testing.T) {
	for network, warns := range map[string]bool{
		"0.0.0.0/0": true, "::/0": true, "128.0.0.0/1": true, "2000::/3": true, "::ffff:0:0/96": true,
		"10.0.0.0/8": false, "fc00::/7": false, "192.0.2.1": false, "::ffff:10.0.0.0/104": false,
	} {
		c := &config{Listen: "127.0.0.1:1", Trust: trustConfig{Networks: []string{network}}}
		told := false
		for _, w := range c.warnings() {
			told = told || strings.Contains(w.String(), "trust.networks[0]")
		}
		if told != warns {
			t.Errorf("%s: warns: %v", network, told)
		}
	}
}

// TestCheckWarnsOfLittleMemory: what one request may take must fit into the memory for
// all of them.
func TestCheckWarnsOfLittleMemory(t *testing.T) {
	for memory, warns := range map[int]bool{0: false, 12 << 20: false, 12<<20 - 1: true} {
		c := &config{Listen: "127.0.0.1:1"}
		c.Limits.Memory, c.Limits.Body, c.Limits.Decompressed = memory, 4<<20, 8<<20
		told := false
		for _, w := range c.warnings() {
			told = told || strings.Contains(w.String(), "limits.memory")
		}
		if told != warns {
			t.Errorf("%d bytes: warns: %v", memory, told)
		}
	}
}

// TestCheckWarnsOfReserve: a reserve larger than the disk leaves no room for events.
func TestCheckWarnsOfReserve(t *testing.T) {
	dir := t.TempDir()
	total, err := disk.OS{}.Total(dir)
	if err != nil {
		t.Fatal(err)
	}
	for reserve, want := range map[int64]bool{0: false, total / 2: false, total: true} {
		c := &config{Listen: "127.0.0.1:1", Kafka: kafkaConfig{Brokers: []string{"127.0.0.1:9"}}}
		c.Journal.Dir, c.Journal.ReserveBytes = filepath.Join(dir, "not", "yet"), reserve
		told := false
		for _, w := range c.warnings() {
			told = told || strings.Contains(w.String(), "every event will be answered 503")
		}
		if told != want {
			t.Errorf("%d of %d: warns: %v", reserve, total, told)
		}
	}
}
