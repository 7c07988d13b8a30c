package producer

import (
	"strings"
	"testing"
)

func TestNilFunctionsOfTopicAreRefused(t *testing.T) {
	t.Parallel()
	no := NoKey[*emptyRecord]()
	for name, topic := range map[string]*Topic[*emptyRecord]{
		"KeyBy":           NewTopic("t", KeyBy[*emptyRecord](nil)),
		"KeyBytes":        NewTopic("t", KeyBytes[*emptyRecord](nil)),
		"KeyRecord":       NewTopic("t", KeyRecord[*emptyRecord, *emptyRecord](nil)),
		"WithPartitioner": NewTopic("t", no, WithPartitioner(nil)),
		"WithPartitionBy": NewTopic("t", no, WithPartitionBy[*emptyRecord](nil)),
		"WithHeadersBy":   NewTopic("t", no, WithHeadersBy[*emptyRecord](nil)),
		"WithTimestampBy": NewTopic("t", no, WithTimestampBy[*emptyRecord](nil)),
		"WithBefore":      NewTopic("t", no, WithBefore[*emptyRecord](nil)),
		"WithAfter":       NewTopic("t", no, WithAfter[*emptyRecord](nil)),
	} {
		if _, err := topic.Encode(t.Context(), nil, Message[*emptyRecord]{}); err == nil || !strings.Contains(err.Error(), name+": the function is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, topic := range map[string]*Topic[*emptyRecord]{"zero KeyFunc": NewTopic("t", KeyFunc[*emptyRecord]{}), "zero option": NewTopic("t", no, TopicOption{})} {
		if topic.err != nil {
			t.Errorf("%s: %v", name, topic.err)
		}
	}
}
