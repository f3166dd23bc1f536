package main

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// checkPlaces: each part has a directory of its own below data, or where the config
// says. Two in one fail on each other's lock, or take each other's files for theirs.
func (c *config) checkPlaces(p *problems) {
	type place struct{ key, path string }
	data := resolved(c.Data)
	taken := []place{
		{"the place of consent", filepath.Join(data, "consent")},
		{"the place of dedup", filepath.Join(data, "dedup")},
		{"the place of policies", filepath.Join(data, "policies")},
	}
	// Events lie in a directory of their topic, so others may lie beside those.
	holds := func(outer, inner place) bool {
		return below(outer.path, inner.path) && (outer.key != "files.dir" || outer.path == inner.path)
	}
	for _, mine := range []place{{"files.dir", c.Files.Dir}, {"journal.dir", c.Journal.Dir}, {"keys", c.Keys}} {
		said := mine.path
		mine.path = resolved(said)
		if mine.path == data || mine.key != "files.dir" && below(mine.path, data) {
			p.add("$."+mine.key, "%s is data itself, or holds it: name a place in it or elsewhere", said)
			continue
		}
		for _, other := range taken {
			if holds(mine, other) || holds(other, mine) {
				p.add("$."+mine.key, "%s overlaps %s (%s): name a place of its own", said, other.key, other.path)
				break
			}
		}
		taken = append(taken, mine)
	}
	// Of the folders above keys, a start makes data and what is above it.
	if folder := filepath.Dir(resolved(c.Keys)); missing(c.Keys) && missing(folder) && !below(folder, data) {
		p.add("$.keys", "its folder %s is missing: make it, readable by this process alone", folder)
	}
	if info, err := os.Stat(c.Keys); err == nil && info.IsDir() && !below(resolved(c.Keys), data) {
		p.add("$.keys", "%s is a directory: name a file, such as %s", c.Keys, filepath.Join(c.Keys, "keys"))
	}
}

// below reports whether path is dir or lies in it.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// resolved is a path without links, as far as it exists.
func resolved(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if parent := filepath.Dir(path); parent != path {
		return filepath.Join(resolved(parent), filepath.Base(path))
	}
	return path
}

// checkListeners: one port cannot be listened on twice, nor can it with an address
// that stands for all of them.
func (c *config) checkListeners(p *problems) {
	host, port, err := net.SplitHostPort(c.Listen)
	back, backPort, backErr := net.SplitHostPort(c.Admin.Listen)
	port, backPort = strings.TrimLeft(port, "0"), strings.TrimLeft(backPort, "0")
	if err != nil || backErr != nil || port != backPort || port == "" { // 0 is any free port
		return
	}
	every := func(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
	numeric := func(host string) string {
		if addr, err := netip.ParseAddr(host); err == nil {
			return addr.Unmap().String()
		}
		return strings.Replace(strings.ToLower(host), "localhost", "127.0.0.1", 1)
	}
	if every(host) || every(back) || numeric(host) == numeric(back) {
		p.add("$.admin.listen", "%q is taken by listen: choose another port", c.Admin.Listen)
	}
}
