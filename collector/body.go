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

	"assent/names"
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

// decompress decodes the body into x.body, at most limit bytes of it (RFC 9110,
// 8.4.1: content codings). Unknown or stacked codings are refused. What paid is asked
// about, by bytes so far, it may refuse: the sender pays for decoding as it goes on.
func (x *exchange) decompress(body []byte, limit int, paid func(int) *RequestError) *RequestError {
	encoding := x.encoding
	var err error
	switch {
	case names.EqualFold(encoding, "gzip"), names.EqualFold(encoding, "x-gzip"):
		r := gzipReaders.Get().(*gzip.Reader)
		defer gzipReaders.Put(r)
		if err = r.Reset(bytes.NewReader(body)); err == nil {
			err = x.readAll(r, limit, paid)
		}
	case names.EqualFold(encoding, "br"):
		r := brotliReaders.Get().(*brotli.Reader)
		defer brotliReaders.Put(r)
		if err = r.Reset(bytes.NewReader(body)); err == nil {
			err = x.readAll(r, limit, paid)
		}
	case names.EqualFold(encoding, "zstd"):
		r := zstdReaders.Get().(*zstd.Decoder)
		defer zstdReaders.Put(r)
		if err = r.Reset(bytes.NewReader(body)); err == nil {
			err = x.readAll(r, limit, paid)
		}
	case names.EqualFold(encoding, "deflate"):
		err = x.inflate(body, limit, paid)
	default:
		return &RequestError{ReasonEncoding, ""}
	}
	var own *RequestError
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, errDecompressed):
		return &RequestError{ReasonTooLarge, "the body is larger than allowed after decompression"}
	case err != nil:
		return &RequestError{ReasonDecompress, "the body is not what its content-encoding says, or is cut short"}
	}
	return nil
}

// inflate reads `deflate`, which is zlib by the standard and raw deflate from
// some senders (RFC 9110, 8.4.1.2, note).
func (x *exchange) inflate(body []byte, limit int, paid func(int) *RequestError) error {
	if len(body) >= 2 && body[0]&0x0f == 8 && (uint(body[0])<<8|uint(body[1]))%31 == 0 {
		r, err := zlib.NewReader(bytes.NewReader(body))
		if err != nil {
			return err
		}
		return x.readAll(r, limit, paid)
	}
	r := flateReaders.Get().(io.ReadCloser)
	defer flateReaders.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(body), nil); err != nil {
		return err
	}
	return x.readAll(r, limit, paid)
}

// readAll reads what r gives into x.body and stops one byte past the limit.
func (x *exchange) readAll(r io.Reader, limit int, paid func(int) *RequestError) error {
	b, taken := x.body[:0], 0
	for room := 4 << 10; ; room = min(2*cap(b), limit+1) {
		if err := paid(len(b)); err != nil {
			return err
		}
		var ok bool
		if b, ok = x.grow(b, room, &taken); !ok {
			return errOverloaded
		}
		for len(b) < cap(b) {
			n, err := r.Read(b[len(b):cap(b)])
			b = b[:len(b)+n]
			x.body = b
			switch {
			case len(b) > limit:
				return errDecompressed
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
		}
	}
}
