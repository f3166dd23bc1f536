// Package redact is the scissors.
package redact
