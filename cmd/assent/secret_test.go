package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"assent/disk/disktest"
)

func write(t *testing.T, path, content string, mode fs.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

const enough = "a-secret-of-more-than-twenty-characters\n"

// TestSecretsArePrivate: whichever key names a secret's file, one that others can
// read is refused at its place, with what to run.
func TestSecretsArePrivate(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "private"), enough, 0o600)
	open := write(t, filepath.Join(dir, "open"), enough, 0o644)
	write(t, filepath.Join(dir, "openkeys"), "1 "+strings.Repeat("A", 43)+"\n", 0o644)
	for config, place := range map[string]string{
		"admin: {token_file: open}":                                                             "$.admin.token_file: ",
		"sources: [{id: a, kind: server, bearer_file: open}]":                                   "$.sources[0].bearer_file: ",
		"kafka: {brokers: ['a:1'], sasl: {mechanism: PLAIN, username: u, password_file: open}}": "$.kafka.sasl.password_file: ",
		"kafka: {brokers: ['a:1'], tls: {cert_file: private, key_file: open}}":                  "$.kafka.tls.key_file: ",
		"keys: openkeys": "opening keys: ",
	} {
		path := write(t, filepath.Join(dir, "assent.yaml"), config+"\n", 0o600)
		all := told(t, path)
		if !strings.Contains(all, "can be read or changed by others: chmod 600 "+open) || !strings.Contains(all, place) || strings.Contains(all, "a-secret") ||
			strings.Contains(all, "needs a key") { // a file that cannot be taken is one problem, not two
			t.Errorf("%s: %s", config, all)
		}
		if all = told(t, write(t, path, strings.ReplaceAll(config, "open", "private"), 0o600)); strings.Contains(all, "chmod") {
			t.Errorf("a private file, %s: %s", config, all)
		}
	}
	for _, mode := range []fs.FileMode{0o604, 0o640, 0o620, 0o660, 0o606, 0o601} {
		if _, err := secretFile(write(t, open, enough, mode)); err == nil || !strings.Contains(err.Error(), "chmod 600 "+open) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// TestMountedSecrets: another user's file may be read by a group that it was given
// to, as container and service managers do.
func TestMountedSecrets(t *testing.T) {
	for _, c := range []struct {
		own, member bool
		mode        fs.FileMode
		ok          bool
	}{
		{true, true, 0o400, true},
		{true, true, 0o600, true},
		{true, true, 0o700, true},
		{true, true, 0o440, false},
		{true, false, 0o440, false},
		{false, true, 0o440, true},
		{false, true, 0o640, true},
		{false, true, 0o660, false},
		{false, true, 0o444, false},
		{false, false, 0o440, false},
		{false, false, 0o400, true},
	} {
		if ok := c.mode&^privateMode(c.own, c.member) == 0; ok != c.ok {
			t.Errorf("own %v, member %v, mode %o: %v, want %v", c.own, c.member, c.mode, ok, c.ok)
		}
	}
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	path := write(t, filepath.Join(t.TempDir(), "secret"), enough, 0o440)
	if _, err := secretFile(path); err == nil || !strings.Contains(err.Error(), "chmod 600 ") {
		t.Errorf("our own file, read by our group: %v", err)
	}
	if err := os.Chown(path, 12345, os.Getegid()); err != nil {
		t.Fatal(err)
	}
	if _, err := secretFile(path); err != nil {
		t.Errorf("a file given to our group: %v", err)
	}
	write(t, path, enough, 0o444)
	if _, err := secretFile(path); err == nil || !strings.Contains(err.Error(), "chmod 640 ") {
		t.Errorf("a file given to everybody: %v", err)
	}
}

// TestKeysSurvivePowerLoss: keys that were made are there after it, whole.
func TestKeysSurvivePowerLoss(t *testing.T) {
	system := disktest.New()
	if err := system.Mkdir("data"); err != nil {
		t.Fatal(err)
	}
	if err := system.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	if _, err := newKeys(system, "data/keys"); err != nil {
		t.Fatal(err)
	}
	made := system.Files("keys")["data/keys"]
	if made == "" {
		t.Fatal("no keys")
	}
	for seed := range uint64(50) {
		if left := system.Cut(random(seed)).Files("keys")["data/keys"]; left != made {
			t.Fatalf("after a power loss the file holds %d bytes of %d", len(left), len(made))
		}
	}
}

// TestMarkIsNoContent: a byte order mark at the beginning of a file changes nothing.
func TestMarkIsNoContent(t *testing.T) {
	dir := t.TempDir()
	const mark = "\ufeff"
	write(t, filepath.Join(dir, "token"), mark+enough, 0o600)
	write(t, filepath.Join(dir, "keys"), mark+"1 "+strings.Repeat("A", 43)+"\n", 0o600)
	write(t, filepath.Join(dir, "policy.yaml"), mark+policyOf("x", "events"), 0o600)
	write(t, filepath.Join(dir, "event.json"), mark+`{"type":"page"}`, 0o600)
	config := write(t, filepath.Join(dir, "assent.yaml"), mark+"listen: nonsense\nadmin: {token_file: token}\nkeys: keys\npolicy: policy.yaml\n", 0o600)
	if all := told(t, config); all != config+`:1:9: $.listen: "nonsense" is not host:port` {
		t.Errorf("check says %s", all)
	}
	if token, err := secretFile(filepath.Join(dir, "token")); err != nil || token != strings.TrimSpace(enough) {
		t.Errorf("the token is read as %q, %v", token, err)
	}
	if event, err := readEvent(filepath.Join(dir, "event.json"), nil); err != nil || string(event) != `{"type":"page"}` {
		t.Errorf("the event is read as %q, %v", event, err)
	}
}
