package diagnose

import (
	"fmt"
	"strings"

	"github.com/avroline/avroline/producer/internal/transport"
)

// ExplainRefusal makes the reason of a partition that does not move. refused is
// the last answer to the messages of the partition. The result does not wrap
// refused, because the messages still have no outcome.
func ExplainRefusal(partition string, refused *transport.Error) error {
	return fmt.Errorf("the client sends the messages of %s again and again: %s: %s", partition, answer(refused), refusalAdvice(refused.Code))
}

// ExplainNoProducerID makes the reason of a partition whose messages wait for
// the client's producer id. refused is the last answer to the client's request.
func ExplainNoProducerID(partition string, refused *transport.Error) error {
	return fmt.Errorf("the brokers give no producer id, which the messages of %s need: %s: look at the logs of the brokers", partition, answer(refused))
}

func answer(refused *transport.Error) string { return strings.TrimSuffix(refused.Error(), ".") }

// refusalAdvice says what to look at.
func refusalAdvice(code transport.Code) string {
	switch code {
	case 3, 5, 6, 9, 74, 75, 100: // about the leader or the topic
		return "look whether the partition has a leader (kafka-topics.sh --describe), and at the log of the leader"
	case 7, 20: // the replicas
		return "look at the replicas of the partition and at the load of their brokers"
	case 19:
		return "start the brokers of the replicas that are not in sync"
	case 56:
		return "look at the disk and at the log of the leader"
	case transport.TimedOut:
		return "look at the load of the broker and at the network"
	}
	return "look at the log of the broker"
}
