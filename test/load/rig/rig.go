// Package rig sets up what the measuring programs measure: the real binary, the
// bare handler it is held against, a real Kafka, visitors who granted analytics,
// and requests made of theirs.
package rig

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	kafkatest "assent/test/kafka"
)

// A Rig is one measuring program's set-up; everything it starts ends with it.
type Rig struct {
	Dir    string // its own; removed at the end
	env    string
	config string
	tb     *harness
}

// FreePort returns a loopback address where nobody listens.
func FreePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Main runs a measuring program: it adds the flags that all of them share,
// parses, runs and cleans up, also when interrupted.
func Main(name string, run func(r *Rig) error) {
	r := &Rig{tb: &harness{name: name}}
	flag.StringVar(&r.env, "env", "", "`NAME=VALUE`[,…] for the assent process only, such as GOMAXPROCS=3")
	flag.StringVar(&r.config, "config", "", "`YAML` to add to assent's config file, sections that the program does not write itself; \\n parts lines")
	flag.Parse()
	var err error
	if r.Dir, err = os.MkdirTemp("", "assent-"+name); err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { os.RemoveAll(r.Dir) })
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	go func() { r.tb.Fatal(<-interrupted) }()
	if err := run(r); err != nil {
		r.tb.Fatal(err)
	}
	r.tb.end()
}

// Build builds commands of this module as the product is built, without C.
func (r *Rig) Build(packages ...string) error { return r.build("", packages) }

func (r *Rig) build(checkout string, packages []string) error {
	for _, pkg := range packages {
		build := exec.Command("go", "build", "-o", filepath.Join(r.Dir, filepath.Base(pkg)), pkg)
		build.Env, build.Stderr, build.Dir = append(os.Environ(), "CGO_ENABLED=0"), os.Stderr, checkout
		if err := build.Run(); err != nil {
			return fmt.Errorf("building %s: %w", pkg, err)
		}
	}
	return nil
}

// Other is a rig of the same settings whose commands are built from another
// checkout of the module.
func (r *Rig) Other(checkout string, packages ...string) (*Rig, error) {
	other := *r
	other.Dir = filepath.Join(r.Dir, "other")
	return &other, other.build(checkout, packages)
}

// A Broker is a real Kafka that can be stopped and started.
type Broker struct {
	*kafkatest.Broker
	tb *harness
}

// Stop ends it in order; Restart starts it on the same data and address.
func (b *Broker) Stop()    { b.Broker.Stop(b.tb) }
func (b *Broker) Restart() { b.Broker.Restart(b.tb) }

// Broker starts a Kafka with six partitions a topic and the virtual machine's
// options of Kafka's own start script: the test harness starts fast instead,
// with a compiler that stops half way.
func (r *Rig) Broker() *Broker {
	// Unlike JAVA_TOOL_OPTIONS this stands above the command line.
	os.Setenv("_JAVA_OPTIONS", "-XX:TieredStopAtLevel=4 -XX:-UseSerialGC -XX:+UseG1GC -Xms1g -Xmx1g -XX:MaxGCPauseMillis=20")
	return &Broker{kafkatest.StartWith(r.tb, kafkatest.Options{Settings: []string{"num.partitions=6", "log.segment.bytes=1073741824"}}), r.tb}
}

// harness lets a program use a harness made for tests.
type harness struct {
	testing.TB // nil: what is not here is not asked of it
	name       string
	ends       []func()
	failed     bool
}

func (h *harness) Helper()                   {}
func (h *harness) Failed() bool              { return h.failed }
func (h *harness) Cleanup(f func())          { h.ends = append(h.ends, f) }
func (h *harness) Logf(f string, a ...any)   { fmt.Fprintf(os.Stderr, f+"\n", a...) }
func (h *harness) Fatalf(f string, a ...any) { h.Fatal(fmt.Sprintf(f, a...)) }

func (h *harness) Fatal(a ...any) {
	h.failed = true
	fmt.Fprintf(os.Stderr, "\r\x1b[K%s: %s\n", h.name, strings.TrimSpace(fmt.Sprintln(a...)))
	h.end()
	os.Exit(1)
}

func (h *harness) TempDir() string {
	dir, err := os.MkdirTemp("", "assent-"+h.name)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (h *harness) end() {
	for _, f := range slices.Backward(h.ends) {
		f()
	}
	h.ends = nil
}
