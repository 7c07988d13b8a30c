package registry

import "github.com/avroline/avroline/registry/contract"

// The types of a data contract are those of package contract, which package
// serde reads as well.
type (
	// Schema is a schema to register or to look up: a text, its references, its
	// metadata and its rules.
	Schema = contract.Schema
	// Version is a schema that the registry has, with its id.
	Version = contract.Version
	// Reference says that a schema uses a type of another subject's version.
	Reference = contract.Reference
	// Metadata holds the tags and properties of a version.
	Metadata = contract.Metadata
	// RuleSet holds the rules of a version.
	RuleSet = contract.RuleSet
	// Rule is one rule of a RuleSet.
	Rule = contract.Rule
)
