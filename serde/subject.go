package serde

import "fmt"

// Part is the half of a message. The zero Part is Value.
type Part uint8

// The parts.
const (
	Value Part = iota
	Key
)

// String is "value" or "key", as in a subject's name.
func (p Part) String() string {
	if p == Key {
		return "key"
	}
	return "value"
}

// SubjectFunc names the subject that a record's schema belongs to. The record is
// the schema's full name, empty for a schema that has none (a bare type). It is
// called once per schema and binding, not once per message, and must be safe
// for concurrent use.
type SubjectFunc func(topic string, part Part, record string) (string, error)

// TopicName is the default strategy: "orders-value". One topic holds one type,
// since the registry checks all versions of a subject against each other.
func TopicName(topic string, part Part, _ string) (string, error) {
	if topic == "" {
		return "", fmt.Errorf("serde: subject by topic name: the topic has no name")
	}
	return topic + "-" + part.String(), nil
}

// RecordName is the record's full name, "shop.orders.OrderCreated", whatever the
// topic: one type evolves alike in all topics.
func RecordName(_ string, _ Part, record string) (string, error) {
	if record == "" {
		return "", fmt.Errorf("serde: subject by record name: the schema is not a named type: use TopicName or a function of your own")
	}
	return record, nil
}

// TopicRecordName is "orders-shop.orders.OrderCreated": several types in one
// topic, each evolving on its own there.
func TopicRecordName(topic string, part Part, record string) (string, error) {
	if topic == "" {
		return "", fmt.Errorf("serde: subject by topic and record name: the topic has no name")
	}
	name, err := RecordName(topic, part, record)
	if err != nil {
		return "", err
	}
	return topic + "-" + name, nil
}
