package serde

import (
	"context"
	"sync"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/serde/avrobin"
)

// unpacker turns the payloads of one writer schema into Avro data of the
// reader's version. It is safe for concurrent use.
type unpacker struct {
	bare   bool // the data is of type bytes without its length
	source *source
	writer writerSchema
	// reader is the version that the data has after unpacking. It is the writer
	// schema, or the version of UseLatest.
	reader    writerSchema
	migration *migration // nil if the data needs no change between the two
	ruled     bool       // one of the two versions has rules
	chains    sync.Map   // destination → *ruleChain, because a chain depends on the subject
}

func newUnpacker(s *source, id schemaID, writer writerSchema) *unpacker {
	return &unpacker{
		bare: writer.Kind == avsc.Bytes && id.bareBytes(), source: s, writer: writer, reader: writer,
		ruled: !s.ignoreRules && !writer.version.RuleSet.Empty(),
	}
}

// unpack applies the rules for reading to a payload and returns the Avro data.
// The result may share memory with data.
func (u *unpacker) unpack(ctx context.Context, in *Input, data []byte) ([]byte, error) {
	if !u.bare && !u.ruled && u.migration == nil {
		return data, nil
	}
	r := record{data: in.Data}
	var rules *ruleChain
	if u.ruled {
		var err error
		if rules, err = u.chain(ctx, in); err != nil {
			return nil, err
		}
	}
	if rules != nil {
		var err error
		if data, err = runRules(ctx, rules.encoding, data, r); err != nil {
			return nil, err
		}
	}
	if u.bare {
		data = avrobin.AppendBytes(nil, data)
	}
	if u.migration != nil {
		var err error
		if data, err = u.migration.apply(ctx, data, r); err != nil {
			return nil, err
		}
	}
	if rules != nil {
		return runRules(ctx, rules.domain, data, r)
	}
	return data, nil
}

// chain returns the rules for messages with the topic and part of in.
func (u *unpacker) chain(ctx context.Context, in *Input) (*ruleChain, error) {
	key := destination{in.Topic, in.Part}
	if c, ok := u.chains.Load(key); ok {
		return c.(*ruleChain), nil
	}
	subject, err := u.source.subjects[in.Part].of(ctx, u.source.reg, in.Topic, in.Part, u.writer.Name)
	// Encoding rules come from the writer's version, and domain rules from the
	// reader's version.
	encoding, failed := u.bind(ctx, in, subject, u.writer, func(s *contract.RuleSet) { s.DomainRules = nil })
	if failed != nil {
		return nil, failed
	}
	domain, failed := u.bind(ctx, in, subject, u.reader, func(s *contract.RuleSet) { s.EncodingRules = nil })
	if failed != nil {
		return nil, failed
	}
	if (encoding != nil || domain != nil) && err != nil { // executors need the subject
		return nil, err
	}
	var c *ruleChain
	if encoding != nil || domain != nil {
		c = &ruleChain{}
	}
	if encoding != nil {
		c.encoding = encoding.encoding
	}
	if domain != nil {
		c.domain = domain.domain
	}
	u.chains.Store(key, c)
	return c, nil
}

// bind binds the rules of a version that without leaves.
func (u *unpacker) bind(ctx context.Context, in *Input, subject string, of writerSchema, without func(*contract.RuleSet)) (*ruleChain, error) {
	if of.version.RuleSet == nil {
		return nil, nil
	}
	set := *of.version.RuleSet
	without(&set)
	v := of.version
	v.RuleSet = &set
	return u.source.bind(ctx, ruleScope{version: v, schema: of.Schema, subject: subject, topic: in.Topic, part: in.Part, reading: true})
}
