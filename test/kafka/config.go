package kafkatest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// configure writes the node's configuration and formats its storage.
// controllers are the ports of every node's controller listener; this node's is
// at its id less one.
func (b *Broker) configure(libs string, o *Options, controllers []int) error {
	ports, err := freePorts(1 + len(o.Behind))
	if err != nil {
		return err
	}
	b.Addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	n := len(controllers)
	voters := make([]string, n)
	for i, port := range controllers {
		voters[i] = fmt.Sprintf("%d@127.0.0.1:%d", i+1, port)
	}
	l := listeners{}
	l.add("PLAINTEXT", "PLAINTEXT", b.Addr, b.Addr)
	l.add("CONTROLLER", "PLAINTEXT", fmt.Sprintf("127.0.0.1:%d", controllers[b.id-1]), "")
	for i, proxy := range o.Behind {
		addr := fmt.Sprintf("127.0.0.1:%d", ports[i+1])
		l.add(fmt.Sprintf("PROXIED%d", i), "PLAINTEXT", addr, proxy)
		b.Inside = append(b.Inside, addr)
	}
	lines := []string{
		"process.roles=broker,controller",
		fmt.Sprintf("node.id=%d", b.id),
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"controller.quorum.voters=" + strings.Join(voters, ","),
		"log.dirs=" + b.path("data"),
		"num.partitions=3",
		"auto.create.topics.enable=false",
		fmt.Sprintf("default.replication.factor=%d", n),
		fmt.Sprintf("min.insync.replicas=%d", (n+1)/2),
		fmt.Sprintf("offsets.topic.replication.factor=%d", n),
		fmt.Sprintf("transaction.state.log.replication.factor=%d", n),
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		// A killed node is let in again only when its old session has ended.
		"broker.session.timeout.ms=2000",
		"broker.heartbeat.interval.ms=400",
		"log.segment.bytes=16777216",
		"offsets.topic.num.partitions=1",
		"transaction.state.log.num.partitions=1",
		fmt.Sprintf("share.coordinator.state.topic.replication.factor=%d", n),
		"share.coordinator.state.topic.min.isr=1",
	}
	var format []string
	if o.Secure {
		secured, scram, err := b.secure(&l)
		if err != nil {
			return err
		}
		lines, format = append(lines, secured...), scram
	}
	lines = append(append(lines, l.lines()...), o.Settings...)
	files := map[string]string{"server.properties": strings.Join(lines, "\n") + "\n", "log4j2.properties": logConfig}
	for name, content := range files {
		if err := os.WriteFile(b.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	const cluster = "YXNzZW50LXRlc3RzLTEyMw" // any 16 bytes in base64url
	format = append([]string{"format", "-t", cluster, "-c", b.path("server.properties")}, format...)
	if out, err := b.java(libs, "kafka.tools.StorageTool", format...).CombinedOutput(); err != nil {
		return fmt.Errorf("formatting the broker's storage: %w\n%s", err, out)
	}
	return nil
}

// listeners are the lines about them, as they grow.
type listeners struct{ listen, advertise, protocols []string }

// add adds a listener; one without an advertised address is for controllers.
func (l *listeners) add(name, protocol, addr, advertised string) {
	l.listen = append(l.listen, name+"://"+addr)
	l.protocols = append(l.protocols, name+":"+protocol)
	if advertised != "" {
		l.advertise = append(l.advertise, name+"://"+advertised)
	}
}

func (l *listeners) lines() []string {
	return []string{
		"listeners=" + strings.Join(l.listen, ","),
		"advertised.listeners=" + strings.Join(l.advertise, ","),
		"listener.security.protocol.map=" + strings.Join(l.protocols, ","),
	}
}

const logConfig = `rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m (%c)%n
`

func (b *Broker) path(name string) string { return filepath.Join(b.dir, name) }
