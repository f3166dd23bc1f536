package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"assent/collector"
	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/geo/mmdb"
	"assent/policy"
)

type explainFlags struct {
	config, policy, event, ip, region, consent, at, source string
	headers, queries                                       []string
	image, asJSON                                          bool
}

func explainCommand() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use: "explain", Short: "Show each field's fate, the rule that decided it, the law and the reason",
		Example: "  assent explain -e event.json --region FR --consent analytics=granted\n" +
			"  assent explain -e event.json --ip 203.0.113.9 --header 'Sec-GPC: 1' --json",
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			x, err := f.run(c.InOrStdin())
			if err != nil {
				return err
			}
			if f.asJSON {
				enc := json.NewEncoder(c.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(x)
			} else {
				err = x.WriteText(c.OutOrStdout())
			}
			if err == nil && x.Refused != "" {
				return errNegative
			}
			return err
		},
	}
	s := c.Flags()
	s.StringVarP(&f.config, "config", "c", "", "config `file`")
	s.StringVarP(&f.policy, "policy", "p", "", "policy `file`, above the config's")
	s.StringVarP(&f.event, "event", "e", "", "JSON `file` of one event, - for stdin")
	s.StringVar(&f.ip, "ip", "", "the person's `address`")
	s.StringVar(&f.region, "region", "", "the person's place, above the address: FR, US-CA, …")
	s.StringVar(&f.consent, "consent", "", "recorded choices: `purpose=granted|denied`,…")
	s.StringArrayVar(&f.queries, "query", nil, "an `argument` of the request's query, such as gdpr_consent=…")
	s.StringArrayVar(&f.headers, "header", nil, "a request `header`, such as 'Sec-GPC: 1'")
	s.BoolVar(&f.image, "image", false, "the event comes as an image, in a page or an e-mail")
	s.StringVar(&f.at, "at", "", "the `date` to judge at (default: now)")
	s.StringVar(&f.source, "source", "", "the `id` of the source that sends it")
	s.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

func (f *explainFlags) run(stdin io.Reader) (*policy.Explanation, error) {
	if f.event == "" {
		return nil, errMisuse{fmt.Errorf("needs an event: -e event.json")}
	}
	cfg, err := loadConfig(f.config, &config{Policy: f.policy})
	if err != nil {
		return nil, err
	}
	ring, err := checkKeys(cfg.Keys)
	if err != nil {
		return nil, err
	}
	pol, _, err := readPolicy(cfg.Policy, ring, cfg.reserved())
	if err != nil {
		return nil, err
	}
	w := collector.Hypothetical{Now: time.Now(), Source: collector.Demo(), MaxEvent: cfg.Limits.Event}
	if w.Event, err = readEvent(f.event, stdin); err != nil {
		return nil, err
	}
	if f.at != "" {
		if w.Now, err = parseDate(f.at); err != nil {
			return nil, err
		}
	}
	if f.source != "" {
		if w.Source, err = sourceOf(cfg, f.source); err != nil {
			return nil, err
		}
		if w.Source.Kind == collector.KindServer && (f.ip != "" || f.region != "") {
			return nil, errMisuse{fmt.Errorf("--ip, --region: a server's own place is nobody's: the event names the person's address in context.ip, where may_name lets the source")}
		}
	}
	if err := f.place(cfg, &w); err != nil {
		return nil, err
	}
	if w.Choices, err = parseChoices(f.consent); err != nil {
		return nil, err
	}
	w.Image = f.image
	if err := f.readHeaders(cfg, &w); err != nil {
		return nil, err
	}
	if err := f.readQueries(cfg, &w); err != nil {
		return nil, err
	}
	return collector.Explain(pol, w)
}

func readEvent(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		raw, err := io.ReadAll(stdin)
		return withoutMark(raw), err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading event: %w", err)
	}
	return withoutMark(raw), nil
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errMisuse{fmt.Errorf("--at: want 2026-11-22 or an RFC 3339 time")}
}

