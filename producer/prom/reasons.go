package prom

import (
	"context"
	"errors"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
	"github.com/avroline/avroline/serde/avrobin"
)

// reason is a value of the label reason.
type reason struct {
	name string
	is   func(err error) bool
}

// reasons are all reasons for refusing a message. The first reason that fits
// counts, because an error may have several causes: a context may end while the
// producer waits for the registry.
//
//nolint:gochecknoglobals // a table, never changed
var reasons = [...]reason{
	{"registry", oneOf(serde.ErrRegistry)},
	{"schema", oneOf(serde.ErrRefused, serde.ErrSchemaChanged, serde.ErrUnknownSchema, serde.ErrUnknownType)},
	{"rule", oneOf(serde.ErrNoExecutor, serde.ErrCondition)},
	{"too_large", as[*producer.TooLargeError]},
	{"closed", oneOf(producer.ErrClosed)},
	{"fenced", oneOf(producer.ErrFenced)},
	{"permission", denied},
	{"unknown_topic", oneOf(producer.ErrUnknownTopic)},
	{"connection", oneOf(producer.ErrUnreachable, producer.ErrTLS, producer.ErrAuthentication)},
	{"fatal", oneOf(producer.ErrFatal)},
	{"buffer_full", oneOf(producer.ErrWouldBlock)},
	{"transaction", oneOf(producer.ErrTxEnded, producer.ErrTxTimedOut)},
	{"encode", oneOf(avrobin.ErrRange, avrobin.ErrText, avrobin.ErrBranch, avrobin.ErrNil)},
	{"panic", as[*producer.PanicError]},
	{"context", oneOf(context.Canceled, context.DeadlineExceeded)},
	{"other", func(error) bool { return true }},
}

// reasonOf returns the index of an error's reason.
func reasonOf(err error) int {
	for i := range reasons {
		if reasons[i].is(err) {
			return i
		}
	}
	return len(reasons) - 1
}

func oneOf(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, target := range targets {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// denied reports whether the brokers refuse the principal. The codes are those
// of Kafka's protocol.
func denied(err error) bool {
	const topic, cluster, transactionalID = 29, 31, 53
	var broker *producer.KafkaError
	if !errors.As(err, &broker) {
		return false
	}
	switch broker.Code {
	case topic, cluster, transactionalID:
		return true
	}
	return false
}
