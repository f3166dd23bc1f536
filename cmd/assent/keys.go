package main

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"assent/disk"
	"assent/keys"
	"assent/redact"
)

// loadKeys reads the ring, or makes one on the first start.
func loadKeys(path string) (*keys.Ring, error) {
	if missing(path) {
		return newKeys(disk.OS{}, path)
	}
	raw, err := readSecret(path)
	if err != nil {
		return nil, fmt.Errorf("opening keys: %w", err)
	}
	ring, err := keys.Parse(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading keys: %s: %w", path, err)
	}
	return ring, nil
}

// newKeys makes a ring. A key that is lost after a choice was signed with it cannot
// be had again: its file and the folder's entry are synced before its first use.
func newKeys(system disk.FS, path string) (*keys.Ring, error) {
	ring, err := keys.Generate(rand.Reader)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := ring.WriteTo(&b); err != nil {
		return nil, err
	}
	if err := keepFile(system, path, b.Bytes()); err != nil {
		return nil, fmt.Errorf("creating keys: %w", err)
	}
	return ring, nil
}

// checkKeys reads the ring if there is one; serve makes one where there is none.
func checkKeys(path string) (*keys.Ring, error) {
	if missing(path) {
		return keys.Generate(zeros{})
	}
	return loadKeys(path)
}

// zeros stands in for randomness where the keys made with it are thrown away.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// oldest is the key that stays the longest when keys rotate by a new one on top.
func oldest(ring []keys.Key) keys.Key { return ring[len(ring)-1] }

// hmacKeys gives a policy its named keys: each name has one of its own from
// every master secret, and rotates with them.
func hmacKeys(ring *keys.Ring) func(name string) []redact.Key {
	return func(name string) []redact.Key {
		var out []redact.Key
		for _, k := range ring.Derive("hmac/" + name) {
			key, err := redact.NewKey(name+"."+k.ID, k.Secret[:])
			if err != nil {
				return nil // the policy's check says that there is no such key
			}
			out = append(out, key)
		}
		return out
	}
}
