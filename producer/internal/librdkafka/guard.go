package librdkafka

// #include "below.h"
import "C"

import (
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// GuardDebug is the debug context that a guarded producer must be made with: the guard reads a line that it logs.
const GuardDebug = "eos"

// Guard makes a skipped sequence number a fatal error.
//
// librdkafka answers it by raising the epoch of the idempotent producer. Batches of other partitions that were refused
// although the broker had written them are then sent again under the new epoch, in which no broker can know them as
// duplicates (its issue 4953). It says so in the log before it does, on the thread that has the answer in hand, which holds
// no lock then; and no thread sends anything once there is a fatal error. So nothing is sent again, and what is under way
// has an unknown outcome.
//
// The library's log lines, with those of debugging or without, go to log from now on, on the library's own threads: it must
// not block, and must not call the client. Unguard must follow once the producer is closed, unless there is an error.
func (c *Client) Guard(debug bool, log func(kafka.LogEvent)) error {
	c.log = log
	guarded.Store(c.address(), c)
	all := C.int(0)
	if debug {
		all = 1
	}
	if C.avl_guard(c.rk, all) != 0 {
		c.Unguard()
		return errors.New("librdkafka does not log at once, as the guard against its issue 4953 needs it")
	}
	return nil
}

// Unguard ends what Guard began. Without it, it does nothing.
func (c *Client) Unguard() {
	guarded.CompareAndDelete(c.address(), c) // by now the address may be another client's
}

var guarded sync.Map //nolint:gochecknoglobals // the library knows its client by address only: address → *Client

//export avrolineLog
func avrolineLog(rk C.uintptr_t, level C.int, tag, line *C.char) {
	found, ok := guarded.Load(uintptr(rk))
	if !ok {
		return
	}
	c := found.(*Client)
	event := kafka.LogEvent{Tag: C.GoString(tag), Message: C.GoString(line), Level: int(level), Timestamp: time.Now()}
	if event.Tag == C.AVL_SKIPPED {
		c.producer.TestFatalError(kafka.ErrOutOfOrderSequenceNumber, guardMark+event.Message)
	}
	c.log(event)
}

const guardMark = "skipped sequence number: "

// Skipped tells whether a fatal error is the guard's, and the line that the library had logged.
func Skipped(err error) (line string, ok bool) {
	_, line, ok = strings.Cut(err.Error(), guardMark)
	return line, ok
}
