package main

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// settings are the flags that stand above file and environment, with the
// variable of each.
var settings = []struct {
	flag, env, usage string
	field            func(c *config) *string
}{
	{"listen", "ASSENT_LISTEN", "public `address` (default 127.0.0.1:8080)", func(c *config) *string { return &c.Listen }},
	{"admin", "ASSENT_ADMIN", "admin `address` (default 127.0.0.1:8081)", func(c *config) *string { return &c.Admin.Listen }},
	{"data", "ASSENT_DATA", "data `directory` (default ./assent-data)", func(c *config) *string { return &c.Data }},
	{"policy", "ASSENT_POLICY", "policy `file` (default: embedded)", func(c *config) *string { return &c.Policy }},
	{"geo", "ASSENT_GEO", "MaxMind-schema `file` (default: embedded countries)", func(c *config) *string { return &c.Geo.File }},
}

var lists = []struct {
	flag, env, usage string
	field            func(c *config) *[]string
}{
	{"kafka", "ASSENT_KAFKA", "Kafka `brokers`, host:port[,…]", func(c *config) *[]string { return &c.Kafka.Brokers }},
	{"trust", "ASSENT_TRUST", "proxies whose forwarding headers are believed, `CIDR`[,…]", func(c *config) *[]string { return &c.Trust.Networks }},
}

// settingFlags adds the flags of these names, or all.
func settingFlags(f *pflag.FlagSet, c *config, names ...string) {
	for _, s := range settings {
		if names == nil || slices.Contains(names, s.flag) {
			f.StringVar(s.field(c), s.flag, "", s.usage)
		}
	}
	for _, s := range lists {
		if names == nil || slices.Contains(names, s.flag) {
			f.StringSliceVar(s.field(c), s.flag, nil, s.usage)
		}
	}
}

// loadConfig lays flags over variables over the file over the defaults. A file
// with mistakes gives a config of what could be read, and the error.
func loadConfig(path string, flags *config) (*config, error) {
	c, wrong := readConfig(path)
	if c == nil {
		return nil, wrong
	}
	c.relative()
	for _, s := range settings {
		for _, v := range []string{os.Getenv(s.env), *s.field(flags)} {
			if v != "" {
				*s.field(c) = v
			}
		}
	}
	for _, s := range lists {
		if v := os.Getenv(s.env); v != "" {
			*s.field(c) = strings.Split(v, ",")
		}
		if v := *s.field(flags); len(v) > 0 {
			*s.field(c) = v
		}
	}
	if len(c.Kafka.Brokers) > 0 && path == "" {
		// Brokers from the command line alone are the quick start: make the topics.
		c.Kafka.CreateTopics = true
	}
	c.ensureDefaults()
	return c, wrong
}
