package collector

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

var errDecompressed = errors.New("larger than allowed after decompression")

// zstdWindow bounds what a frame header can make the decoder reserve
// (RFC 8878, 3.1.1.1.2: decoders should support at least 8 MB).
const zstdWindow = 8 << 20

// Decoders are kept between requests: a zstd or brotli state is larger than most bodies.
var (
	gzipReaders   = sync.Pool{New: func() any { return new(gzip.Reader) }}
	brotliReaders = sync.Pool{New: func() any { return brotli.NewReader(nil) }}
	flateReaders  = sync.Pool{New: func() any { return flate.NewReader(nil) }}
	zstdReaders   = sync.Pool{New: func() any {
		r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			panic("BUG: zstd options: " + err.Error())
		}
		return r
	}}
)

// decompress appends the decoded body to dst, at most limit bytes (RFC 9110,
// 8.4.1: content codings). Unknown or stacked codings are refused.
func decompress(dst, body, encoding []byte, limit int) ([]byte, *RequestError) {
	var err error
	switch {
	case asciiEqualFold(encoding, "gzip"), asciiEqualFold(encoding, "x-gzip"):
		r := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(r)
		if err = r.Reset(bytes.NewReader(body)); err == nil {
			dst, err = readAll(dst, r, limit)
		}
	case asciiEqualFold(encoding, "br"):
		r := brotliReaders.Get().(*brotli.Reader)
		defer brotliReaders.Put(r)
		if err = r.Reset(bytes.NewReader(body)); err == nil {
			dst, err = readAll(dst, r, limit)
		}
	case asciiEqualFold(encoding, "zstd"):
		r := zstdReaders.Get().(*zstd.Decoder)
		defer zstdReaders.Put(r)
		if err = r.Reset(bytes.NewReader(body)); err == nil {
			dst, err = readAll(dst, r, limit)
		}
	case asciiEqualFold(encoding, "deflate"):
		dst, err = inflate(dst, body, limit)
	default:
		return dst, &RequestError{ReasonEncoding, ""}
	}
	switch {
	case errors.Is(err, errDecompressed):
		return dst, &RequestError{ReasonTooLarge, "the body is larger than allowed after decompression"}
	case err != nil:
		return dst, &RequestError{ReasonDecompress, "the body is not what its content-encoding says, or is cut short"}
	}
	return dst, nil
}

// inflate reads `deflate`, which is zlib by the standard and raw deflate from
// some senders (RFC 9110, 8.4.1.2, note).
func inflate(dst, body []byte, limit int) ([]byte, error) {
	if len(body) >= 2 && body[0]&0x0f == 8 && (uint(body[0])<<8|uint(body[1]))%31 == 0 {
		r, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			return dst, err
		}
		return readAll(dst, r, limit)
	}
	r := flateReaders.Get().(io.ReadCloser)
	defer flateReaders.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(body), nil); err != nil {
		return dst, err
	}
	return readAll(dst, r, limit)
}

// readAll appends what r gives to dst and stops one byte past the limit.
func readAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst)-start > limit {
			return dst, errDecompressed
		}
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

func asciiEqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}
