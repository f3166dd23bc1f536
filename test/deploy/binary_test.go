//go:build linux

package deploy

import (
	"bufio"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const root = "../.."

// binary is what make build makes, built once for all tests; with paths, so that
// the packages built for other tests can be used.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "assent-deploy-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "assent")
	build := exec.Command("go", "build", "-ldflags", "-s -w -X main.version=v0-test", "-o", binary, "./cmd/assent")
	build.Dir, build.Env, build.Stderr = root, append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	if err := build.Run(); err != nil {
		panic("building the static binary: " + err.Error())
	}
	return m.Run()
}

// alone prepares the binary to run in a directory that holds nothing else, as in
// a container made from scratch, by nobody in particular.
func alone(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	raw, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "assent"), raw, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/assent", args...)
	c.Path, c.Dir, c.Env = "/assent", "/", []string{}
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 {
		if err := os.Chown(dir, 65532, 65532); err != nil {
			t.Fatal(err)
		}
		c.SysProcAttr.Credential = &syscall.Credential{Uid: 65532, Gid: 65532}
		return c
	}
	// Only a user namespace of its own lets others than root change the root.
	c.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
	c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	return c
}

func TestStatic(t *testing.T) {
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v segment: it needs a loader that a scratch image lacks", p.Type)
		}
	}
}

func TestAlone(t *testing.T) {
	for _, c := range []struct{ command, want string }{
		{"version", "assent v0-test "},
		{"check", "ok"},
		{"healthcheck --help", "readyz"},
	} {
		out, err := alone(t, strings.Fields(c.command)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("assent %s: %v: want %q, got\n%s", c.command, err, c.want, out)
		}
	}
}

// TestServeAlone runs the whole life of a container: start, healthy, stop.
func TestServeAlone(t *testing.T) {
	server := alone(t, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data", "/data")
	var log strings.Builder
	server.Stderr = &log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(time.Minute, func() { _ = server.Process.Kill() })
	defer watchdog.Stop()

	var url string
	lines := bufio.NewScanner(out)
	for url == "" && lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "admin "); ok {
			url = strings.TrimSuffix(strings.Fields(rest)[0], "/metrics")
		}
	}
	if url == "" {
		_ = server.Wait()
		t.Fatalf("serve said no admin address; stderr:\n%s", &log)
	}
	if out, err := alone(t, "healthcheck", "--url", url+"/readyz").CombinedOutput(); err != nil {
		t.Errorf("healthcheck: %v\n%s", err, out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // until it closes its output
	}
	if err := server.Wait(); err != nil {
		t.Errorf("serve after SIGTERM: %v; stderr:\n%s", err, &log)
	}
	if out, err := alone(t, "healthcheck", "--url", url+"/readyz").CombinedOutput(); err == nil {
		t.Errorf("healthcheck of a stopped server is content:\n%s", out)
	}
}
