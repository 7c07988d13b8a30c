package serde

import (
	"context"
	"sync"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/serde/avrobin"
)

// unpacker turns the payloads of one writer schema into Avro data. It is safe
// for concurrent use.
type unpacker struct {
	bare   bool // the schema is of type bytes, and payloads have no length
	source *source
	writer writerSchema
	ruled  bool     // the version has rules
	chains sync.Map // destination → *ruleChain, because a chain depends on the subject
}

func newUnpacker(s *source, writer writerSchema) *unpacker {
	return &unpacker{
		bare: writer.Kind == avsc.Bytes, source: s, writer: writer,
		ruled: !s.ignoreRules && !writer.version.RuleSet.Empty(),
	}
}

// unpack applies the rules for reading to a payload and returns the Avro data.
// The result may share memory with data.
func (u *unpacker) unpack(ctx context.Context, in *Input, data []byte) ([]byte, error) {
	if !u.bare && !u.ruled {
		return data, nil
	}
	var rules *ruleChain
	if u.ruled {
		var err error
		if rules, err = u.chain(ctx, in); err != nil {
			return nil, err
		}
	}
	if rules != nil {
		var err error
		if data, err = run(ctx, rules.encoding, data); err != nil {
			return nil, err
		}
	}
	if u.bare {
		data = avrobin.AppendBytes(nil, data)
	}
	if rules != nil {
		return run(ctx, rules.domain, data)
	}
	return data, nil
}

// chain returns the rules for messages with the topic and part of in.
func (u *unpacker) chain(ctx context.Context, in *Input) (*ruleChain, error) {
	key := destination{in.Topic, in.Part}
	if c, ok := u.chains.Load(key); ok {
		return c.(*ruleChain), nil
	}
	scope := ruleScope{version: u.writer.version, schema: u.writer.Schema, topic: in.Topic, part: in.Part, reading: true}
	subject, err := u.source.subjects[in.Part].of(ctx, u.source.reg, in.Topic, in.Part, u.writer.Name)
	scope.subject = subject
	c, failed := u.source.bind(ctx, scope)
	if failed != nil {
		return nil, failed
	}
	if c != nil && err != nil { // executors need the subject
		return nil, err
	}
	u.chains.Store(key, c)
	return c, nil
}
