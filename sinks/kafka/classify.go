package kafka

import (
	"context"
	"errors"
	"net"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
)

var errAnswer = errors.New("the broker's answer does not fit the question")

// A fate is what a broker's answer means for a batch.
type fate uint8

const (
	unknown  fate = iota // the batch may or may not be stored: send it again
	stored               // it is stored
	lost                 // the broker cannot vouch for the identity: look the batch up
	refused              // a record of it is not wanted, now or later
	mistimed             // a record's instant is outside of what the topic takes
	tooLarge             // it is larger than the topic takes
)

// fateOf and reasonOf are the only places that read a broker's error codes.
//
// A code that no record is to blame for is not a refusal, however final it
// sounds: a mistaken setting must make records wait, not turn them into bad
// rows.
func fateOf(err error) fate {
	var code kafkago.Error
	if err == nil {
		return stored
	}
	if !errors.As(err, &code) {
		return unknown
	}
	switch code {
	case kafkago.DuplicateSequenceNumber, // of this batch or of another: only the log tells
		kafkago.OutOfOrderSequenceNumber, kafkago.UnknownProducerId, kafkago.InvalidProducerEpoch,
		kafkago.InvalidTransactionState, kafkago.InvalidProducerIDMapping, kafkago.ProducerFenced:
		return lost
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		return tooLarge
	case kafkago.InvalidRecord:
		return refused
	case kafkago.InvalidTimestamp:
		return mistimed
	default:
		return unknown
	}
}

// reasonOf says why a request failed, other than by what became of a batch.
func reasonOf(err error) sinks.Reason {
	var known *sinks.Error
	var code kafkago.Error
	var op *net.OpError
	switch {
	case errors.As(err, &known):
		return known.Reason
	case errors.As(err, &code):
		return codeReason(code)
	case errors.As(err, &op) && op.Op == "remote error": // how crypto/tls reports an alert
		return sinks.ReasonUnauthorized // the broker broke the handshake off: a certificate it does not accept
	case errors.Is(err, context.DeadlineExceeded):
		return sinks.ReasonTimeout
	case errors.Is(err, context.Canceled):
		return sinks.ReasonCanceled
	default:
		return sinks.ReasonUnavailable // the network, in one of its many forms
	}
}

func codeReason(code kafkago.Error) sinks.Reason {
	switch code {
	case kafkago.InvalidTopic:
		return sinks.ReasonBadTopic
	case kafkago.TopicAuthorizationFailed, kafkago.ClusterAuthorizationFailed, kafkago.BrokerAuthorizationFailed,
		kafkago.SASLAuthenticationFailed, kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState:
		return sinks.ReasonUnauthorized
	case kafkago.RequestTimedOut:
		return sinks.ReasonTimeout
	default:
		return sinks.ReasonUnavailable
	}
}

// topicReason says why a topic can be had neither by name nor by creating it.
func topicReason(err error) sinks.Reason {
	var code kafkago.Error
	if !errors.As(err, &code) {
		return reasonOf(err)
	}
	switch code {
	case kafkago.UnknownTopicOrPartition:
		return sinks.ReasonNoTopic
	case kafkago.PolicyViolation, kafkago.InvalidRequest, kafkago.InvalidPartitionNumber,
		kafkago.InvalidReplicationFactor, kafkago.InvalidConfiguration:
		return sinks.ReasonNoTopic // it may be created, but not so
	default:
		return codeReason(code)
	}
}

// failed classifies err for the caller.
func failed(err error) *sinks.Error {
	var known *sinks.Error
	if errors.As(err, &known) {
		return known
	}
	return &sinks.Error{Reason: reasonOf(err), Err: err}
}
