package wal

import (
	"bytes"
	"encoding/binary"
	"io"

	"assent/disk"
)

// A reader reads the entries of one file in order and passes over what is none.
type reader struct {
	file  disk.File
	nonce uint64
	tag   []byte // the nonce as it stands in a frame
	rough bool   // bytes that cannot be read are taken as zeros
	off   int64  // of what comes next
	end   int64  // nothing is read from here on
	seen  int64  // as far as anything looked like an entry

	block  *Block
	base   int64 // offset of the block's first byte
	filled int   // how much of it was read
}

func newReader(file disk.File, s *segment) reader {
	return reader{file: file, nonce: s.nonce, tag: binary.LittleEndian.AppendUint64(nil, s.nonce), off: headerBytes}
}

// next returns the next entry, whose payload lies in the block. A nil payload
// says instead that so many bytes before off hold none. It returns io.EOF at end.
func (r *reader) next() (f frame, payload []byte, gap int64, err error) {
	if r.off >= r.end {
		return f, nil, 0, io.EOF
	}
	f, entry, err := r.at(r.off)
	if err != nil {
		return f, nil, 0, err
	}
	if entry != nil {
		r.off += int64(len(entry))
		return f, entry[frameBytes:], 0, nil
	}
	to, err := r.find(r.off + 1)
	if err != nil {
		return f, nil, 0, err
	}
	gap = to - r.off
	r.off = to
	return f, nil, gap, nil
}

// at returns the entry at an offset, nil if there is none.
func (r *reader) at(off int64) (f frame, entry []byte, err error) {
	if r.end-off < frameBytes {
		return f, nil, nil
	}
	head, err := r.view(off, frameBytes)
	if err != nil {
		return f, nil, err
	}
	f, ok := parseFrame(head, r.nonce)
	if !ok || int64(f.group) > off { // whole, but moved: no entry stands before its group
		return f, nil, nil
	}
	size := int64(frameBytes + f.length)
	r.seen = max(r.seen, min(off+size, r.end))
	if off+size > r.end {
		return f, nil, nil
	}
	entry, err = r.view(off, int(size))
	if err != nil || !intact(entry[:size]) {
		return f, nil, err
	}
	return f, entry[:size:size], nil
}

// find returns the offset of the first entry from an offset on, end if there is
// none.
func (r *reader) find(off int64) (int64, error) {
	for r.end-off >= frameBytes {
		window, err := r.view(off, frameBytes)
		if err != nil {
			return 0, err
		}
		i := bytes.Index(window[nonceAt:], r.tag)
		if i < 0 {
			off += int64(len(window) - frameBytes + 1)
			continue
		}
		off += int64(i)
		_, entry, err := r.at(off)
		if err != nil {
			return 0, err
		}
		if entry != nil {
			return off, nil
		}
		off++
	}
	return r.end, nil
}

// view returns what is in memory from an offset on, which is at least n bytes.
// The offset is not before that of an earlier call, and n bytes are before end.
func (r *reader) view(off int64, n int) ([]byte, error) {
	if r.block == nil || off+int64(n) > r.base+int64(r.filled) {
		if err := r.load(off, n); err != nil {
			return nil, err
		}
	}
	return r.block.buf[off-r.base : r.filled], nil
}

// load reads on until the block is full or end is reached. What is needed and
// does not fit into this block goes into a new one.
func (r *reader) load(off int64, n int) error {
	if r.block == nil || off+int64(n) > r.base+int64(len(r.block.buf)) {
		b, kept := newBlock(n), 0
		if r.block != nil {
			if have := r.base + int64(r.filled); off < have {
				kept = copy(b.buf, r.block.buf[off-r.base:r.filled])
			}
			r.block.Release()
		}
		r.block, r.base, r.filled = b, off, kept
	}
	from := r.base + int64(r.filled)
	want := r.block.buf[r.filled:]
	want = want[:min(int64(len(want)), r.end-from)]
	got, err := r.file.ReadAt(want, from)
	if err == io.EOF { // shorter than it should be
		clear(want[got:])
		err = nil
	}
	if err != nil && r.rough {
		err = nil
		r.pages(want, from)
	}
	if err == nil {
		r.filled += len(want)
	}
	return err
}

// pages reads page by page and leaves zeros where that fails.
func (r *reader) pages(dst []byte, from int64) {
	for len(dst) > 0 {
		page := dst[:min(int64(len(dst)), pageUp(from+1)-from)]
		if _, err := r.file.ReadAt(page, from); err != nil {
			clear(page)
		}
		dst, from = dst[len(page):], from+int64(len(page))
	}
}

// close lets go of the block.
func (r *reader) close() {
	if r.block != nil {
		r.block.Release()
		r.block = nil
	}
}
