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

// Reference says that a schema uses the named type Name. A version of another
// subject defines the type.
type Reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	// Version counts from 1. Version 0 means the latest version when the
	// schema is registered.
	Version int `json:"version"`
}

// Metadata belongs to one version of a subject. Only Confluent's registry keeps
// metadata. Other registries drop metadata without an error of their own.
type Metadata struct {
	// Tags are the tags of fields. The keys are paths, such as
	// "shop.Order.email", and may contain wildcards, such as "**.ssn". A schema
	// can also hold tags itself, as confluent:tags.
	Tags map[string][]string `json:"tags,omitempty"`
	// Properties are free texts by name, such as a major version or the
	// parameters of rules.
	Properties map[string]string `json:"properties,omitempty"`
	// Sensitive names the properties that the registry encrypts in its store.
	Sensitive []string `json:"sensitive,omitempty"`
}

// Schema is a schema to register or to look up under a subject.
type Schema struct {
	// Text is the schema as JSON. The registry gets exactly this text.
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
	// Subject is "" and Version is 0 in the answer for a schema id or a GUID,
	// because a schema may have many versions. Version is also 0 if the
	// registry registers a schema and does not return the number.
	Subject string
	Version int
	// ID is the schema's id, or 0 in the answer for a GUID.
	ID int
	// GUID is the zero UUID if the registry has no GUIDs.
	GUID uuid.UUID
	// Schema is the complete text, including the types of the references.
	Schema string
	// Registered is the text as the registry stores it.
	Registered string
	// References are the types of other subjects that Registered uses.
	References []Reference
	// Metadata is nil if the registry keeps no metadata for the version.
	Metadata *Metadata
	// RuleSet is nil if the answer did not include rules. An empty RuleSet
	// means that the version has no rules.
	RuleSet *RuleSet
}

// RuleSet holds the rules of a version. The order of the rules counts.
type RuleSet struct {
	// MigrationRules convert a value between consecutive versions.
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	// DomainRules check or change a value.
	DomainRules []Rule `json:"domainRules,omitempty"`
	// EncodingRules change the bytes of a whole message.
	EncodingRules []Rule `json:"encodingRules,omitempty"`
	// EnableAt says where the rules run. Clients run the rules if EnableAt is
	// "", "ALL" or "CLIENT".
	EnableAt string `json:"enableAt,omitempty"`
}

// Rule is one rule of a [RuleSet].
type Rule struct {
	Name string `json:"name"`
	Doc  string `json:"doc,omitempty"`
	// Kind is [Transform] or [Condition].
	Kind string `json:"kind,omitempty"`
	// Mode is one of the Mode constants and says when the rule applies.
	Mode string `json:"mode,omitempty"`
	// Type names the executor, such as "CEL", "ENCRYPT" or "JSONATA".
	Type string `json:"type,omitempty"`
	// Tags limit the rule to fields with these tags. Without Tags the rule
	// applies to all fields.
	Tags   []string          `json:"tags,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	Expr   string            `json:"expr,omitempty"`
	// OnSuccess and OnFailure name actions, such as "NONE", "ERROR" or "DLQ".
	// A rule for writing and reading may name two actions, separated by a
	// comma.
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

// Empty reports whether the set has no rule. A nil RuleSet is empty.
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

// All returns the migration rules, then the domain rules, then the encoding
// rules. A nil RuleSet has no rules.
func (s *RuleSet) All() []Rule {
	if s == nil {
		return nil
	}
	return slices.Concat(s.MigrationRules, s.DomainRules, s.EncodingRules)
}
