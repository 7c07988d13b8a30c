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

// findInRegistry finds the schema of a record in the registry, in the mode of
// the Binding. It also finds the rules for the record.
func (b *Binding) findInRegistry(ctx context.Context, text string) (*boundSchema, error) {
	own, err := avsc.Parse("schema", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("serde: the schema of the record's type: %w", err)
	}
	name := own.TypeName()
	subject, err := b.config.subjects[b.part].of(ctx, b.reg, b.topic, b.part, own.Name)
	if err != nil {
		return nil, err
	}
	if subject == "" && b.config.mode != useID {
		return nil, fmt.Errorf("serde: the subject function returned no name for %s of topic %s", name, b.topic)
	}
	q := schemaLookup{Binding: b, subject: subject, name: name, own: own, text: text}
	v, branch, err := q.version(ctx)
	if err != nil {
		return nil, err
	}
	ruled := v
	if !b.config.ignoreRules && (b.config.mode == autoRegister || b.config.mode == lookupOnly) {
		if v, ruled, err = q.withLatestRules(ctx, v); err != nil {
			return nil, err
		}
	}
	s := &boundSchema{
		text: text, name: name, bytesSchema: own.Kind == avsc.Bytes && branch < 0,
		Registered: Registered{Subject: subject, ID: v.ID, GUID: v.GUID},
	}
	if s.rules, err = q.rules(ctx, ruled, branch); err != nil {
		return nil, err
	}
	s.needsFinish = s.bytesSchema || s.rules != nil
	return s, b.frame(s, branch)
}

// schemaLookup is a schemaLookup of a Binding to the registry about one schema.
type schemaLookup struct {
	*Binding
	subject string
	name    string // the name of the type, for errors
	own     *avsc.Schema
	text    string // the text of own
}

// noBranch marks a record that is not written as a branch of a union.
const noBranch = -1

// version returns the registered version under which the record is written. If
// the version is a union, branch is the record's branch. The version has the
// same meaning as the record's own schema.
func (q *schemaLookup) version(ctx context.Context) (v contract.Version, branch int, err error) {
	var op string
	ours := contract.Schema{Text: q.text, Normalize: q.config.normalize}
	switch q.config.mode {
	case autoRegister:
		op = fmt.Sprintf("register %s on subject %s", q.name, q.subject)
		v, err = q.reg.Register(ctx, q.subject, ours)
	case lookupOnly:
		op = fmt.Sprintf("look up %s on subject %s", q.name, q.subject)
		v, err = q.lookUp(ctx, ours)
	case useLatest:
		op = fmt.Sprintf("latest version of subject %s", q.subject)
		v, err = q.reg.Latest(ctx, q.subject)
	case useLatestWithMetadata:
		op = fmt.Sprintf("latest version of subject %s with metadata %v", q.subject, q.config.metadata)
		v, err = q.reg.(MetadataFinder).LatestWithMetadata(ctx, q.subject, q.config.metadata)
	default:
		op = fmt.Sprintf("schema %d%s", q.config.id, subjectSuffix(q.subject))
		v, err = q.byID(ctx)
	}
	if err != nil {
		return v, noBranch, &RegistryError{op, err}
	}
	if v.Schema == "" || v.Schema == q.text {
		return v, noBranch, nil // Register and Lookup may return only the ids
	}
	registered, err := avsc.ParseStored(q.subject, []byte(v.Schema))
	if err != nil {
		return v, noBranch, &RegistryError{op, fmt.Errorf("the answer is not an Avro schema: %w", err)}
	}
	if avsc.SameMeaning(q.own, registered) {
		return v, noBranch, nil
	}
	if registered.Kind == avsc.Union {
		for i, s := range registered.Branches {
			if avsc.SameMeaning(q.own, s) {
				return v, i, nil
			}
		}
	}
	return v, noBranch, &SchemaChangedError{Record: q.name, Subject: q.subject, ID: v.ID, Differs: differences(q.own, registered)}
}

