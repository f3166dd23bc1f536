// Package pages holds the pages the collector serves beside its pipeline: plain
// HTML, CSS and JavaScript in the binary, no request to anybody else. A handler
// phrases; it never judges.
package pages
