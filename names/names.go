// Package names holds the rules of what configuration may name: one for
// identifiers, one for labels, one for topics; and how names of HTTP compare. Whoever
// reads a name asks here, so that what one wing accepts breaks no other: a name ends up
// in HTTP and Kafka headers, metric labels, JSON, file names and logs without an escape.
package names

import (
	"errors"
	"slices"
	"strings"
)

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"

	maxIdentifier = 64
	maxLabel      = 128
	maxTopic      = 249 // Kafka's limit, which also fits every file system's limit of 255 bytes for a name
)

var (
	errIdentifier = errors.New("a name is lower-case letters, digits, - and _, 64 at most, and begins with a letter")
	errLabel      = errors.New("goes into headers and metrics: use up to 128 letters, digits and . _ - + : / and begin with a letter or digit")
	errTopic      = errors.New("not a topic name: want 1 to 249 of a-z A-Z 0-9 . _ - with no leading dot")
	errInternal   = errors.New("topics that begin with __ are internal to Kafka: choose another")
)

// Identifier is the rule for purposes, recipients and rings of keys, which are
// joined by commas in headers and paired with values in choices.
func Identifier(s string) error {
	if s == "" || len(s) > maxIdentifier || !strings.Contains(lower, s[:1]) || strings.Trim(s, lower+digits+"-_") != "" {
		return errIdentifier
	}
	return nil
}

// Label is the rule for policies, versions, categories and sources: no character
// of it has a meaning in a header (RFC 9110, 5.6), a metric label, JSON or the
// namespace-specific string of a URN (RFC 8141, 2).
func Label(s string) error {
	if s == "" || len(s) > maxLabel || strings.Trim(s[:1], lower+upper+digits) != "" || strings.Trim(s, lower+upper+digits+"._-+:/") != "" {
		return errLabel
	}
	return nil
}

// Topic is Kafka's rule (ASCII letters, digits, '.', '_', '-', at most 249)
// without Kafka's internal topics and without a leading dot, so that every topic
// is also one safe, visible path element.
func Topic(s string) error {
	switch {
	case s == "", len(s) > maxTopic, s[0] == '.', strings.Trim(s, lower+upper+digits+"._-") != "":
		return errTopic
	case strings.HasPrefix(s, "__"):
		return errInternal
	}
	return nil
}

// reserved are written by Assent itself (docs/api.md, records).
var reserved = []string{"consent.log", "consent.sync", "consent.state", "privacy.requests"}

// Reserved says whether a topic is one of Assent's own, which configuration gives
// to nobody.
func Reserved(topic string) bool { return slices.Contains(reserved, topic) }
