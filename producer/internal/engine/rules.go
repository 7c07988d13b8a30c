package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// topicRules are the settings of a topic that make the brokers refuse a
// message. The zero value refuses nothing. It is used if the brokers do not
// answer.
type topicRules struct {
	maxMessageBytes int64 // 0: unknown
	keyed           bool  // compacted: a message needs a key
	expires         bool  // the brokers delete old messages
	timed           bool  // the message's time must be within the bounds
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
	// Brokers use a very large number for no bound. Cap the number at forever.
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
		expires: strings.Contains(settings["cleanup.policy"], "delete") &&
			(settings["retention.ms"] != "-1" || number("retention.bytes", -1) != -1),
		timed:  settings["message.timestamp.type"] == "CreateTime",
		before: bound("message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"),
		after:  bound("message.timestamp.after.max.ms", "message.timestamp.difference.max.ms"),
	}
}

const forever = time.Duration(1<<63 - 1)

// refuse returns an error if the topic's brokers would refuse the message. The
// time is in Unix milliseconds. A broker may accept a negative time, but cannot
// compact the partition afterwards, and -1 means no time. Java's client refuses
// negative times too.
func (r *topicRules) refuse(topic string, keyed, hasTime bool, at int64) error {
	if hasTime && at < 0 {
		return fmt.Errorf("the timestamp %s is before 1970: Kafka has no negative timestamps", time.UnixMilli(at).UTC().Format(time.RFC3339))
	}
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
