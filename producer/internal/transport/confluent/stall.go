//go:build cgo

package confluent

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// If the leader of a partition moves to another node and back within a few
// milliseconds, librdkafka may go on sending the partition to the other node.
// The node refuses every request ("not leader"), and no error reaches the
// application (pull request 5593 of librdkafka, open, and its issues 3399 and
// 4976). Therefore the client follows the partitions that send their requests
// again. If the brokers name another leader than the node that gets the
// requests, the client ends. The engine then goes on with another client.
const (
	// stalledAfter is how long a partition sends its requests again to the same
	// node before the client asks for the leader.
	stalledAfter = 2 * time.Second
	// stallQuiet is the pause after which a partition counts as healthy. It is
	// longer than every pause between two attempts.
	stallQuiet = 5 * time.Second
	// askPatience bounds a question.
	askPatience = time.Second
	// stallAsks is the number of answers in a row, each after stalledAfter,
	// that must name the same other leader.
	stallAsks = 2
	// mostStalls bounds the partitions that are followed.
	mostStalls = 10_000
)

// stalls holds the partitions that send their requests again.
type stalls struct {
	mu      sync.Mutex
	retries map[topicPartition]*retry
	count   atomic.Int64 // of retries
}

type topicPartition struct {
	topic     string
	partition int32
}

// retry is a partition that sends its requests again to a node.
type retry struct {
	node        int32
	since, last time.Time // the first line after the last question, the last line
	asking      bool
	leader      int32 // that the brokers named
	asked       int   // number of answers in a row that named leader
}

// noteRetryLine notes a line of the library's log about a partition that waits
// for its requests. The line is "[thrd:HOST:PORT/NODE]: TOPIC [PARTITION]
// beginning partition drain: REASON". again says that no message of the
// partition was delivered since the last line.
func (c *client) noteRetryLine(line string, again bool, now time.Time) {
	thread, rest, ok := strings.Cut(line, "]: ")
	where, reason, ok2 := strings.Cut(rest, "] beginning partition drain: ")
	bracket := strings.LastIndex(where, " [")
	if !ok || !ok2 || bracket < 0 {
		return
	}
	node, err := strconv.ParseInt(thread[strings.LastIndexByte(thread, '/')+1:], 10, 32)
	partition, err2 := strconv.ParseInt(where[bracket+2:], 10, 32)
	if err != nil || err2 != nil {
		return
	}
	key, retries := topicPartition{where[:bracket], int32(partition)}, reason == "drain before retrying"
	if !again || !retries {
		c.stalls.forget(key)
	}
	if retries {
		c.narrow(key)
	}
	if retries && c.stalls.note(key, int32(node), now) && c.calls.hold() {
		go func() {
			defer c.calls.release()
			c.askLeader(key, int32(node), now)
		}()
	}
}

// forget notes that a message of a partition was delivered, or that the
// partition has moved.
func (s *stalls) forget(key topicPartition) {
	if s.count.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.retries, key)
	s.count.Store(int64(len(s.retries)))
}

// note notes a retry and reports whether to ask for the leader now.
func (s *stalls) note(key topicPartition, node int32, now time.Time) (ask bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.retries[key]
	if r == nil || r.node != node || now.Sub(r.last) > stallQuiet {
		if r == nil && len(s.retries) >= mostStalls {
			clear(s.retries)
		}
		if s.retries == nil {
			s.retries = map[topicPartition]*retry{}
		}
		r = &retry{node: node, since: now}
		s.retries[key] = r
		s.count.Store(int64(len(s.retries)))
	}
	r.last = now
	if r.asking || now.Sub(r.since) < stalledAfter {
		return false
	}
	r.asking = true
	return true
}

// askLeader asks the brokers for the leader of a partition, and ends the client
// if the library sends the partition to another node.
func (c *client) askLeader(key topicPartition, node int32, now time.Time) {
	ctx, cancel := context.WithTimeout(c.alive, askPatience)
	defer cancel()
	leader := int32(-1)
	if m, err := c.Metadata(ctx, key.topic); err == nil && int(key.partition) < len(m.Partitions) {
		leader = m.Partitions[key.partition].Leader
	}
	if !c.stalls.answered(key, node, leader, now) {
		return
	}
	c.kafka.TestFatalError(kafka.ErrNotLeaderForPartition, fmt.Sprintf(
		"librdkafka sends %s[%d] to node %d, and node %d is the leader (librdkafka issue 4976)", key.topic, key.partition, node, leader))
}

// answered notes the leader of a partition, and reports whether the partition
// is stalled. A leader of -1 means that the brokers named none.
func (s *stalls) answered(key topicPartition, node, leader int32, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.retries[key]
	if r == nil || r.node != node {
		return false
	}
	r.asking, r.since = false, now
	switch {
	case leader < 0 || leader == node:
		r.asked = 0
	case leader != r.leader:
		r.leader, r.asked = leader, 1
	default:
		r.asked++
	}
	return r.asked >= stallAsks
}
