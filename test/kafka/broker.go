package kafkatest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	version    = "4.1.0"
	startLimit = 60 * time.Second
	stopLimit  = 30 * time.Second
)

// A Broker is one KRaft node (broker and controller in one process) on loopback
// that creates no topic unasked.
type Broker struct {
	Addr   string   // HOST:PORT of the plain-text listener; the same after Restart
	Inside []string // HOST:PORT that each proxy of Options.Behind forwards to
	Secure *Secure  // with Options.Secure

	id      int
	heap    string // -Xmx
	dir     string // configuration, data and log
	process *exec.Cmd
	exited  chan struct{}
}

// Options of a broker. The zero value has a plain-text listener alone.
type Options struct {
	Settings []string // further lines of server.properties
	Secure   bool     // the listeners of Secure too
	Behind   []string // HOST:PORT of proxies: a listener more for each, whose clients are sent to the proxy
}

// Start starts a broker of the test's own and stops it when the test ends.
func Start(t testing.TB) *Broker {
	t.Helper()
	return StartWith(t, Options{})
}

// StartWith starts a broker of the test's own with options.
func StartWith(t testing.TB, o Options) *Broker {
	t.Helper()
	b, err := newBroker(t.TempDir(), &o)
	if err != nil {
		t.Fatal(err)
	}
	b.endWith(t)
	return b
}

// endWith ends the broker with the test, and shows its log if that has failed.
func (b *Broker) endWith(t testing.TB) {
	t.Cleanup(func() {
		b.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the end of the log of broker %d:\n%s", b.id, b.logTail())
		}
	})
}

var shared struct {
	once     sync.Once
	broker   *Broker
	lifeline *os.File // closed by the end of the process, which the reaper waits for
	err      error
}

// Shared returns the broker that all tests of this process share; the first
// call starts it. It dies with the process. Tests use topics of their own and
// leave it running.
func Shared(t testing.TB) *Broker {
	t.Helper()
	return SharedWith(t, Options{})
}

// SharedWith is Shared with options: those of the first call hold.
func SharedWith(t testing.TB, o Options) *Broker {
	t.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "kafkatest-")
		if err != nil {
			shared.err = err
			return
		}
		shared.broker, shared.err = newBroker(dir, &o)
		if shared.err != nil {
			os.RemoveAll(dir)
			return
		}
		shared.err = reapWithParent(shared.broker.process.Process.Pid, dir)
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the broker's log:\n%s", shared.broker.logTail())
		}
	})
	return shared.broker
}

// reapWithParent has a shell wait for the end of this process, however it ends,
// then kill the broker and remove its data.
func reapWithParent(pid int, dir string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	reaper := exec.Command("sh", "-c", `cat; kill -9 "$1"; rm -rf "$2"`, "reaper", fmt.Sprint(pid), dir)
	reaper.Stdin = r
	reaper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := reaper.Start(); err != nil {
		return err
	}
	shared.lifeline = w
	return nil
}

func newBroker(dir string, o *Options) (*Broker, error) {
	libs, err := jars()
	if err != nil {
		return nil, err
	}
	b := &Broker{id: 1, heap: "-Xmx384m", dir: dir}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	if err := b.configure(libs, o, []int{ports[0]}); err != nil {
		return nil, err
	}
	return b, b.launch(libs)
}

func (b *Broker) java(libs, class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{
		"-Xms64m", b.heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + b.path("log4j2.properties"),
		"-cp", filepath.Join(libs, "*"), class,
	}, args...)...)
}

// launch starts the node on its configuration and waits until it answers.
func (b *Broker) launch(libs string) error {
	log, err := os.OpenFile(b.path("broker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := b.java(libs, "kafka.Kafka", b.path("server.properties"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting kafka: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait()
		close(exited)
	}()
	b.process, b.exited = cmd, exited
	for limit := time.Now().Add(startLimit); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		select {
		case <-exited:
			return fmt.Errorf("kafka ended while starting; its log:\n%s", b.logTail())
		default:
		}
		if conn, err := net.Dial("tcp", b.Addr); err == nil {
			conn.Close()
			if exec.Command("kcat", "-L", "-b", b.Addr, "-m", "2").Run() == nil {
				return nil
			}
		}
	}
	b.end(syscall.SIGKILL)
	return fmt.Errorf("kafka did not answer within %s; its log:\n%s", startLimit, b.logTail())
}

// Stop ends the broker in order (SIGTERM). Its data and address stay.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	if !b.end(syscall.SIGTERM) {
		t.Fatalf("kafka did not stop within %s", stopLimit)
	}
}

// Kill ends the broker at once (SIGKILL). Its data and address stay.
func (b *Broker) Kill(t testing.TB) {
	t.Helper()
	b.end(syscall.SIGKILL)
}

// Pause freezes the broker (SIGSTOP): connections stay open and nothing answers.
func (b *Broker) Pause(t testing.TB) { t.Helper(); b.signal(t, syscall.SIGSTOP) }

// Resume ends a Pause.
func (b *Broker) Resume(t testing.TB) { t.Helper(); b.signal(t, syscall.SIGCONT) }

func (b *Broker) signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := b.process.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Restart starts a broker that was stopped or killed, and waits until it
// answers.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	libs, err := jars()
	if err == nil {
		err = b.launch(libs)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// end signals the process and reports whether it is gone.
func (b *Broker) end(s os.Signal) bool {
	if b.process == nil {
		return true
	}
	b.process.Process.Signal(s)
	select {
	case <-b.exited:
		return true
	case <-time.After(stopLimit):
		b.process.Process.Kill()
		<-b.exited
		return false
	}
}

// Log returns what the broker has logged so far.
func (b *Broker) Log(t testing.TB) []byte {
	t.Helper()
	log, err := os.ReadFile(b.path("broker.log"))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func (b *Broker) logTail() []byte {
	log, err := os.ReadFile(b.path("broker.log"))
	if err != nil {
		return []byte(err.Error())
	}
	const most = 2 << 10
	if len(log) > most {
		log = log[len(log)-most:]
	}
	return bytes.TrimSpace(log)
}

// jars returns the folder of Kafka's jars, having checked that everything the
// harness runs is installed.
func jars() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	libs := filepath.Join(filepath.Dir(file), "..", "..", ".cache", "kafka", version, "libs")
	if _, err := os.Stat(filepath.Join(libs, "..", "complete")); err != nil {
		return "", fmt.Errorf("apache kafka %s is not installed: run scripts/kafka.sh", version)
	}
	for _, name := range []string{"java", "kcat"} {
		if _, err := exec.LookPath(name); err != nil {
			return "", fmt.Errorf("%s is not installed: run scripts/kafka.sh", name)
		}
	}
	return libs, nil
}

// freePorts returns n ports that were free a moment ago, below those that the
// kernel gives to outgoing connections (32768 and above): a broker that is away, or
// about to start, does not lose its port to one.
func freePorts(n int) (ports []int, err error) {
	for try := 0; len(ports) < n; try++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000)))
		if err != nil && try < 1000 {
			continue
		}
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
