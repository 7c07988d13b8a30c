package serde

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/contract"
)

// ask finds, by the Binding's mode, what the registry has for a record's schema.
func (b *Binding) ask(ctx context.Context, text string) (*binding, error) {
	own, err := avsc.Parse("schema", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("serde: the record's own schema: %w", err)
	}
	name := typeName(own)
	subject, err := b.config.subject(b.topic, b.part, own.Name)
	if err != nil {
		return nil, err
	}
	if subject == "" && b.config.mode != useID { // an id needs none
		return nil, fmt.Errorf("serde: the subject function names no subject for %s of topic %s", name, b.topic)
	}
	e := &binding{text: text, name: name, bare: own.Kind == avsc.Bytes, Registered: Registered{Subject: subject}}
	branch := -1
	switch b.config.mode {
	case autoRegister, lookupOnly:
		err = b.askOwn(ctx, e)
	default:
		branch, err = b.askOther(ctx, e, own)
	}
	if err != nil {
		return nil, err
	}
	return e, b.frame(e, branch)
}

// askOwn finds the id of the record's own text.
func (b *Binding) askOwn(ctx context.Context, e *binding) error {
	if b.config.mode == autoRegister {
		v, err := b.reg.Register(ctx, e.Subject, contract.Schema{Text: e.text, Normalize: b.config.normalize})
		if err != nil {
			return &RegistryError{fmt.Sprintf("register %s on subject %s", e.name, e.Subject), err}
		}
		e.ID, e.GUID = v.ID, v.GUID
		return nil
	}
	v, err := b.reg.Lookup(ctx, e.Subject, contract.Schema{Text: e.text, Normalize: b.config.normalize})
	if isNotFound(err) {
		v, err = b.findVersion(ctx, e, err)
	}
	if err != nil {
		return &RegistryError{fmt.Sprintf("look up %s on subject %s", e.name, e.Subject), err}
	}
	e.ID, e.GUID = v.ID, v.GUID
	return nil
}

// findVersion looks for a version that means the same as the record's schema.
// absent is the error of the look-up by text.
func (b *Binding) findVersion(ctx context.Context, e *binding, absent error) (contract.Version, error) {
	if reg, ok := b.reg.(VersionRegistry); ok {
		v, err := reg.FindVersion(ctx, e.Subject, e.text)
		if err == nil || !isNotFound(err) {
			return v, err
		}
	}
	return contract.Version{}, fmt.Errorf("%w: register it before, this serializer is told not to (LookupOnly)", absent)
}

// askOther finds the schema that an option names, and checks that it is the
// record's own. The branch is the record's in a registered union, else -1.
func (b *Binding) askOther(ctx context.Context, e *binding, own *avsc.Schema) (branch int, err error) {
	var op string
	var v contract.Version
	switch b.config.mode {
	case useLatest:
		op = fmt.Sprintf("latest version of subject %s", e.Subject)
		v, err = b.reg.Latest(ctx, e.Subject)
	case useLatestWithMetadata:
		op = fmt.Sprintf("latest version of subject %s with metadata %v", e.Subject, b.config.metadata)
		v, err = b.reg.(MetadataRegistry).LatestWithMetadata(ctx, e.Subject, b.config.metadata)
	default:
		op = fmt.Sprintf("schema %d%s", b.config.id, ofSubject(e.Subject))
		v, err = b.reg.SchemaByID(ctx, e.Subject, b.config.id)
		v.ID = b.config.id
		if err == nil && b.config.inHeader && v.GUID == (uuid.UUID{}) {
			// Only a look-up by text tells the GUID that belongs to an id.
			v.GUID, err = b.guidOf(ctx, e.Subject, v.Schema, v.ID)
		}
	}
	if err != nil {
		return -1, &RegistryError{op, err}
	}
	e.ID, e.GUID = v.ID, v.GUID
	registered, err := avsc.Parse(e.Subject, []byte(v.Schema))
	if err != nil {
		return -1, &RegistryError{op, fmt.Errorf("the answer is not an Avro schema: %w", err)}
	}
	canonical := own.Canonical()
	if registered.Canonical() == canonical {
		return -1, nil
	}
	if registered.Kind == avsc.Union {
		for i, s := range registered.Branches {
			if s.Canonical() == canonical {
				return i, nil
			}
		}
	}
	return -1, &SchemaChangedError{Record: e.name, Subject: e.Subject, ID: e.ID, Differs: differences(own, registered)}
}

func ofSubject(subject string) string {
	if subject == "" {
		return ""
	}
	return " of subject " + subject
}

func (b *Binding) guidOf(ctx context.Context, subject, text string, id int) (uuid.UUID, error) {
	v, err := b.reg.Lookup(ctx, subject, contract.Schema{Text: text, Normalize: b.config.normalize})
	if err == nil && v.ID != id {
		return uuid.UUID{}, fmt.Errorf("its text has id %d there: give that one, or keep the id in the prefix", v.ID)
	}
	return v.GUID, err
}

// frame makes what stands before the record, and the header.
func (b *Binding) frame(e *binding, branch int) error {
	e.prefix = e.room[:0]
	if b.config.inHeader {
		if e.GUID == (uuid.UUID{}) {
			return &RegistryError{
				fmt.Sprintf("GUID of schema %d%s", e.ID, ofSubject(e.Subject)),
				errors.New("this registry gives none, and IDInHeader needs it: keep the id in the prefix"),
			}
		}
		e.header = appendGUID(nil, e.GUID)
	} else {
		if e.ID < 0 || e.ID > math.MaxInt32 {
			return &RegistryError{
				fmt.Sprintf("id of subject %s", e.Subject),
				fmt.Errorf("%d does not fit the prefix's 32 bits", e.ID),
			}
		}
		e.prefix = appendIDPrefix(e.prefix, int32(e.ID))
	}
	if branch >= 0 {
		e.prefix = binary.AppendVarint(e.prefix, int64(branch))
		e.bare = false // the union's bytes branch has its length
	}
	return nil
}
