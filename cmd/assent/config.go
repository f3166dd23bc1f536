package main

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent/signals"
	"assent/geo"
	"assent/names"
	"assent/policy"
	"assent/sinks"
	"assent/sinks/dedup"
	"assent/sinks/file"
	"assent/sinks/journal"
	"assent/sinks/kafka"
	"assent/strictyaml"
)

// config is assent.yaml. Flags stand above ASSENT_* variables, those above the
// file, and the file above the defaults. Relative paths in the file are
// relative to the file.
type config struct {
	Listen  string         `yaml:"listen"`
	Admin   adminConfig    `yaml:"admin"`
	Data    string         `yaml:"data"`
	Policy  string         `yaml:"policy"`
	Demo    bool           `yaml:"demo"`
	Keys    string         `yaml:"keys"`
	Geo     geoConfig      `yaml:"geo"`
	Trust   trustConfig    `yaml:"trust"`
	Sources []sourceConfig `yaml:"sources"`
	Signals []signalConfig `yaml:"signals"`
	Kafka   kafkaConfig    `yaml:"kafka"`
	Journal journalConfig  `yaml:"journal"`
	Dedup   dedupConfig    `yaml:"dedup"`
	Files   filesConfig    `yaml:"files"`
	Topics  topicsConfig   `yaml:"topics"`
	Cookies cookieConfig   `yaml:"cookies"`
	Limits  limitsConfig   `yaml:"limits"`
	Node    uint16         `yaml:"node"`

	file string           // where it was read from
	tree *strictyaml.Node // for the places of mistakes; nil: no file
}

type adminConfig struct {
	Listen    string `yaml:"listen"`
	TokenFile string `yaml:"token_file"`
	Pprof     bool   `yaml:"pprof"`
}

type geoConfig struct {
	File      string `yaml:"file"`
	Anonymous string `yaml:"anonymous"`
}

type trustConfig struct {
	Networks      []string `yaml:"networks"`
	CDNHeader     string   `yaml:"cdn_header"`
	CountryHeader string   `yaml:"country_header"`
	RegionHeader  string   `yaml:"region_header"`
}

type sourceConfig struct {
	ID         string   `yaml:"id"`
	Kind       string   `yaml:"kind"`
	Key        string   `yaml:"key"`
	BearerFile string   `yaml:"bearer_file"`
	Origins    []string `yaml:"origins"`
	Hosts      []string `yaml:"hosts"`
	Paths      []string `yaml:"paths"`
	Audience   string   `yaml:"audience"`
	MayName    []string `yaml:"may_name"`
	Authority  []string `yaml:"authority"`
	Accounts   string   `yaml:"accounts"`
	Promise    string   `yaml:"promise"`
}

// signalConfig is one more place of consent managers' values.
type signalConfig struct {
	Header string      `yaml:"header"`
	Cookie string      `yaml:"cookie"`
	Query  string      `yaml:"query"`
	As     string      `yaml:"as"` // a scheme whose values these are
	Form   *formConfig `yaml:"form"`
}

// formConfig is cmp.Form.
type formConfig struct {
	Decode  []string     `yaml:"decode"`
	Pairs   []string     `yaml:"pairs"`
	Rules   []ruleConfig `yaml:"rules"`
	Granted []string     `yaml:"granted"`
	Denied  []string     `yaml:"denied"`
	Ignore  []string     `yaml:"ignore"`
	Made    string       `yaml:"made"`
	Expires string       `yaml:"expires"`
	Chosen  string       `yaml:"chosen"`
}

type ruleConfig struct {
	Path string `yaml:"path"`
	Said string `yaml:"said"`
}

type kafkaConfig struct {
	Brokers      []string      `yaml:"brokers"`
	Compression  string        `yaml:"compression"`
	CreateTopics bool          `yaml:"create_topics"`
	Partitions   int           `yaml:"partitions"`
	Replication  int           `yaml:"replication"`
	Linger       time.Duration `yaml:"linger"`
	ProducerLife time.Duration `yaml:"producer_life"`
	TLS          *tlsConfig    `yaml:"tls"`
	SASL         *saslConfig   `yaml:"sasl"`
}

