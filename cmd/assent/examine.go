package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"assent/admin"
	"assent/collector"
	"assent/consent"
	"assent/consent/cmp"
	"assent/consent/signals"
	"assent/geo"
	"assent/names"
	"assent/policy"
	"assent/sinks"
	"assent/sinks/journal"
	"assent/sinks/kafka"
	"assent/web/pages"
)

// refusePlaceholders keeps a copied example from running with the secrets that
// everybody has.
func (c *config) refusePlaceholders(p *problems, sources []*collector.Source) {
	for i, s := range sources {
		if strings.HasPrefix(s.Bearer, placeholder) {
			p.add(fmt.Sprintf("$.sources[%d].bearer_file", i), "source %q: its bearer token is the example's: put a secret of your own in its file", s.ID)
		}
	}
}

// placeholder begins the secrets of the example configuration.
const placeholder = "PLACEHOLDER-"

// examine finds everything that keeps a config from running, as far as it can be
// found without writing: for check and before every start. It returns what of it
// is handed on.
func (c *config) examine() ([]*collector.Source, *geo.Proxies, *problems) {
	p := c.validate()
	sources := c.sources(p)
	c.refusePlaceholders(p, sources)
	proxies := c.proxies(p)
	c.signalPlaces(p)
	c.checkOptions(p)
	return sources, proxies, p
}

// reserved are the topics that the config gives away, with the keys that do.
func (c *config) reserved() map[string]string { return map[string]string{c.Topics.Bad: "topics.bad"} }

// showsDemo: the demo page judges whatever it is sent, for anybody, under the
// embedded policy. It is for the machine it runs on, unless asked for.
func (c *config) showsDemo() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return c.Policy == "" && (c.Demo || err == nil && admin.Loopback(host))
}

// pages are the demo page and its files.
func (c *config) pages(pol *policy.Policy) map[string]collector.Handler {
	if !c.showsDemo() {
		return nil
	}
	return pages.Demo(pol)
}

// visits are the pages of a person's own, beside the demo page.
func (c *config) visits() map[string]collector.Page {
	if !c.showsDemo() {
		return nil
	}
	return pages.Choices()
}

// checkOptions validates what serve hands to each wing.
func (c *config) checkOptions(p *problems) {
	if l := c.Limits.Shutdown; l < time.Second || l > time.Hour {
		p.add("$.limits.shutdown", "%s is not within 1s to 1h0m0s: what is in flight needs a moment, and an end", l)
	}
	p.addAll("limits", collector.Limits(c.Limits.edgeLimits).Validate())
	files := c.fileOptions()
	files.EnsureDefaults()
	p.addAll("files", files.Validate())
	window := c.dedupOptions()
	window.EnsureDefaults()
	p.addAll("dedup", window.Validate())
	if len(c.Kafka.Brokers) > 0 {
		o, err := c.kafkaOptions()
		if err != nil {
			at := "$.kafka.sasl"
			if c.Kafka.SASL.PasswordFile != "" {
				at += ".password_file"
			}
			p.add(at, "%v", err)
		}
		if o.TLS != nil && o.TLS.KeyFile != "" {
			if err := checkPrivate(o.TLS.KeyFile); err != nil {
				p.add("$.kafka.tls.key_file", "%v", err)
			}
		}
		o.EnsureDefaults()
		p.addAll("kafka", o.Validate())
		if l := c.Kafka.Linger; l < 0 || l > journal.MaxLinger {
			p.add("$.kafka.linger", "%s is not within 0s to %s", l, journal.MaxLinger)
		}
		j := c.journalOptions()
		j.Forwarder = (*kafka.Forwarder)(nil) // there is one when it counts
		j.Linger, j.BadTopic = 0, ""          // reported above
		j.EnsureDefaults()
		p.addAll("journal", j.Validate())
	}
}

