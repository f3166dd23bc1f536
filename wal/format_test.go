package wal

import (
	"encoding/hex"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

func checksum(s string) uint32 { return crc32.Checksum([]byte(s), castagnoli) }

// TestFormat pins every byte of a segment: what an older process wrote must be
// read for ever.
func TestFormat(t *testing.T) {
	data, starts := sample(0x1122334455667788, "alone", "one Append", "last")
	var out strings.Builder
	part := func(title string, bytes []byte) { fmt.Fprintf(&out, "%s\n%s\n", title, hex.Dump(bytes)) }
	part("header: format 1, number 7, nonce 1122334455667788, created 2026-11-22T10:15:00Z, segment 6 ends at 4096", data[:headerBytes])
	part("entry 0, the first group", data[starts[0]:starts[1]])
	part("entries 1 and 2, one Append", data[starts[1]:starts[2]])
	part("entry 3", data[starts[2]:])
	const golden = "testdata/segment.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(wanted) {
		t.Errorf("the format is now\n%s", out.String())
	}
	h, ok := parseHeader(data)
	if wanted := (header{7, 0x1122334455667788, 1_795_342_500_000, 6, 4096}); !ok || h != wanted {
		t.Errorf("the header reads %+v, want %+v", h, wanted)
	}
	if name := fileName(7, 0x1122334455667788, live); name != "000000000007-1122334455667788.wal" {
		t.Errorf("its name is %s", name)
	}
}
