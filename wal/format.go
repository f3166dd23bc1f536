package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	magic       = "ASSENT-W"
	format      = 1
	headerBytes = 64
	frameBytes  = 24
	nonceAt     = 16 // in a frame
	pageBytes   = 4096

	// maxEntry keeps a length apart from the flag beside it and a group's offset
	// within 32 bits.
	maxEntry = 256 << 20
	more     = 1 << 31 // flag in a length
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func pageUp(n int64) int64 { return (n + pageBytes - 1) &^ (pageBytes - 1) }

// A header is what a segment says about itself.
type header struct {
	number, nonce uint64
	created       int64
	before        uint64
	end           int64
}

// appendHeader appends the encoded header.
func appendHeader(dst []byte, h *header) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint64(dst, format)
	dst = binary.LittleEndian.AppendUint64(dst, h.number)
	dst = binary.LittleEndian.AppendUint64(dst, h.nonce)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.created))
	dst = binary.LittleEndian.AppendUint64(dst, h.before)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.end))
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

// parseHeader reads a header and reports whether it is one.
func parseHeader(src []byte) (h header, ok bool) {
	if len(src) < headerBytes || string(src[:8]) != magic || binary.LittleEndian.Uint64(src[8:]) != format ||
		binary.LittleEndian.Uint32(src[60:]) != crc32.Checksum(src[:60], castagnoli) {
		return header{}, false
	}
	return header{
		number:  binary.LittleEndian.Uint64(src[16:]),
		nonce:   binary.LittleEndian.Uint64(src[24:]),
		created: int64(binary.LittleEndian.Uint64(src[32:])),
		before:  binary.LittleEndian.Uint64(src[40:]),
		end:     int64(binary.LittleEndian.Uint64(src[48:])),
	}, true
}

// A frame is what stands before a payload.
type frame struct {
	length       int
	more         bool
	index, group uint32
}

// appendEntry appends a payload behind a frame that is complete but for the
// index, the group and the nonce, which seal adds. sum is the payload's
// checksum.
func appendEntry(dst, payload []byte, sum uint32, another bool) []byte {
	length := uint32(len(payload))
	if another {
		length |= more
	}
	dst = binary.LittleEndian.AppendUint32(dst, sum)
	dst = binary.LittleEndian.AppendUint32(dst, length)
	dst = append(dst, make([]byte, 16)...)
	return append(dst, payload...)
}

// seal completes the entries that appendEntry left in buf as one group that
// begins at an offset of a segment, with indexes from first on, and returns how
// many they are.
func seal(buf []byte, first, group uint32, nonce uint64) (n uint32) {
	for ; len(buf) > 0; n++ {
		binary.LittleEndian.PutUint32(buf[8:], first+n)
		binary.LittleEndian.PutUint32(buf[12:], group)
		binary.LittleEndian.PutUint64(buf[nonceAt:], nonce)
		sum := binary.LittleEndian.Uint32(buf)
		binary.LittleEndian.PutUint32(buf, crc32.Update(sum, castagnoli, buf[4:frameBytes]))
		buf = buf[frameBytes+int(binary.LittleEndian.Uint32(buf[4:])&^more):]
	}
	return n
}

// unseal makes entries fit for seal again.
func unseal(buf []byte) {
	for len(buf) > 0 {
		size := frameBytes + int(binary.LittleEndian.Uint32(buf[4:])&^more)
		binary.LittleEndian.PutUint32(buf, crc32.Checksum(buf[frameBytes:size], castagnoli))
		buf = buf[size:]
	}
}

// parseFrame reads the frame at the start of src, which holds at least that
// much. It reports whether the frame may be one; only intact makes sure.
func parseFrame(src []byte, nonce uint64) (f frame, ok bool) {
	length := binary.LittleEndian.Uint32(src[4:])
	f = frame{
		length: int(length &^ more),
		more:   length&more != 0,
		index:  binary.LittleEndian.Uint32(src[8:]),
		group:  binary.LittleEndian.Uint32(src[12:]),
	}
	return f, binary.LittleEndian.Uint64(src[nonceAt:]) == nonce && f.length <= maxEntry
}

// intact reports whether a whole entry is as it was written.
func intact(entry []byte) bool {
	sum := crc32.Checksum(entry[frameBytes:], castagnoli)
	return crc32.Update(sum, castagnoli, entry[4:frameBytes]) == binary.LittleEndian.Uint32(entry)
}

// The states of a file, which its name ends in.
const (
	live  = ".wal"
	dirty = ".dirty"
	clean = ".clean"
)

// fileName returns the name of a file.
func fileName(number, nonce uint64, state string) string {
	return fmt.Sprintf("%012d-%016x%s", number, nonce, state)
}

// parseName reads a file's name and reports whether it is one of the log's.
func parseName(name string) (number, nonce uint64, state string, ok bool) {
	rest, dot := name, strings.IndexByte(name, '.')
	if dot >= 0 {
		rest, state = name[:dot], name[dot:]
	}
	left, right, _ := strings.Cut(rest, "-")
	number, err := strconv.ParseUint(left, 10, 64)
	if err != nil {
		return 0, 0, "", false
	}
	if nonce, err = strconv.ParseUint(right, 16, 64); err != nil {
		return 0, 0, "", false
	}
	known := state == live || state == dirty || state == clean
	return number, nonce, state, known && name == fileName(number, nonce, state)
}
