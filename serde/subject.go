package serde

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Part is the value or the key of a message. The zero Part is Value.
type Part uint8

// The parts.
const (
	Value Part = iota
	Key
)

// String returns "value" or "key", as in the name of a subject.
func (p Part) String() string {
	if p == Key {
		return "key"
	}
	return "value"
}

// SubjectFunc returns the subject of a record's schema. record is the full name
// of the schema, and empty for a schema without a name. A SubjectFunc is called
// once per schema and binding, not once per message. It must be safe for
// concurrent use.
type SubjectFunc func(topic string, part Part, record string) (string, error)

// TopicName returns TOPIC-value or TOPIC-key, for example "orders-value".
// TopicName is the default. Each topic then contains one type, because the
// registry checks the versions of a subject against each other.
func TopicName(topic string, part Part, _ string) (string, error) {
	if topic == "" {
		return "", errors.New("serde: TopicName: the topic has no name")
	}
	return topic + "-" + part.String(), nil
}

// RecordName returns the full name of the record, for example
// "shop.orders.OrderCreated". A type then evolves in the same way in all
// topics.
func RecordName(_ string, _ Part, record string) (string, error) {
	if record == "" {
		return "", errors.New("serde: RecordName: the schema has no name: use TopicName or a function of your own")
	}
	return record, nil
}

// TopicRecordName returns the topic and the full name of the record, for
// example "orders-shop.orders.OrderCreated". A topic can then contain several
// types, and each type evolves separately in each topic.
func TopicRecordName(topic string, part Part, record string) (string, error) {
	if topic == "" {
		return "", errors.New("serde: TopicRecordName: the topic has no name")
	}
	name, err := RecordName(topic, part, record)
	if err != nil {
		return "", err
	}
	return topic + "-" + name, nil
}

// NoSubject returns an error for every record. Use NoSubject as the fallback of
// [WithAssociatedSubject] to make the association required.
func NoSubject(topic string, part Part, _ string) (string, error) {
	return "", fmt.Errorf("serde: the registry associates no subject with the %s of topic %s", part, topic)
}

// subjectStrategy is a SubjectFunc, or associations with a SubjectFunc as the
// fallback.
type subjectStrategy struct {
	name       SubjectFunc // TopicName if nil
	associated bool
	clusterID  string
}

// WithSubject sets the subject strategy: [TopicName] (the default),
// [RecordName], [TopicRecordName] or a custom function. Nil is an error. A
// deserializer needs the strategy only for the rules of a schema.
func WithSubject(f SubjectFunc) CommonOption {
	return commonOption(func(c *common) error {
		if f == nil {
			return errors.New("serde: WithSubject: the function is nil")
		}
		c.setSubject(subjectStrategy{name: f})
		return nil
	})
}

// WithAssociatedSubject uses the subject that the registry associates with the
// topic and the part. Confluent calls this strategy AssociatedNameStrategy. The
// registry must be an [AssociationFinder]. clusterID is the Kafka cluster of
// the association. An empty clusterID matches associations without a cluster.
// More than one associated subject is an error.
//
// If there is no association, or if the registry does not support associations,
// fallback names the subject. Confluent's clients use [TopicName] as the
// fallback. [NoSubject] makes the association required. Any other function is
// possible. Nil is an error.
func WithAssociatedSubject(clusterID string, fallback SubjectFunc) CommonOption {
	return commonOption(func(c *common) error {
		if fallback == nil {
			return errors.New("serde: WithAssociatedSubject: the fallback is nil: use TopicName or NoSubject")
		}
		c.setSubject(subjectStrategy{name: fallback, associated: true, clusterID: clusterID})
		return nil
	})
}

func (c *common) setSubject(s subjectStrategy) { c.subjects = [2]subjectStrategy{s, s} }

// of returns the subject of a record's schema.
func (s subjectStrategy) of(ctx context.Context, reg Registry, topic string, part Part, record string) (string, error) {
	name := s.name
	if name == nil {
		name = TopicName
	}
	if !s.associated || topic == "" {
		return name(topic, part, record)
	}
	subjects, err := reg.(AssociationFinder).AssociatedSubjects(ctx, topic, s.clusterID, part.String())
	switch {
	case err != nil:
		return "", &RegistryError{fmt.Sprintf("subject associated with the %s of topic %s", part, topic), err}
	case len(subjects) > 1:
		return "", fmt.Errorf("serde: the registry associates %d subjects with the %s of topic %s: %s: leave one",
			len(subjects), part, topic, strings.Join(subjects, ", "))
	case len(subjects) == 1:
		return subjects[0], nil
	}
	return name(topic, part, record)
}
