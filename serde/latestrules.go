package serde

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/fieldtags"
	"github.com/avroline/avroline/registry/contract"
)

// withLatestRules compares the rules of v with the rules of the subject's
// latest version. It returns the version to write under, and the version that
// has the rules for the record.
//
// Readers take the rules of the written id. Therefore a record cannot simply be
// written under v with the rules of another version.
//
// A registry without [VersionFinder] may keep no versions. Then v has all the
// rules, unless its RuleSet is nil.
func (q *schemaLookup) withLatestRules(ctx context.Context, v contract.Version) (written, ruled contract.Version, err error) {
	if _, ok := q.reg.(VersionFinder); !ok && v.RuleSet != nil {
		return v, v, nil
	}
	latest, err := q.reg.Latest(ctx, q.subject)
	if err != nil {
		return v, v, &RegistryError{fmt.Sprintf("rules of subject %s", q.subject), err}
	}
	if v.RuleSet != nil && v.Version >= latest.Version && v.Version > 0 {
		return v, v, nil
	}
	schema, err := avsc.ParseStored(q.subject, []byte(latest.Schema))
	if err != nil {
		schema = nil // not an Avro schema, so it has no tags
	}
	switch {
	case v.RuleSet == nil && (q.config.mode == lookupOnly || v.ID == latest.ID):
		return v, latest, nil // v came without its rules
	case q.config.mode == lookupOnly:
		// Someone has added rules to the record's schema.
		if schema != nil && avsc.SameMeaning(q.own, schema) && !q.sameRules(v, latest, schema) {
			return latest, latest, nil
		}
		return v, v, nil
	case !latest.RuleSet.ForClients() || len(latest.RuleSet.DomainRules)+len(latest.RuleSet.EncodingRules) == 0:
		return v, v, nil
	case v.RuleSet != nil && q.sameRules(v, latest, schema):
		return v, v, nil
	}
	v, err = q.registerWithRules(ctx, latest, schema)
	return v, v, err
}

// registerWithRules registers the record's own schema with the rules of the
// latest version. schema is the schema of the latest version, or nil.
func (q *schemaLookup) registerWithRules(ctx context.Context, latest contract.Version, schema *avsc.Schema) (contract.Version, error) {
	metadata := q.withTags(latest, schema)
	v, err := q.reg.Register(ctx, q.subject, contract.Schema{
		Text: q.text, Normalize: q.config.normalize, Metadata: metadata, RuleSet: latest.RuleSet,
	})
	switch {
	case err != nil:
	case v.RuleSet == nil: // only the ids
		v.Schema, v.Metadata, v.RuleSet = q.text, metadata, latest.RuleSet
	case !q.sameRules(v, latest, schema):
		err = fmt.Errorf("the registry has the schema as id %d with other rules", v.ID)
	}
	if err != nil {
		op := fmt.Sprintf("register %s on subject %s with the rules of the latest version, which has id %d", q.name, q.subject, latest.ID)
		return v, &RegistryError{op, fmt.Errorf("%w: AutoRegister writes no record without the latest rules: use the latest schema in the program, or give LookupOnly", err)}
	}
	return v, nil
}

// withTags returns the metadata of the latest version. If the latest schema has
// confluent:tags that the record's schema lacks, the result also has these
// tags, because the rules select fields by their tags.
func (q *schemaLookup) withTags(latest contract.Version, schema *avsc.Schema) *contract.Metadata {
	have := fieldtags.Of(latest.Metadata, q.own)
	missing := map[string][]string{}
	for field, tags := range q.tagsUnder(latest, schema) {
		for _, tag := range tags {
			if !slices.Contains(have[field], tag) {
				missing[field] = append(missing[field], tag)
			}
		}
	}
	if len(missing) == 0 {
		return latest.Metadata
	}
	var m contract.Metadata
	if latest.Metadata != nil {
		m = *latest.Metadata
	}
	m.Tags = maps.Clone(m.Tags)
	if m.Tags == nil {
		m.Tags = map[string][]string{}
	}
	for field, tags := range missing {
		m.Tags[field] = slices.Concat(m.Tags[field], tags)
	}
	return &m
}

// tagsUnder returns the tags of the record's own fields if the record has the
// rules of the version v. schema is the schema of v, or nil.
func (q *schemaLookup) tagsUnder(v contract.Version, schema *avsc.Schema) map[string][]string {
	own := map[string]bool{}
	q.own.Walk(func(s *avsc.Schema) {
		for _, f := range s.Fields {
			own[s.Name+"."+f.Name] = true
		}
	})
	tags := fieldtags.Of(v.Metadata, q.own, schema)
	maps.DeleteFunc(tags, func(field string, _ []string) bool { return !own[field] })
	for _, list := range tags {
		slices.Sort(list)
	}
	return tags
}

// sameRules reports whether v and the latest version give the record the same
// rules, with the same tags and the same parameters. schema is the schema of
// the latest version, or nil.
func (q *schemaLookup) sameRules(v, latest contract.Version, schema *avsc.Schema) bool {
	registered, err := avsc.ParseStored(q.subject, []byte(v.Schema))
	if err != nil {
		registered = nil
	}
	a, errA := rulesText(v, q.tagsUnder(v, registered))
	b, errB := rulesText(latest, q.tagsUnder(latest, schema))
	return errors.Join(errA, errB) == nil && a == b
}

// rulesText returns the parts of a version that a writer's rules depend on.
// Migration rules are for readers only.
func rulesText(v contract.Version, tags map[string][]string) (string, error) {
	var set contract.RuleSet
	if v.RuleSet.ForClients() {
		set = contract.RuleSet{DomainRules: v.RuleSet.DomainRules, EncodingRules: v.RuleSet.EncodingRules}
	}
	if set.Empty() {
		return "", nil
	}
	parameters := map[string]string{}
	if v.Metadata != nil {
		maps.Copy(parameters, v.Metadata.Properties)
		// Other properties, such as a major version, differ without an effect.
		maps.DeleteFunc(parameters, func(name, _ string) bool { return !strings.HasPrefix(name, "encrypt.") })
	}
	text, err := json.Marshal([]any{set, tags, parameters})
	return string(text), err
}
