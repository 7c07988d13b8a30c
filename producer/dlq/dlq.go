// Package dlq has the dead-letter action of a registry's rules. If a rule with
// "onFailure": "DLQ" fails, the action sends the record to a dead-letter topic.
//
//	dead, err := producer.New(brokers, serializer)
//	action, err := dlq.New(dead, "orders.dead")
//	s, err := serde.NewSerializer(reg, serde.WithRules(...), serde.WithActions(action))
//	d, err := serde.NewDeserializer[orders.OrderCreated](reg, ..., serde.WithActions(action))
//
// The call that writes or reads the record still fails, with a
// [*serde.RuleError]. Handled is set in the error. A consumer may then go on
// with the next message.
//
// The action sends at once, outside of any transaction. So if a transaction is
// repeated, its dead letters are in the topic once for each attempt.
package dlq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/serde"
)

// The headers of a dead letter have the names of Confluent's clients.
const (
	HeaderRule      = "__rule.name"
	HeaderMode      = "__rule.mode"
	HeaderSubject   = "__rule.subject"
	HeaderTopic     = "__rule.topic"
	HeaderException = "__rule.exception"
	// HeaderWithheld has the reason for a dead letter without a value.
	HeaderWithheld = "__rule.withheld"
)

// Option changes the content of a dead letter. The zero Option does nothing.
type Option struct{ apply func(*action) }

// WithClearText also sends the values of records with an encryption rule. By
// default such a dead letter has headers and no value, because the value would
// hold the fields in clear text.
func WithClearText() Option { return Option{func(a *action) { a.clearText = true }} }

// New returns the action "DLQ", which sends records to topic by p. The value of
// a dead letter is the record before all rules, with its schema id. A reader's
// dead letter is the received payload. If topic is empty, the parameter
// dlq.topic of the rule names the topic. p should be a producer of its own,
// because the action waits for the broker. p's serializer is not used. A nil p
// is an error. A record that comes from the dead-letter topic itself, or goes
// there, is not sent.
func New(p *producer.Producer, topic string, opts ...Option) (serde.RuleAction, error) {
	if p == nil {
		return nil, errors.New("dlq: New: the producer is nil")
	}
	a := &action{producer: p, topic: topic}
	for _, o := range opts {
		if o.apply != nil {
			o.apply(a)
		}
	}
	return a, nil
}

type action struct {
	producer  *producer.Producer
	topic     string
	clearText bool
}

func (*action) Name() string { return "DLQ" }

// maxException bounds the text of a rule's error.
const maxException = 1000

// Run sends the record and waits for the broker.
func (a *action) Run(ctx context.Context, r serde.RuleOutcome) error {
	topic := a.topic
	if topic == "" {
		topic = r.Params["dlq.topic"]
	}
	if topic == "" {
		return errors.New("dlq: no topic: give a topic to New, or set dlq.topic in the rule")
	}
	if topic == r.Topic { // a reader would read the record again, without end
		return fmt.Errorf("dlq: the dead-letter topic %s is the topic of the record itself: give another topic to New, or in the parameter dlq.topic of the rule", topic)
	}
	mode := "WRITE"
	if r.Reading {
		mode = "READ"
	}
	header := func(key, value string) serde.Header { return serde.Header{Key: key, Value: []byte(value)} }
	dead := producer.Encoded{Topic: topic, Value: append([]byte{}, r.Data...), Headers: []serde.Header{
		header(HeaderRule, r.Name), header(HeaderMode, mode), header(HeaderSubject, r.Subject), header(HeaderTopic, r.Topic),
	}}
	if r.Err != nil {
		text := r.Err.Error()
		if len(text) > maxException {
			text = strings.ToValidUTF8(text[:maxException], "") + "…"
		}
		dead.Headers = append(dead.Headers, header(HeaderException, text))
	}
	switch {
	case r.Secret && !a.clearText:
		dead.Value = []byte{}
		dead.Headers = append(dead.Headers, header(HeaderWithheld, "the record holds values that a rule was to encrypt"))
	case r.Header.Key != "":
		dead.Headers = append(dead.Headers, serde.Header{Key: r.Header.Key, Value: append([]byte(nil), r.Header.Value...)})
	}
	if _, err := dead.Send(ctx, a.producer); err != nil {
		return fmt.Errorf("dlq: %w", err)
	}
	return nil
}
