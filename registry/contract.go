package registry

import "github.com/avroline/avroline/registry/contract"

// The types of a data contract come from package contract. Package serde uses
// the same types.
type (
	// Schema is a schema to register or to look up. A Schema has a text,
	// references, metadata and rules.
	Schema = contract.Schema
	// Version is a schema in the registry, with its id.
	Version = contract.Version
	// Reference says that a schema uses a type from a version of another
	// subject.
	Reference = contract.Reference
	// Metadata holds the tags and properties of a version.
	Metadata = contract.Metadata
	// RuleSet holds the rules of a version.
	RuleSet = contract.RuleSet
	// Rule is one rule of a RuleSet.
	Rule = contract.Rule
)
