// Package geo answers where a person is: the vocabulary of places
// ([Jurisdiction]), the contract of whoever looks an address up ([Locator]),
// and the rules that find the client's address behind proxies ([Proxies]).
//
// It holds no clock, logger, goroutine, disk or network, and it never guesses:
// whatever it cannot tell is Unknown, the zero value, which policy answers with
// the strictest regime.
package geo

import "net/netip"

// Locator finds the jurisdiction of an address.
//
// The answer is Unknown, without an error, for the zero address, for one that is
// not public (see [Public]), for an anonymising network and where the database
// has no entry. An error means that the database could not be read; the caller
// then judges the place as unreadable. Implementations are safe for concurrent
// use.
type Locator interface {
	Locate(addr netip.Addr) (Jurisdiction, error)
}
