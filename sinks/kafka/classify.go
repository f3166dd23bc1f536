package kafka

import (
	"context"
	"errors"
	"io"

	kafkago "github.com/segmentio/kafka-go"

	"assent/sinks"
)

// cause returns the one error that stands for err. A WriteErrors has one per
// message: a failure that may pass wins, since the sender then keeps
// everything, and a failure for good is met again on the retry. A
// MessageTooLargeError carries the messages themselves, so it is reduced to its
// code.
func cause(err error) error {
	var many kafkago.WriteErrors
	if errors.As(err, &many) {
		var found error
		for _, e := range many {
			if e != nil && (found == nil || reason(e).Class() < reason(found).Class()) {
				found = e
			}
		}
		err = found
	}
	var large kafkago.MessageTooLargeError
	if errors.As(err, &large) {
		return kafkago.MessageSizeTooLarge
	}
	return err
}

// reason classifies an error of the driver; this is the only place that does.
func reason(err error) sinks.Reason {
	var code kafkago.Error
	switch {
	case errors.As(err, &code):
		return codeReason(code)
	case errors.Is(err, io.ErrClosedPipe):
		return sinks.ReasonClosed
	case errors.Is(err, context.DeadlineExceeded):
		return sinks.ReasonTimeout
	default:
		return sinks.ReasonUnavailable // the network, in one of its many forms
	}
}

func codeReason(code kafkago.Error) sinks.Reason {
	switch code {
	case kafkago.MessageSizeTooLarge, kafkago.RecordListTooLarge:
		return sinks.ReasonTooLarge
	case kafkago.UnknownTopicOrPartition:
		return sinks.ReasonNoTopic
	case kafkago.InvalidTopic:
		return sinks.ReasonBadTopic
	case kafkago.TopicAuthorizationFailed, kafkago.ClusterAuthorizationFailed, kafkago.BrokerAuthorizationFailed,
		kafkago.SASLAuthenticationFailed, kafkago.UnsupportedSASLMechanism, kafkago.IllegalSASLState:
		return sinks.ReasonUnauthorized
	case kafkago.RequestTimedOut:
		return sinks.ReasonTimeout
	case kafkago.InvalidRecord, kafkago.InvalidTimestamp, kafkago.PolicyViolation, kafkago.UnsupportedCompressionType,
		kafkago.UnsupportedForMessageFormat, kafkago.UnsupportedVersion, kafkago.InvalidRequiredAcks, kafkago.InvalidRequest,
		kafkago.InvalidPartitionNumber, kafkago.InvalidReplicationFactor, kafkago.InvalidConfiguration:
		return sinks.ReasonRefused
	default:
		return sinks.ReasonUnavailable
	}
}
