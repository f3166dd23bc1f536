// Command gen makes the embedded country database: it fetches a public package of
// registry data, writes it anew in GeoIP2-Country schema, checks that both agree and
// compresses the result. The same package gives the same bytes.
//
//	go generate ./geo/mmdb
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

const (
	source  = "@ip-location-db/geo-whois-asn-country-mmdb"
	version = "2.3.2026061719"
	// sourceSum pins the database in the package, so that nothing else can slip into the binary.
	sourceSum = "c5f7c0e9bd6a6ccb5a2e9634764544a0d08bd0bd8788b8aedfac87bea184c652"

	databaseName = "geo-whois-asn-country.mmdb"
	noticeName   = "NRO_LICENSE"

	databaseFile = "country.mmdb.zst"
	licenceFile  = "LICENSE-country-data.md"
	// maxSize bounds what the database adds to the repository and the binary.
	maxSize = 4 << 20
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	files, err := fetch()
	if err != nil {
		return err
	}
	data := files[databaseName]
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != sourceSum {
		return fmt.Errorf("checking %s: SHA-256 is %x", databaseName, sum)
	}
	country, err := convert(data)
	if err != nil {
		return err
	}
	if err := verify(data, country); err != nil {
		return err
	}
	packed, err := compress(country)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d bytes, %d compressed\n", databaseFile, len(country), len(packed))
	if len(packed) > maxSize {
		return fmt.Errorf("compressed database is above %d bytes", maxSize)
	}
	if err := os.WriteFile(databaseFile, packed, 0o644); err != nil {
		return err
	}
	return os.WriteFile(licenceFile, licence(files[noticeName]), 0o644)
}

// fetch downloads the package with the npm client, which checks its integrity, and
// returns its files by base name.
func fetch() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "country")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a leftover in the temporary folder harms nobody
	npm := exec.Command("npm", "pack", "--silent", "--pack-destination", dir, source+"@"+version)
	npm.Stderr = os.Stderr
	if err := npm.Run(); err != nil {
		return nil, fmt.Errorf("running npm pack: %w", err)
	}
	archives, err := fs.Glob(os.DirFS(dir), "*.tgz")
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("looking for the package: %d archives", len(archives))
	}
	f, err := os.Open(filepath.Join(dir, archives[0]))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read from
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("decompressing the package: %w", err)
	}
	files := make(map[string][]byte)
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the package: %w", err)
		}
		if files[path.Base(header.Name)], err = io.ReadAll(archive); err != nil {
			return nil, fmt.Errorf("reading the package: %w", err)
		}
	}
}

// compress writes one frame that states its size, so that it is unpacked into a buffer
// of the right length.
func compress(data []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstd.MaxWindowSize>>5))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(data, nil), z.Close()
}

func licence(notice []byte) []byte {
	return fmt.Appendf(nil, `# Country data

%s is made by geo/mmdb/gen from version %s of the npm package
%s by sapics, which merges published geofeeds with the
Whois and ASN statistics of the five regional Internet registries. Changes: only
country codes were kept, reserved networks and unassigned codes left out, and the
records written in another schema.

The package is dedicated to the public domain (CC0-1.0,
https://creativecommons.org/publicdomain/zero/1.0/). The registries' data in it is
licensed under CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), attribution
nro.net, with this notice:

> %s

Registries record who holds a network and in which country; that is not always where
its users are. It tells nothing below the country.
`, databaseFile, version, source, bytes.ReplaceAll(bytes.TrimSpace(notice), []byte("\n"), []byte("\n> ")))
}
