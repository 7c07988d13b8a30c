package producer

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// topicRules are the settings of a topic that say what its brokers refuse. The zero
// value refuses nothing: the brokers would not say.
type topicRules struct {
	maxMessageBytes int64 // 0: not known
	keyed           bool  // compacted: a message without a key is refused
	timed           bool  // the message's own time counts, within the bounds
	before, after   time.Duration
}

func newTopicRules(settings map[string]string) topicRules {
	number := func(key string, unknown int64) int64 {
		n, err := strconv.ParseInt(settings[key], 10, 64)
		if err != nil {
			return unknown
		}
		return n
	}
	// No bound is the largest number that a broker knows.
	bound := func(keys ...string) time.Duration {
		for _, key := range keys {
			if n := number(key, -1); n >= 0 {
				return time.Duration(min(n, int64(forever/time.Millisecond))) * time.Millisecond
			}
		}
		return forever
	}
	return topicRules{
		maxMessageBytes: number("max.message.bytes", 0),
		keyed:           strings.Contains(settings["cleanup.policy"], "compact"),
		timed:           settings["message.timestamp.type"] == "CreateTime",
		before:          bound("message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"),
		after:           bound("message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"),
	}
}

const forever = time.Duration(1<<63 - 1)

// refuse finds what the topic's brokers would refuse in a message. The time is in
// Unix milliseconds.
func (r *topicRules) refuse(topic string, keyed, hasTime bool, at int64) error {
	if r.keyed && !keyed {
		return fmt.Errorf("topic %s is compacted (cleanup.policy), and the message has no key: its brokers refuse it", topic)
	}
	if !r.timed || !hasTime || r.before == forever && r.after == forever {
		return nil
	}
	stamp, now := time.UnixMilli(at), time.Now()
	switch {
	case r.after != forever && stamp.After(now.Add(r.after)):
		return fmt.Errorf("the timestamp %s is more than %v ahead of now, which topic %s refuses (message.timestamp.after.max.ms)",
			stamp.UTC().Format(time.RFC3339), r.after, topic)
	case r.before != forever && stamp.Before(now.Add(-r.before)):
		return fmt.Errorf("the timestamp %s is more than %v behind now, which topic %s refuses (message.timestamp.before.max.ms)",
			stamp.UTC().Format(time.RFC3339), r.before, topic)
	}
	return nil
}