// validate finds every problem of the file itself; policy and databases are
// checked by opening them.
func (c *config) validate() *problems {
	p := c.problems()
	for _, l := range []struct{ name, addr string }{{"listen", c.Listen}, {"admin.listen", c.Admin.Listen}} {
		_, port, err := net.SplitHostPort(l.addr)
		if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
			p.add("$."+l.name, "%q is not host:port", l.addr)
		}
	}
	if host, _, err := net.SplitHostPort(c.Admin.Listen); err == nil && c.Admin.TokenFile == "" && !admin.Loopback(host) {
		p.add("$.admin.listen", "%q is reachable from outside and needs admin.token_file", c.Admin.Listen)
	}
	if c.Admin.TokenFile != "" {
		if _, err := secretFile(c.Admin.TokenFile); err != nil {
			p.add("$.admin.token_file", "%v", err)
		}
	}
	c.checkListeners(p)
	c.checkPlaces(p)
	c.checkCookies(p)
	if c.Demo && c.Policy != "" {
		p.add("$.demo", "the demo page shows the embedded policy: remove demo, or policy")
	}
	if err := sinks.ValidTopic(c.Topics.Bad); err != nil {
		p.add("$.topics.bad", "%q: %v", c.Topics.Bad, err)
	} else if names.Reserved(c.Topics.Bad) {
		p.add("$.topics.bad", "%q is reserved: choose another", c.Topics.Bad)
	}
	return p
}

// signalPlaces are where signals are looked for beside the places of the table.
func (c *config) signalPlaces(p *problems) (out []*signals.Place) {
	taken := map[string]bool{}
	plain := func(name string) string { return strings.TrimPrefix(name, collector.HostPrefix) }
	own := []string{"assent_choice", "assent_id", plain(c.Cookies.Choice), plain(c.Cookies.ID)}
	for i, s := range c.Signals {
		at := fmt.Sprintf("$.signals[%d]", i)
		place, err := s.place()
		switch {
		case err != nil:
			p.add(at, "%v", err)
		case place.In == signals.Cookie && slices.Contains(own, plain(place.Name)):
			p.add(at, "%s is one of Assent's own", place)
		case taken[place.String()]:
			p.add(at, "%s is there twice", place)
		default:
			taken[place.String()] = true
			out = append(out, place)
		}
	}
	return out
}

func (s *signalConfig) place() (*signals.Place, error) {
	in, name, ways := signals.Header, s.Header, 0
	for where, n := range map[signals.Where]string{signals.Header: s.Header, signals.Cookie: s.Cookie, signals.Query: s.Query} {
		if n != "" {
			in, name, ways = where, n, ways+1
		}
	}
	switch {
	case ways != 1:
		return nil, errors.New("write one of header, cookie, query")
	case (s.As == "") == (s.Form == nil):
		return nil, errors.New("write one of as, form")
	case s.Form == nil:
		scheme, err := consent.ParseScheme(s.As)
		if err != nil {
			return nil, err
		}
		return signals.Renamed(in, name, scheme)
	}
	f, err := s.Form.form()
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	place, err := signals.Declared(in, name, f)
	if err != nil {
		return nil, fmt.Errorf("form: %w", err)
	}
	return place, nil
}

func (f *formConfig) form() (cmp.Form, error) {
	out := cmp.Form{Decode: f.Decode, Granted: f.Granted, Denied: f.Denied, Ignore: f.Ignore, Made: f.Made, Expires: f.Expires, Chosen: f.Chosen}
	switch len(f.Pairs) {
	case 0:
	case 2:
		out.Pairs = [2]string(f.Pairs)
	default:
		return out, errors.New("pairs: write two, what stands between entries and what between key and value; none: the value is JSON")
	}
	for _, r := range f.Rules {
		rule := cmp.Rule{Path: r.Path}
		switch r.Said {
		case "":
		case "granted":
			rule.Said = cmp.Granted
		case "denied":
			rule.Said = cmp.Denied
		default:
			return out, fmt.Errorf("rules: said: %q is none of granted, denied", r.Said)
		}
		out.Rules = append(out.Rules, rule)
	}
	return out, nil
}
