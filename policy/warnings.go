package policy

import (
	"strings"

	"assent/consent"
	"assent/strictyaml"
)

// Warnings is what a document says that stands but will disappoint: keys that have
// no effect yet, and topics that a broker may not tell apart.
func (d *Document) Warnings() strictyaml.Problems {
	ps := &strictyaml.Report{File: d.File}
	for _, p := range d.Purposes {
		for _, scheme := range sortedKeys(signalSchemes) {
			if len(p.Signals[scheme]) > 0 && !consent.Mapped(scheme) {
				ps.Addf(p.at[scheme], "purpose %s: signals.%s has no effect yet: these signals are not read", p.Name, scheme)
			}
		}
		if p.AudienceMeasurement {
			ps.Addf(p.at["audience_measurement"], "purpose %s: audience_measurement has no effect yet: the purpose is judged by its basis alone", p.Name)
		}
	}
	flat := map[string]string{}
	for _, r := range d.Recipients {
		// Kafka writes both as _ in the names of its metrics.
		key := strings.ReplaceAll(r.Topic, ".", "_")
		if other, taken := flat[key]; taken {
			ps.Addf(r.atTopic(), "recipient %s: topic %q differs from %q only in . and _, which Kafka's metrics do not tell apart", r.ID, r.Topic, other)
		}
		flat[key] = r.Topic
	}
	return ps.Sorted()
}
