package sinks

import "errors"

// A Header is one record header. Both parts are ASCII; keys are unique within a
// record.
type Header struct {
	Key   string
	Value []byte
}

// A Record is what one recipient gets of one event.
type Record struct {
	Topic   string   // see ValidTopic
	Key     []byte   // UTF-8; nil is the null key, which spreads over partitions
	Value   []byte   // one JSON object, or nil for a null value
	Headers []Header // in the order they are sent
}

// A Batch is all records of one request; they are committed together. The
// records of one event are adjacent, and events keep the order of the request.
type Batch struct {
	Records []Record
}

// maxTopicLen is Kafka's limit, which also fits every file system's limit of
// 255 bytes for a name.
const maxTopicLen = 249

var errTopic = errors.New("not a topic name: want 1 to 249 of a-z A-Z 0-9 . _ - with no leading dot")

// ValidTopic reports whether name may be used as a topic. It is Kafka's rule
// (ASCII letters, digits, '.', '_', '-', at most 249) without a leading dot, so
// that every topic is also one safe, visible path element.
func ValidTopic(name string) error {
	if name == "" || len(name) > maxTopicLen || name[0] == '.' {
		return errTopic
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return errTopic
		}
	}
	return nil
}
