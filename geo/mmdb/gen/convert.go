package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/oschwald/geoip2-golang/v2"
	"github.com/oschwald/maxminddb-golang/v2"

	"assent/geo"
)

// convert writes the source's networks in GeoIP2-Country schema. The build date is the
// source's.
func convert(data []byte) ([]byte, error) {
	from, err := maxminddb.OpenBytes(data)
	if err != nil {
		return nil, fmt.Errorf("opening source: %w", err)
	}
	tree, err := mmdbwriter.New(mmdbwriter.Options{
		DatabaseType: "GeoIP2-Country",
		Description: map[string]string{
			"en": "Countries by registry data, from " + source + " " + version +
				" (CC0-1.0); registries' statistics CC BY 4.0, attribution nro.net",
		},
		BuildEpoch: int64(from.Metadata.BuildEpoch),
		RecordSize: 24,
	})
	if err != nil {
		return nil, err
	}
	var kept, left int
	for r := range from.Networks() {
		place, err := sourcePlace(r)
		if err != nil {
			return nil, err
		}
		network := r.Prefix()
		if !place.Known() || !geo.Public(network.Addr()) {
			left++
			continue
		}
		code := mmdbtype.String(place.Country[:])
		err = tree.Insert(&net.IPNet{
			IP:   network.Addr().AsSlice(),
			Mask: net.CIDRMask(network.Bits(), network.Addr().BitLen()),
		}, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": code}})
		if err != nil {
			return nil, fmt.Errorf("inserting %s: %w", network, err)
		}
		kept++
	}
	fmt.Printf("%d networks kept, %d not public or without a country\n", kept, left)
	var out bytes.Buffer
	if _, err := tree.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sourcePlace(r maxminddb.Result) (geo.Jurisdiction, error) {
	var record struct {
		Code string `maxminddb:"country_code"`
	}
	if err := r.Decode(&record); err != nil {
		return geo.Unknown, fmt.Errorf("decoding source: %w", err)
	}
	if record.Code == "" {
		return geo.Unknown, nil
	}
	return geo.New(record.Code, "")
}

// verify looks up both ends of every network of the source, their neighbours and a
// million random addresses in both databases; every public one must have the same
// country.
func verify(source, country []byte) error {
	from, err := maxminddb.OpenBytes(source)
	if err != nil {
		return err
	}
	to, err := geoip2.OpenBytes(country)
	if err != nil {
		return fmt.Errorf("opening result: %w", err)
	}
	compared := 0
	compare := func(addr netip.Addr) error {
		if !geo.Public(addr) {
			return nil
		}
		want, err := sourcePlace(from.Lookup(addr))
		if err != nil {
			return err
		}
		record, err := to.Country(addr)
		if err != nil {
			return err
		}
		got, err := geo.Parse(record.Country.ISOCode)
		if err != nil {
			return err
		}
		compared++
		if got != want {
			return fmt.Errorf("comparing %s: %s instead of %s", addr, got, want)
		}
		return nil
	}
	var errs []error
	for r := range from.Networks() {
		first, last := r.Prefix().Addr(), lastAddr(r.Prefix())
		for _, addr := range []netip.Addr{first.Prev(), first, last, last.Next()} {
			errs = append(errs, compare(addr))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500_000 {
		var v4 [4]byte
		var v6 [16]byte
		for i := range v4 {
			v4[i] = byte(random.Uint32())
		}
		for i := range v6 {
			v6[i] = byte(random.Uint32())
		}
		v6[0], v6[1] = 0x20|v6[0]&0x0f, v6[1]&0x1f // where the registries allocate
		errs = append(errs, compare(netip.AddrFrom4(v4)), compare(netip.AddrFrom16(v6)))
	}
	fmt.Printf("%d addresses compared\n", compared)
	return errors.Join(errs...)
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(b)
	return addr
}
