// Package cel runs the rules of a schema registry that are written in CEL, the
// Common Expression Language: CEL for whole records and CEL_FIELD for their
// fields. A CONDITION refuses a record, and a TRANSFORM changes the record.
//
//	rules := serde.WithRules(cel.Executors()...)
//
// # Variables
//
// A CEL rule has the variable message, the record as a map. A CEL_FIELD rule is
// evaluated for each value of a primitive type in a field that has one of the
// rule's tags, or in every field if the rule has no tags. The variables are
// those of Confluent's clients:
//
//	value      the value
//	fullName   "shop.Customer.email"
//	name       "email"
//	typeName   "STRING", "BYTES", "INT", "LONG", "FLOAT", "DOUBLE", "BOOLEAN"
//	tags       the tags of the field
//	message    the record that holds the field
//
// An expression may begin with a guard and a semicolon. If the guard is false
// or fails, the rule does not apply. A branch of a union is its value, and null
// is null. Logical types are not interpreted, so a timestamp is a number. The
// functions isEmail, isHostname, isIpv4, isIpv6, isUri, isUriRef and isUuid of
// strings are those of Confluent's clients.
package cel
