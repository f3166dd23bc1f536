package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"assent/keys"
	"assent/policy"
)

// policies are all this node has judged by and may need again: what waits in the
// journal is judged again by the policy that judged it first, also after a
// restart with another. The documents stay in a folder, by hash.
type policies struct {
	dir  string
	ring *keys.Ring

	mu     sync.Mutex
	byHash map[string]*policy.Policy // nil: known to be gone
}

func openPolicies(dir string, ring *keys.Ring) (*policies, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating policy folder: %w", err)
	}
	return &policies{dir: dir, ring: ring, byHash: map[string]*policy.Policy{}}, nil
}

// load reads the policy at path, the embedded one without a path, and keeps its
// document. It must be durable before the first event is judged by it.
func (s *policies) load(path string) (*policy.Policy, error) {
	p, raw, err := readPolicy(path, s.ring)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHash[p.Hash()] == nil {
		if err := keepFile(s.path(p.Hash()), raw); err != nil {
			return nil, fmt.Errorf("keeping policy: %w", err)
		}
	}
	s.byHash[p.Hash()] = p
	return p, nil
}

// get returns the policy of that hash, or nil when its document is gone or gives
// another policy now. It is compiled once.
func (s *policies) get(hash string) *policy.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.byHash[hash]
	if !known && filepath.IsLocal(hash) {
		if found, _, err := readPolicy(s.path(hash), s.ring); err == nil && found.Hash() == hash {
			p = found
		}
		s.byHash[hash] = p
	}
	return p
}

func (s *policies) path(hash string) string { return filepath.Join(s.dir, hash+".yaml") }

// keepFile writes a file so that it is whole or not there, whatever happens. It
// does nothing when the file exists.
func keepFile(path string, content []byte) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
