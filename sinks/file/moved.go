package file

import (
	"bytes"
	"errors"
	"fmt"
)

// errMoved says that a file was removed, renamed or cut while a group was written.
var errMoved = errors.New("somebody moved or cut the file while it was written")

// goesOn reports whether the file takes more lines: it is still what its name says,
// and ends with a whole line. Where others have cut it or appended to it, the next
// line follows at its end.
func (st *stream) goesOn() bool {
	size, err := st.file.Linked()
	if err != nil {
		return false
	}
	if size != st.size && size > 0 {
		var last [1]byte
		if _, err := st.file.ReadAt(last[:], size-1); err != nil || last[0] != '\n' {
			return false
		}
	}
	st.size = size
	return true
}

// holds makes sure that lines which were appended and synced are in the file of the
// stream's name: what is nowhere must not be acknowledged.
func (st *stream) holds(buf []byte) error {
	size, err := st.file.Linked()
	if err != nil {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	if size >= st.size+int64(len(buf)) {
		return nil
	}
	// Cut before the lines were appended, or after.
	before := size - int64(len(buf))
	end := make([]byte, len(buf))
	if before >= 0 {
		if _, err := st.file.ReadAt(end, before); err == nil && bytes.Equal(end, buf) {
			st.size = before
			return nil
		}
	}
	return errMoved
}
