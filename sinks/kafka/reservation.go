package kafka

import (
	"encoding/binary"
	"errors"
)

// A reservation is the identity of one batch; see the package comment.
type reservation struct {
	named
	sequence int32
	count    int32
	low      int64
	at       int64 // milliseconds since 1970
}

// named is an identity in the cluster that gave it: another cluster gives the
// same numbers to others.
type named struct {
	cluster uint64
	id      identity
	ok      bool // there is one
}

const (
	reservationVersion = 1
	reservationSize    = 1 + 8 + 8 + 2 + 4 + 4 + 8 + 8
)

var (
	errReservation = errors.New("not a reservation that can be read")
	errCount       = errors.New("not as many records as were reserved")
)

func (r *reservation) append(dst []byte) []byte {
	dst = append(dst, reservationVersion)
	dst = binary.BigEndian.AppendUint64(dst, r.cluster)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.id.producer))
	dst = binary.BigEndian.AppendUint16(dst, uint16(r.id.epoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.sequence))
	dst = binary.BigEndian.AppendUint32(dst, uint32(r.count))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.low))
	return binary.BigEndian.AppendUint64(dst, uint64(r.at))
}

func parseReservation(b []byte) (r reservation, err error) {
	if len(b) != reservationSize || b[0] != reservationVersion {
		return r, errReservation
	}
	r = reservation{
		named: named{
			cluster: binary.BigEndian.Uint64(b[1:]), ok: true,
			id: identity{int64(binary.BigEndian.Uint64(b[9:])), int16(binary.BigEndian.Uint16(b[17:]))},
		},
		sequence: int32(binary.BigEndian.Uint32(b[19:])),
		count:    int32(binary.BigEndian.Uint32(b[23:])),
		low:      int64(binary.BigEndian.Uint64(b[27:])),
		at:       int64(binary.BigEndian.Uint64(b[35:])),
	}
	if r.id.producer < 0 || r.id.epoch < 0 || r.sequence < 0 || r.count <= 0 || r.low < 0 {
		return r, errReservation
	}
	return r, nil
}