// place says where the person is: a region named, or where the address is.
func (f *explainFlags) place(cfg *config, w *collector.Hypothetical) (err error) {
	if f.region != "" {
		j, err := geo.Parse(f.region)
		if err != nil {
			return errMisuse{fmt.Errorf("--region: %w", err)}
		}
		w.Place = &j
	}
	if f.ip != "" {
		if w.Address, err = netip.ParseAddr(f.ip); err != nil {
			return errMisuse{fmt.Errorf("--ip: not an address")}
		}
	}
	w.Locator, err = mmdb.Open(mmdb.Options{Place: cfg.Geo.File, Anonymous: cfg.Geo.Anonymous})
	return err
}

func parseChoices(s string) (map[string]consent.Status, error) {
	out := map[string]consent.Status{}
	for _, pair := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		name, word, _ := strings.Cut(pair, "=")
		status, err := consent.ParseStatus(word)
		if err != nil {
			return nil, errMisuse{fmt.Errorf("--consent: %q: want purpose=granted or purpose=denied", pair)}
		}
		out[name] = status
	}
	return out, nil
}

// readHeaders takes the headers that bear on a decision. Those of the place are believed:
// the imagined request comes from a trusted network.
func (f *explainFlags) readHeaders(cfg *config, w *collector.Hypothetical) error {
	trust, places := &cfg.Trust, cfg.signalPlaces(cfg.problems())
	for _, h := range f.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return errMisuse{fmt.Errorf("--header: want 'Name: value'")}
		}
		value, name = strings.TrimSpace(value), strings.TrimSpace(name)
		switch strings.ToLower(name) {
		case "":
			return errMisuse{fmt.Errorf("--header: want 'Name: value'")}
		case strings.ToLower(trust.CountryHeader):
			w.Named.Country = append(w.Named.Country, []byte(value))
		case strings.ToLower(trust.RegionHeader):
			w.Named.Region = append(w.Named.Region, []byte(value))
		case "user-agent":
			w.UserAgent = value
		case "sp-anonymous":
			w.Anonymous = true
		case "cookie": // Assent's own say nothing here: --consent says what is on record
			w.Carried = append(w.Carried, signals.Cookies(value, places...)...)
		default:
			p := signals.At(signals.Header, name)
			if p == nil {
				return errMisuse{fmt.Errorf("--header: %s has no part in a decision; Cookie, %s, User-Agent and those of trust.country_header and trust.region_header have",
					name, signalHeaders())}
			}
			w.Carried = append(w.Carried, signals.Carried{Place: p, Value: []byte(value)})
		}
	}
	return nil
}

// readQueries takes the arguments that carry a signal.
func (f *explainFlags) readQueries(cfg *config, w *collector.Hypothetical) error {
	places := cfg.signalPlaces(cfg.problems())
	for _, q := range f.queries {
		name, value, _ := strings.Cut(q, "=")
		p := signals.At(signals.Query, name)
		for _, more := range places {
			if more.In == signals.Query && more.Name == name {
				p = more
			}
		}
		if p == nil {
			return errMisuse{fmt.Errorf("--query: %q has no part in a decision; docs/signals.md lists what has", name)}
		}
		w.Carried = append(w.Carried, signals.Carried{Place: p, Value: []byte(value)})
	}
	return nil
}

// signalHeaders names the header fields that may carry a signal.
func signalHeaders() string {
	var list []string
	for _, p := range signals.Places(signals.Header) {
		list = append(list, p.Name)
	}
	return strings.Join(list, ", ")
}

func sourceOf(cfg *config, id string) (*collector.Source, error) {
	p := cfg.problems()
	for _, s := range cfg.sources(p) {
		if s.ID == id {
			return s, nil
		}
	}
	return nil, errMisuse{fmt.Errorf("--source: the config has no source %q", id)}
}
