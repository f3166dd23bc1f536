package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"assent/collector"
	"assent/disk"
	"assent/keys"
	"assent/policy"
)

// policies are all this node has judged by and may need again: what waits in the
// journal is judged again by the policy that judged it first, also after a
// restart with another. The documents stay in a folder, by hash.
type policies struct {
	dir      string
	ring     *keys.Ring
	reserved map[string]string // topics that recipients of what is put in force may not have

	mu     sync.Mutex
	byHash map[string]*policy.Policy // nil: known to be gone
}

func newPolicies(dir string, ring *keys.Ring, reserved map[string]string) (*policies, error) {
	if err := disk.MakeDir(disk.OS{}, dir); err != nil {
		return nil, fmt.Errorf("creating policy folder: %w", err)
	}
	return &policies{dir: dir, ring: ring, reserved: reserved, byHash: map[string]*policy.Policy{}}, nil
}

// load reads the policy at path, the embedded one without a path, and keeps its
// document. It must be durable before the first event is judged by it.
func (s *policies) load(path string) (*policy.Policy, error) {
	p, raw, err := readPolicy(path, s.ring, s.reserved)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byHash[p.Hash()] == nil {
		if err := keepFile(disk.OS{}, s.path(p.Hash()), raw); err != nil {
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
		if found, _, err := readPolicy(s.path(hash), s.ring, nil); err == nil && found.Hash() == hash {
			p = found
		}
		s.byHash[hash] = p
	}
	return p
}

func (s *policies) path(hash string) string { return filepath.Join(s.dir, hash+".yaml") }

// keepFile writes a file so that it is whole and durable or not there, whatever
// happens. It does nothing when the file exists.
func keepFile(system disk.FS, path string, content []byte) error {
	if f, err := system.OpenRead(path); err == nil {
		return f.Close()
	}
	temporary := path + ".new"
	_ = system.Remove(temporary) // what a crash left of an attempt
	f, err := system.Create(temporary)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = system.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, system.Remove(temporary))
	}
	return system.SyncDir(filepath.Dir(path))
}

// readPolicy reads and compiles a policy, the embedded one without a path, and
// returns its document beside it. What it returns can be put in force. reserved
// are topics that recipients may not have.
func readPolicy(path string, ring *keys.Ring, reserved map[string]string) (*policy.Policy, []byte, error) {
	name, raw := "default.yaml", policy.Default()
	if path != "" {
		var err error
		if raw, err = os.ReadFile(path); err != nil {
			return nil, nil, fmt.Errorf("reading policy: %w", err)
		}
		name = path
	}
	doc, wrong := policy.Parse(name, raw)
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	p, wrong := policy.Compile(doc, policy.Options{Keys: hmacKeys(ring), Offers: collector.Offers, Reserved: reserved})
	if len(wrong) > 0 {
		return nil, nil, wrong
	}
	if err := collector.CheckPolicy(p); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, raw, nil
}
