package mmdb

import (
	"encoding/binary"
	"errors"

	"github.com/oschwald/maxminddb-golang/v2"
)

var errFolded = errors.New("search tree is damaged: two ways lead to one node")

// checkTree refuses a search tree that is not one. Damaged links may fold it so that
// 2^96 ways lead to one node, and a walk over its networks would never end.
//
// The tree is at the start of the file: each node two numbers of Metadata.RecordSize
// bits, big endian, for the next address bit 0 and 1; of the three sizes, 28 puts the
// leading four bits of both into the byte between them. A number below NodeCount is a
// node. Nothing leads to the root, one link to any other node, except that all
// spellings of IPv4 within IPv6 lead to the node below ninety-six zero bits.
func checkTree(data []byte, meta maxminddb.Metadata) error {
	nodes, size := meta.NodeCount, meta.RecordSize/4
	if size != 6 && size != 7 && size != 8 || uint(len(data))/size < nodes {
		return errors.New("search tree is damaged: no such size")
	}
	children := func(node uint) (left, right uint) {
		n := data[node*size:]
		switch size {
		case 6:
			return uint(binary.BigEndian.Uint32(n) >> 8), uint(binary.BigEndian.Uint32(n[2:]) & 0xffffff)
		case 7:
			return uint(binary.BigEndian.Uint32(n)>>8) | uint(n[3]>>4)<<24, uint(binary.BigEndian.Uint32(n[3:]) & 0xfffffff)
		}
		return uint(binary.BigEndian.Uint32(n)), uint(binary.BigEndian.Uint32(n[4:]))
	}
	var ipv4 uint // the root, which is the IPv4 tree of a file for IPv4 alone
	for bit := 0; meta.IPVersion == 6 && bit < 96 && ipv4 < nodes; bit++ {
		ipv4, _ = children(ipv4)
	}
	led := make([]bool, nodes)
	if nodes > 0 {
		led[0] = true
	}
	for node := range nodes {
		left, right := children(node)
		for _, child := range [...]uint{left, right} {
			if child >= nodes || child == ipv4 && child != 0 {
				continue
			}
			if led[child] {
				return errFolded
			}
			led[child] = true
		}
	}
	return nil
}