func (q *schemaLookup) lookUp(ctx context.Context, ours contract.Schema) (contract.Version, error) {
	v, err := q.reg.Lookup(ctx, q.subject, ours)
	if !isNotFound(err) {
		return v, err
	}
	if finder, ok := q.reg.(VersionFinder); ok {
		found, other := finder.FindVersion(ctx, q.subject, q.text)
		if !isNotFound(other) {
			return found, other
		}
		if changed := q.changedSince(ctx); changed != nil {
			err = fmt.Errorf("%w: %w", err, changed)
		}
	}
	return v, fmt.Errorf("%w: register the schema first, because this serializer registers nothing (LookupOnly)", err)
}

// changedSince compares the record's schema with the latest version of the
// subject, for the error of a look-up that found nothing. The result is nil if
// there is no version to compare with.
func (q *schemaLookup) changedSince(ctx context.Context) error {
	v, err := q.reg.Latest(ctx, q.subject)
	if err != nil {
		return nil //nolint:nilerr // the caller has an error already
	}
	latest, err := avsc.ParseStored(q.subject, []byte(v.Schema))
	if err != nil {
		return nil //nolint:nilerr // not an Avro schema
	}
	return &notInSubjectError{SchemaChangedError{Record: q.name, Subject: q.subject, ID: v.ID, Differs: differences(q.own, latest)}}
}

func (q *schemaLookup) byID(ctx context.Context) (contract.Version, error) {
	id := q.config.id
	v, err := q.reg.SchemaByID(ctx, q.subject, id)
	if err != nil {
		return v, err
	}
	v.ID = id
	if q.config.inHeader[q.part] && v.GUID == (uuid.UUID{}) {
		// Most registries return the GUID of an id only for a look-up by text.
		found, err := q.reg.Lookup(ctx, q.subject, contract.Schema{Text: v.Schema, Normalize: q.config.normalize})
		if err == nil && found.ID != id {
			err = fmt.Errorf("the text of schema %d has id %d on this subject: use that id, or keep the id in the prefix", id, found.ID)
		}
		if err != nil {
			return v, err
		}
		v.GUID = found.GUID
	}
	return v, nil
}

// rules returns the rules of v for writing the record.
func (q *schemaLookup) rules(ctx context.Context, v contract.Version, branch int) (*ruleChain, error) {
	if q.config.ignoreRules {
		return nil, nil
	}
	in := ruleScope{version: v, schema: q.own, subject: q.subject, topic: q.topic, part: q.part}
	if branch != noBranch { // rules apply to the whole union
		union, err := avsc.ParseStored(q.subject, []byte(v.Schema))
		if err != nil {
			return nil, err
		}
		in.schema = union
	}
	return q.config.bind(ctx, in)
}

func subjectSuffix(subject string) string {
	if subject == "" {
		return ""
	}
	return " of subject " + subject
}

// frame sets the prefix or the header of s.
func (b *Binding) frame(s *boundSchema, branch int) error {
	s.prefix = s.room[:0]
	if b.config.inHeader[b.part] {
		if s.GUID == (uuid.UUID{}) {
			return &RegistryError{
				fmt.Sprintf("GUID of schema %d%s", s.ID, subjectSuffix(s.Subject)),
				errors.New("this registry gives no GUID, and IDInHeader needs one: keep the id in the prefix"),
			}
		}
		s.header = appendGUID(nil, s.GUID)
	} else {
		if s.ID < 0 || s.ID > math.MaxInt32 {
			return &RegistryError{
				fmt.Sprintf("id of subject %s", s.Subject),
				fmt.Errorf("%d does not fit into the 32 bits of the prefix", s.ID),
			}
		}
		s.prefix = appendIDPrefix(s.prefix, int32(s.ID))
		s.idLen = len(s.prefix)
	}
	if branch != noBranch {
		s.prefix = binary.AppendVarint(s.prefix, int64(branch))
	}
	return nil
}
