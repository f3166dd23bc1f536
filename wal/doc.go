// Package wal is a log on disk: segmented, checksummed, committed in groups. Its
// entries are opaque bytes.
//
//	DIR/.lock                         held while a Log is open
//	DIR/<number>-<nonce>.wal          a segment; numbers ascend, may be missing, and are never used again
//	DIR/<number>-<nonce>.dirty        a file that was a segment, or is to become one: being overwritten with zeros
//	DIR/<number>-<nonce>.clean        zeros, waiting to become a segment
//	DIR/quarantine/<number>-<offset>  raw bytes of a damaged region
//
// A segment is a header and entries without gaps. Numbers are little-endian;
// offsets count from the start of the file. What follows the last entry means
// nothing.
//
//	header, 64 bytes
//	 0        8        12    16       24      32        40       48    56    60     64
//	 ├────────┼────────┼─────┼────────┼───────┼─────────┼────────┼─────┼─────┼──────┤
//	 │ASSENT-W│ format │  0  │ number │ nonce │ created │ before │ end │  0  │ crc  │
//	 └────────┴────────┴─────┴────────┴───────┴─────────┴────────┴─────┴─────┴──────┘
//	  format   1
//	  created  milliseconds since 1970
//	  before   number of the segment that the same process wrote before this one, or 0
//	  end      offset at which that one's entries end
//	  crc      CRC-32C of bytes 0 to 60
//
//	entry, 24 bytes and its payload
//	 0     4          8       12      16      24        24+length
//	 ├─────┼──────────┼───────┼───────┼───────┼─────────┤
//	 │ crc │ m length │ index │ group │ nonce │ payload │
//	 └─────┴──────────┴───────┴───────┴───────┴─────────┘
//	  crc     CRC-32C of the payload followed by bytes 4 to 24
//	  m       highest bit of length: the next entry is of the same Append
//	  index   of this entry in its segment, from 0
//	  group   offset at which the entries of the same group commit begin
//	  nonce   the segment's: random, so that no byte of a file's former life and
//	          no payload is ever taken for an entry, and the header may be lost
//
// A group is what is written and synced together, so only the last group of a
// segment can be torn by a crash, and its Appends were acknowledged to nobody:
// it ends before its first unreadable entry or incomplete Append. Anything
// unreadable before the last group is damage. Where the next header names the
// end, all that is unreadable before it is damage and nothing behind it counts.
//
// After a failed write or sync the file is given up: the kernel may have dropped
// the pages and report success for the next sync. The next group starts a new
// segment, whose header says where the old one's durable bytes end.
//
// Overwriting blocks that are allocated and written costs less than half the sync
// of a growing file. So released segments are overwritten with zeros, which they
// need anyhow because they hold personal data, and become segments again.
package wal