type tlsConfig struct {
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

type saslConfig struct {
	Mechanism    string `yaml:"mechanism"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
}

type journalConfig struct {
	Dir          string  `yaml:"dir"`
	MaxBytes     int64   `yaml:"max_bytes"`
	ReserveBytes int64   `yaml:"reserve_bytes"`
	HighWater    float64 `yaml:"high_water"`
}

type dedupConfig struct {
	Count int `yaml:"count"`
}

type filesConfig struct {
	Dir      string        `yaml:"dir"`
	MaxBytes int64         `yaml:"max_bytes"`
	MaxAge   time.Duration `yaml:"max_age"`
	Compress bool          `yaml:"compress"`
}

type topicsConfig struct {
	Bad string `yaml:"bad"`
}

type cookieConfig struct {
	Choice string `yaml:"choice"`
	ID     string `yaml:"id"`
	Domain string `yaml:"domain"`
	Path   string `yaml:"path"`
}

type limitsConfig struct {
	edgeLimits
	Shutdown time.Duration `yaml:"shutdown"`
}

// edgeLimits are collector.Limits, field by field.
type edgeLimits struct {
	Header       int           `yaml:"header"`
	Body         int           `yaml:"body"`
	Decompressed int           `yaml:"decompressed"`
	Event        int           `yaml:"event"`
	Events       int           `yaml:"events"`
	Connections  int           `yaml:"connections"`
	ReadTimeout  time.Duration `yaml:"read_timeout"`
	WriteTimeout time.Duration `yaml:"write_timeout"`
	IdleTimeout  time.Duration `yaml:"idle_timeout"`
	Memory       int           `yaml:"memory"`
	SourceRate   int           `yaml:"source_rate"`
	SourceBurst  int           `yaml:"source_burst"`
	AddressRate  int           `yaml:"address_rate"`
	AddressBurst int           `yaml:"address_burst"`
	ChoiceRate   int           `yaml:"choice_rate"`
	ChoiceBurst  int           `yaml:"choice_burst"`
	BadRows      int           `yaml:"bad_rows"`
	BadRowBurst  int           `yaml:"bad_row_burst"`
}

// ensureDefaults fills what neither flag, variable nor file set.
func (c *config) ensureDefaults() {
	set := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	set(&c.Listen, "127.0.0.1:8080")
	set(&c.Admin.Listen, "127.0.0.1:8081")
	set(&c.Data, "./assent-data")
	set(&c.Keys, filepath.Join(c.Data, "keys"))
	set(&c.Files.Dir, filepath.Join(c.Data, "events"))
	set(&c.Journal.Dir, filepath.Join(c.Data, "journal"))
	set(&c.Topics.Bad, "events.bad")
	if c.Limits.Shutdown == 0 {
		c.Limits.Shutdown = 20 * time.Second
	}
}

// relative puts paths of the file beside the file.
func (c *config) relative() {
	if c.file == "" {
		return
	}
	dir := filepath.Dir(c.file)
	paths := []*string{&c.Data, &c.Policy, &c.Keys, &c.Geo.File, &c.Geo.Anonymous, &c.Files.Dir, &c.Journal.Dir, &c.Admin.TokenFile}
	if t := c.Kafka.TLS; t != nil {
		paths = append(paths, &t.CAFile, &t.CertFile, &t.KeyFile)
	}
	if s := c.Kafka.SASL; s != nil {
		paths = append(paths, &s.PasswordFile)
	}
	for i := range c.Sources {
		paths = append(paths, &c.Sources[i].BearerFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

func (c *config) sources(p *problems) []*collector.Source {
	var out []*collector.Source
	for i, s := range c.Sources {
		at := fmt.Sprintf("$.sources[%d]", i)
		src := &collector.Source{
			ID: s.ID, Kind: collector.Kind(s.Kind), Key: s.Key, Origins: s.Origins, Hosts: s.Hosts, Paths: s.Paths,
			Audience: policy.General, Accounts: s.Accounts,
		}
		if s.Audience != "" {
			var err error
			if src.Audience, err = policy.ParseAudience(s.Audience); err != nil {
				p.add(at+".audience", "source %q: %v", s.ID, err)
			}
		}
		if s.BearerFile != "" {
			var err error
			if src.Bearer, err = secretFile(s.BearerFile); err != nil {
				p.add(at+".bearer_file", "source %q: %v", s.ID, err)
				src.Bearer = at // there is one, and its file is the only problem
			}
		}
		s.rights(p, at, src)
		switch {
		case s.Promise == "" || s.Promise == "durable":
		case s.Promise != "kafka":
			p.add(at+".promise", "source %q: promise %q is none of durable, kafka", s.ID, s.Promise)
		case len(c.Kafka.Brokers) == 0:
			p.add(at+".promise", "source %q: promise kafka needs kafka.brokers", s.ID)
		default:
			src.Promise = sinks.Delivered
		}
		out = append(out, src)
	}
	// The demo page's files stand under the same path as its page of choices.
	edge := collector.Options{Sources: out, Dialects: dialect.Routes(), Pages: c.visits()}
	for _, wrong := range edge.CheckSources() {
		p.add(fmt.Sprintf("$.sources[%d]", wrong.Index), "%v", wrong)
	}
	return out
}

// rights reads what a source may name or have named for its visitors.
func (s *sourceConfig) rights(p *problems, at string, src *collector.Source) {
	for k, right := range s.MayName {
		switch right {
		case "address":
			src.MayNameAddress = true
		case "event_time":
			src.MayNameTime = true
		default:
			p.add(fmt.Sprintf("%s.may_name[%d]", at, k), "source %q: %q is none of address, event_time", s.ID, right)
		}
	}
	for k, name := range s.Authority {
		scheme, err := signals.Speaker(name)
		if err != nil {
			p.add(fmt.Sprintf("%s.authority[%d]", at, k), "source %q: %v", s.ID, err)
			continue
		}
		src.Authority = src.Authority.With(scheme)
	}
	if s.Accounts != "" {
		if err := names.Identifier(s.Accounts); err != nil {
			p.add(at+".accounts", "source %q: %q: %v", s.ID, s.Accounts, err)
		} else if s.BearerFile == "" {
			p.add(at+".accounts", "source %q: accounts needs a bearer_file: a public key vouches for nobody", s.ID)
		}
	}
	if len(s.MayName) > 0 && s.BearerFile == "" {
		p.add(at+".may_name", "source %q: may_name needs a bearer_file: a public key proves nothing", s.ID)
	}
}

func (c *config) proxies(p *problems) *geo.Proxies {
	var networks []netip.Prefix
	for i, n := range c.Trust.Networks {
		prefix, err := parseNetwork(n)
		if err != nil {
			p.add(fmt.Sprintf("$.trust.networks[%d]", i), "%q is neither a network nor an address", n)
			continue
		}
		networks = append(networks, prefix)
	}
	c.checkTrustedHeaders(p)
	believe := geo.Forwarded | geo.XForwardedFor
	if c.Trust.CDNHeader != "" {
		// A network that names its client in a header of its own appends to the
		// others what anyone sent.
		believe = geo.CDN
	}
	proxies, err := geo.NewProxies(networks, believe)
	if err != nil {
		p.add("$.trust", "%v", err)
	}
	return proxies
}

// parseNetwork reads a network, or an address as the network of it alone.
func parseNetwork(s string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		return prefix, nil
	}
	addr, err := netip.ParseAddr(s)
	return netip.PrefixFrom(addr, addr.BitLen()), err
}

// checkTrustedHeaders: a header that nobody could send, or that nobody is believed in,
// would be missed by no one.
func (c *config) checkTrustedHeaders(p *problems) {
	t := &c.Trust
	keyOf := map[string]string{}
	for _, h := range []struct{ key, name string }{
		{"cdn_header", t.CDNHeader}, {"country_header", t.CountryHeader}, {"region_header", t.RegionHeader},
	} {
		if h.name == "" {
			continue
		}
		at, name := "$.trust."+h.key, strings.ToLower(h.name)
		switch {
		case !isToken(h.name):
			p.add(at, "%q is no header name: write the name alone, such as CF-IPCountry", h.name)
		case keyOf[name] != "":
			p.add(at, "%q is also trust.%s: a header says one thing", h.name, keyOf[name])
		case len(t.Networks) == 0:
			p.add(at, "needs trust.networks: the header is believed only from there")
		}
		keyOf[name] = h.key
	}
	if t.RegionHeader != "" && t.CountryHeader == "" {
		p.add("$.trust.region_header", "needs trust.country_header: a region means something only in its country")
	}
}

// isToken reports whether s can be a field name (RFC 9110, 5.1 and 5.6.2).
func isToken(s string) bool {
	for _, b := range []byte(s) {
		if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(b)) {
			return false
		}
	}
	return s != ""
}

func (c *config) fileOptions() file.Options {
	return file.Options{Dir: c.Files.Dir, MaxFileBytes: c.Files.MaxBytes, MaxFileAge: c.Files.MaxAge, Compress: c.Files.Compress, BadTopic: c.Topics.Bad, Now: time.Now}
}

// kafkaOptions reads the password's file.
func (c *config) kafkaOptions() (kafka.Options, error) {
	k := &c.Kafka
	o := kafka.Options{
		Brokers: k.Brokers, Compression: k.Compression, CreateTopics: k.CreateTopics,
		Partitions: k.Partitions, Replication: k.Replication, ProducerLife: k.ProducerLife,
	}
	if t := k.TLS; t != nil {
		o.TLS = &kafka.TLS{CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName}
	}
	if s := k.SASL; s != nil {
		if s.PasswordFile == "" {
			return o, errors.New("sasl needs a password_file")
		}
		raw, err := readSecret(s.PasswordFile)
		if err != nil {
			return o, fmt.Errorf("the password of sasl: %w", err)
		}
		o.SASL = &kafka.SASL{Mechanism: s.Mechanism, Username: s.Username, Password: strings.TrimSpace(string(raw))}
	}
	return o, nil
}

func (c *config) journalOptions() journal.Options {
	j := &c.Journal
	return journal.Options{
		Dir: j.Dir, MaxBytes: j.MaxBytes, ReserveBytes: j.ReserveBytes, HighWater: j.HighWater,
		Linger: c.Kafka.Linger, BadTopic: c.Topics.Bad, Now: time.Now,
	}
}

func (c *config) dedupOptions() dedup.Options {
	return dedup.Options{Dir: filepath.Join(c.Data, "dedup"), Count: c.Dedup.Count}
}
