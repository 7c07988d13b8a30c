// Package contract holds the data contract of a subject as a schema registry
// stores it: a schema with its references, its metadata and its rules. The
// package has plain data only and makes no call. Package registry reads and
// writes these types, and package serde obeys the rules in them.
package contract

import (
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Reference says that a schema uses the named type Name, which one version of
// another subject defines.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	// Version counts from 1. 0 means the latest version at the time of
	// registering.
	Version int `json:"version"`
}

// Metadata belongs to one version of a subject. Only Confluent's registry keeps
// metadata; the others drop it without a word.
type Metadata struct {
	// Tags are the tags of fields, by path ("shop.Order.email", or with
	// wildcards "**.ssn"). Tags inside the schema are its confluent:tags.
	Tags map[string][]string `json:"tags,omitempty"`
	// Properties are free texts by name, such as a major version or the
	// parameters of rules.
	Properties map[string]string `json:"properties,omitempty"`
	// Sensitive names the properties that the registry encrypts in its store.
	Sensitive []string `json:"sensitive,omitempty"`
}

// Schema is what is registered or looked up under a subject.
type Schema struct {
	// Text is the schema as JSON. It is registered as it is written.
	Text string
	// References are the types of other subjects that Text uses.
	References []Reference
	// Metadata is nil for none. Confluent's registry then takes over the
	// metadata of the version before.
	Metadata *Metadata
	// RuleSet is nil for none. Confluent's registry then takes over the rules
	// of the version before.
	RuleSet *RuleSet
	// Normalize asks the registry to compare and to store the normalised text.
	Normalize bool
}

// Version is a schema that a registry has.
type Version struct {
	// Subject and Version are "" and 0 in an answer that is about a schema id
	// or a GUID, because one schema may have many versions. Version is also 0
	// when the registry does not tell the version that it has just registered.
	Subject string
	Version int
	// ID is the schema's id. It is 0 in an answer that is about a GUID.
	ID int
	// GUID is the zero UUID where the registry does not know it.
	GUID uuid.UUID
	// Schema is the text with the types of its references put in place, so that
	// it stands on its own.
	Schema string
	// Registered is the text as it was registered.
	Registered string
	// References are the types of other subjects that Registered uses.
	References []Reference
	// Metadata is nil where the version has none or the registry keeps none.
	Metadata *Metadata
	// RuleSet is nil where the registry did not tell the rules or keeps none.
	// It is an empty RuleSet where the registry told that there are no rules.
	RuleSet *RuleSet
}

// RuleSet holds the rules of a version. The order of the rules counts.
type RuleSet struct {
	// MigrationRules carry a value from one version to the next or back.
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	// DomainRules check or change a value.
	DomainRules []Rule `json:"domainRules,omitempty"`
	// EncodingRules change the bytes of a whole message.
	EncodingRules []Rule `json:"encodingRules,omitempty"`
	// EnableAt says who executes the rules. Clients do if it is "", "ALL" or
	// "CLIENT".
	EnableAt string `json:"enableAt,omitempty"`
}

// Rule is one rule of a [RuleSet].
type Rule struct {
	Name string `json:"name"`
	Doc  string `json:"doc,omitempty"`
	// Kind is [Transform] or [Condition].
	Kind string `json:"kind,omitempty"`
	// Mode says when the rule applies: one of the Mode constants.
	Mode string `json:"mode,omitempty"`
	// Type names the executor, such as "CEL", "ENCRYPT" or "JSONATA".
	Type string `json:"type,omitempty"`
	// Tags are the tags of the fields that the rule is about; none means all.
	Tags   []string          `json:"tags,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	Expr   string            `json:"expr,omitempty"`
	// OnSuccess and OnFailure name actions, such as "NONE", "ERROR" or "DLQ".
	// A rule of a mode that both writes and reads may name two, with a comma
	// between them.
	OnSuccess string `json:"onSuccess,omitempty"`
	OnFailure string `json:"onFailure,omitempty"`
	Disabled  bool   `json:"disabled,omitempty"`
}

// The kinds of a [Rule].
const (
	Transform = "TRANSFORM"
	Condition = "CONDITION"
)

// The modes of a [Rule].
const (
	ModeWrite     = "WRITE"
	ModeRead      = "READ"
	ModeWriteRead = "WRITEREAD"
	ModeUpgrade   = "UPGRADE"
	ModeDowngrade = "DOWNGRADE"
	ModeUpDown    = "UPDOWN"
)

// Empty reports whether there is no rule at all, also for a nil RuleSet.
func (s *RuleSet) Empty() bool {
	return s == nil || len(s.MigrationRules) == 0 && len(s.DomainRules) == 0 && len(s.EncodingRules) == 0
}

// ForClients reports whether clients execute the rules. A nil RuleSet has no
// rules to execute.
func (s *RuleSet) ForClients() bool {
	if s == nil {
		return false
	}
	switch strings.ToUpper(s.EnableAt) {
	case "", "ALL", "CLIENT":
		return true
	}
	return false
}

// All returns the rules: migration, domain, encoding rules, each in its order.
// A nil RuleSet has none.
func (s *RuleSet) All() []Rule {
	if s == nil {
		return nil
	}
	return slices.Concat(s.MigrationRules, s.DomainRules, s.EncodingRules)
}
