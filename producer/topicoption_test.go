package producer

import (
	"strings"
	"testing"
)

func TestNilFunctionsOfTopicAreRefused(t *testing.T) {
	t.Parallel()
	no := NoKey[*note]()
	for name, topic := range map[string]*Topic[*note]{
		"KeyBy":           NewTopic("t", KeyBy[*note](nil)),
		"KeyBytes":        NewTopic("t", KeyBytes[*note](nil)),
		"KeyRecord":       NewTopic("t", KeyRecord[*note, *note](nil)),
		"WithPartitioner": NewTopic("t", no, WithPartitioner(nil)),
		"WithPartitionBy": NewTopic("t", no, WithPartitionBy[*note](nil)),
		"WithHeadersBy":   NewTopic("t", no, WithHeadersBy[*note](nil)),
		"WithTimestampBy": NewTopic("t", no, WithTimestampBy[*note](nil)),
		"WithBefore":      NewTopic("t", no, WithBefore[*note](nil)),
		"WithAfter":       NewTopic("t", no, WithAfter[*note](nil)),
	} {
		if _, err := topic.Encode(t.Context(), nil, Message[*note]{}); err == nil || !strings.Contains(err.Error(), name+": the function is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, topic := range map[string]*Topic[*note]{"zero KeyFunc": NewTopic("t", KeyFunc[*note]{}), "zero option": NewTopic("t", no, TopicOption{})} {
		if topic.err != nil {
			t.Errorf("%s: %v", name, topic.err)
		}
	}
}
