package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress/lz4"
)

// A codec is how the records of a batch are compressed: bits 0 to 2 of the
// batch's attributes.
type codec uint16

const (
	codecNone codec = iota
	codecGzip
	codecSnappy
	codecLz4
	codecZstd
)

var codecs = map[string]codec{"none": codecNone, "gzip": codecGzip, "snappy": codecSnappy, "lz4": codecLz4, "zstd": codecZstd}

// sink is a writer that appends.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// A compressor appends what it makes of src to dst. It is used by one goroutine
// at a time.
type compressor func(dst, src []byte) ([]byte, error)

// newCompressor returns a compressor with state of its own. The fastest levels
// are used: JSON of one schema compresses well at any, and here every event
// pays.
func newCompressor(c codec) compressor {
	out := &sink{}
	switch c {
	case codecGzip:
		gz, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		return func(dst, src []byte) ([]byte, error) {
			out.b = dst
			gz.Reset(out)
			return out.finish(gz, src)
		}
	case codecSnappy:
		return func(dst, src []byte) ([]byte, error) {
			n := len(dst)
			dst = append(dst, make([]byte, s2.MaxEncodedLen(len(src)))...)
			return dst[:n+len(s2.EncodeSnappy(dst[n:], src))], nil
		}
	case codecLz4:
		return func(dst, src []byte) ([]byte, error) {
			out.b = dst
			return out.finish(new(lz4.Codec).NewWriter(out), src)
		}
	case codecZstd:
		enc := sharedZstd()
		return func(dst, src []byte) ([]byte, error) { return enc.EncodeAll(src, dst), nil }
	default:
		return func(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }
	}
}

// finish writes src through w into s and takes what s holds.
func (s *sink) finish(w io.WriteCloser, src []byte) ([]byte, error) {
	if _, err := w.Write(src); err != nil {
		return nil, err
	}
	err := w.Close()
	dst := s.b
	s.b = nil
	return dst, err
}

// sharedZstd is one encoder for all: it holds as many states as processors, each
// of some megabytes. Its own checksum is left out, since the batch has one.
var sharedZstd = sync.OnceValue(func() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithWindowSize(64<<10))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return enc
})

// maxPlain bounds what the records of one foreign batch may unpack to.
const maxPlain = 64 << 20

var errUnpacked = errors.New("records unpack to more than may be read")

// decompress undoes any codec, whoever compressed: a topic may have its broker
// compress anew. No more than maxPlain bytes are allocated, whatever src says.
func decompress(c codec, src []byte) ([]byte, error) {
	switch c {
	case codecNone:
		return src, nil
	case codecGzip:
		gz, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return nil, err
		}
		return readBounded(gz)
	case codecSnappy:
		return unsnappy(src)
	case codecLz4:
		r := new(lz4.Codec).NewReader(bytes.NewReader(src))
		defer r.Close()
		return readBounded(r)
	case codecZstd:
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPlain), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, err
		}
		defer dec.Close()
		return dec.DecodeAll(src, nil)
	default:
		return nil, fmt.Errorf("unknown codec %d", c)
	}
}

func readBounded(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err == nil && len(out) > maxPlain {
		err = errUnpacked
	}
	return out, err
}

// xerial begins the framing of snappy that Java clients and brokers write: 8
// bytes of it, two versions of 4, then blocks with their length before them.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

func unsnappy(src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerial) {
		return appendSnappy(nil, src)
	}
	if len(src) < 16 {
		return nil, io.ErrUnexpectedEOF
	}
	var out []byte
	for src = src[16:]; len(src) > 0; {
		if len(src) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := binary.BigEndian.Uint32(src)
		if src = src[4:]; uint64(n) > uint64(len(src)) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if out, err = appendSnappy(out, src[:n]); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return out, nil
}

// snappyRatio is above what snappy can reach: a copy of 3 bytes makes 64.
const snappyRatio = 32

func appendSnappy(dst, block []byte) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if n > snappyRatio*len(block) || len(dst)+n > maxPlain {
		return nil, errUnpacked
	}
	plain, err := s2.Decode(nil, block)
	return append(dst, plain...), err
}
