// Package dialect holds the tracker protocols Assent takes in, one file each.
// A dialect builds events in the canonical field names and phrases the answer
// its tracker expects; it never judges.
package dialect

import "assent/collector"

// Routes are the routes of all dialects.
func Routes() []collector.Route {
	return []collector.Route{
		{Method: "POST", Path: "/v1/events", Dialect: Native{}},
		{Method: "GET", Path: "/v1/pixel.gif", Dialect: Pixel{}},
	}
}
