package mmdb

import (
	_ "embed"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

//go:generate go run ./gen

// countryData is a country database in GeoIP2-Country schema, compressed. Its origin
// and licence are in LICENSE-country-data.md.
//
//go:embed country.mmdb.zst
var countryData []byte

func embedded() (*database, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("decompressing embedded geo database: %w", err)
	}
	defer z.Close()
	data, err := z.DecodeAll(countryData, nil)
	if err != nil {
		return nil, fmt.Errorf("decompressing embedded geo database: %w", err)
	}
	db, err := newDatabase(data, place)
	if err != nil {
		return nil, fmt.Errorf("opening embedded geo database: %w", err)
	}
	return db, nil
}
