package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"assent/consent"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errChecksum = errors.New("consent store: a value that is not what was written")
	errReading  = errors.New("consent store: reading failed") // Pebble's errors may quote a key, and a key is somebody's id
)

func subjectKey(space byte, s consent.Subject) []byte {
	key := make([]byte, 0, 2+len(s.ID))
	return append(append(key, space, byte(s.Kind)), s.ID...)
}

func receiptKey(space byte, id string) []byte { return append([]byte{space}, id...) }

// ownerKey is what the keys of a subject's receipts begin with. The length keeps an id
// from being the beginning of another.
func ownerKey(s consent.Subject) []byte {
	key := binary.BigEndian.AppendUint16([]byte{'s', byte(s.Kind)}, uint16(len(s.ID)))
	return append(key, s.ID...)
}

// after is the least key behind all that begin with prefix, which is no row of 0xff.
func after(prefix []byte) []byte {
	key := bytes.Clone(prefix)
	for i := len(key) - 1; ; i-- {
		if key[i]++; key[i] != 0 {
			return key[:i+1]
		}
	}
}

// seal appends the checksum of a key and its value to the value.
func seal(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.BigEndian.AppendUint32(value[:len(value):len(value)], sum)
}

// unseal checks and removes it.
func unseal(key, sealed []byte) ([]byte, error) {
	n := len(sealed) - 4
	if n < 0 {
		return nil, errChecksum
	}
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, sealed[:n])
	if binary.BigEndian.Uint32(sealed[n:]) != sum {
		return nil, errChecksum
	}
	return sealed[:n], nil
}
