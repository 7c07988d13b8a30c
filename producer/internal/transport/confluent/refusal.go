//go:build cgo

package confluent

import (
	"strconv"
	"strings"
	"sync"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/transport"
)

// noteRefusalLine notes a line of the library's log about messages that the
// library sends again. The line has one of two forms:
//
//   - MSGSET: "[thrd:…]: HOST:PORT/NODE: TOPIC [PARTITION]: MessageSet with N
//     message(s) (…) encountered error: ERROR (actions ACTION,…)"
//   - GETPID: "[thrd:…]: Failed to acquire idempotence PID from broker
//     HOST:PORT/NODE: ERROR: retrying"
//
// A lost connection is not noted, because the table of the brokers has the
// reason.
func (c *client) noteRefusalLine(tag, line string) {
	topic, partition, text := "", int32(-1), ""
	switch tag {
	case "MSGSET":
		where, failure, ok := strings.Cut(line, "]: MessageSet with ")
		_, failure, ok2 := strings.Cut(failure, " encountered error: ")
		cause, actions, ok3 := strings.Cut(failure, " (actions ")
		bracket := strings.LastIndex(where, " [")
		if !ok || !ok2 || !ok3 || bracket < 0 || strings.Contains(actions, "Permanent") {
			return
		}
		n, err := strconv.ParseInt(where[bracket+2:], 10, 32)
		if err != nil {
			return
		}
		topic, partition, text = where[strings.LastIndexByte(where[:bracket], ' ')+1:bracket], int32(n), cause
	case "GETPID":
		_, failure, _ := strings.Cut(line, " from broker ")
		_, failure, _ = strings.Cut(failure, ": ")
		text, _ = strings.CutSuffix(failure, ": retrying")
	}
	if code, known := codesByText()[text]; known && (code.OfBroker() || code == transport.TimedOut) {
		c.handler.Refused(topic, partition, &transport.Error{Code: code, Retriable: true, Text: text})
	}
}

// codesByText returns the codes by the library's texts, because the log has no
// codes.
//
//nolint:gochecknoglobals // a table, never changed
var codesByText = sync.OnceValue(func() map[string]transport.Code {
	all := map[string]transport.Code{}
	for code := kafka.ErrorCode(-200); code < 200; code++ {
		all[code.String()] = codeOf(code)
	}
	return all
})
