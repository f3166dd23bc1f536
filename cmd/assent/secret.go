package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// minSecret keeps tokens out of reach of guessing.
const minSecret = 20

// secretFile reads a token from a file that is private.
func secretFile(path string) (string, error) {
	raw, err := readSecret(path)
	if err != nil {
		return "", err
	}
	s := strings.TrimSpace(string(raw))
	if len(s) < minSecret {
		return "", fmt.Errorf("secret in %s has fewer than %d characters", path, minSecret)
	}
	return s, nil
}

// readSecret reads a file whose content is nobody else's to read.
func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading secret: %w", err)
	}
	defer f.Close()
	if err := private(f); err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("reading secret: %w", err)
	}
	return withoutMark(raw), nil
}

// checkPrivate looks at the mode of a secret that another package reads. A file
// that cannot be opened is for that package to tell.
func checkPrivate(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	return private(f)
}

// private refuses a file that others can read, and says what to run.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("reading secret: %w", err)
	}
	uid, gid, ok := owner(info)
	if !ok {
		return nil // a system without modes
	}
	groups, err := os.Getgroups()
	if err != nil {
		return fmt.Errorf("asking for this process's groups: %w", err)
	}
	own := uid == os.Geteuid()
	// With an access control list the group's bits are its mask: systemd gives
	// credentials so, with root's own group (systemd.exec(5), LoadCredential).
	member := gid == 0 || gid == os.Getegid() || slices.Contains(groups, gid)
	if mode := privateMode(own, member); info.Mode().Perm()&^mode != 0 {
		return fmt.Errorf("%s can be read or changed by others: chmod %o %s", f.Name(), mode&^0o100, f.Name())
	}
	return nil
}

// privateMode is the most that a secret's mode may allow. A file that another user
// gave to a group of ours, as mounted secrets are, can be read by that group alone.
func privateMode(own, member bool) fs.FileMode {
	if !own && member {
		return 0o740
	}
	return 0o700
}

// withoutMark takes the byte order mark off a file's beginning, which some editors
// write: it is no content (YAML 1.2, 5.2).
func withoutMark(raw []byte) []byte { return bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) }

// missing says that a file is not there.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
