package avsclint

// Rule is one kind of problem that lint finds.
type Rule struct {
	Name   string
	Looks  string // the problem that the rule finds
	Reason string // the reason why the problem matters
}

// The names of the rules.
const (
	typeWithoutDoc         = "TYPE_WITHOUT_DOC"
	fieldWithoutDoc        = "FIELD_WITHOUT_DOC"
	docNotText             = "DOC_NOT_TEXT"
	noNamespace            = "NO_NAMESPACE"
	namespaceStyle         = "NAMESPACE_STYLE"
	typeNameStyle          = "TYPE_NAME_STYLE"
	fieldNameStyle         = "FIELD_NAME_STYLE"
	mixedFieldNames        = "MIXED_FIELD_NAMES"
	symbolStyle            = "SYMBOL_STYLE"
	nameOfPrimitive        = "NAME_OF_PRIMITIVE"
	aliasAmbiguous         = "ALIAS_AMBIGUOUS"
	usedBeforeDefined      = "USED_BEFORE_DEFINED"
	optionalWithoutDefault = "OPTIONAL_WITHOUT_DEFAULT"
	defaultNotFirstBranch  = "DEFAULT_NOT_FIRST_BRANCH"
	defaultUnknownMember   = "DEFAULT_UNKNOWN_MEMBER"
	defaultMisfit          = "DEFAULT_MISFIT"
	enumWithoutDefault     = "ENUM_WITHOUT_DEFAULT"
	mapOfMap               = "MAP_OF_MAP"
	unionOfOne             = "UNION_OF_ONE"
	noValue                = "NO_VALUE"
	floatForMoney          = "FLOAT_FOR_MONEY"
	timeAsNumber           = "TIME_AS_NUMBER"
	uuidAsString           = "UUID_AS_STRING"
	logicalTypeOnField     = "LOGICAL_TYPE_ON_FIELD"
	logicalTypeIgnored     = "LOGICAL_TYPE_IGNORED"
	misspeltAttribute      = "MISSPELT_ATTRIBUTE"
	attributeOnType        = "ATTRIBUTE_ON_TYPE"
	annotationDropped      = "ANNOTATION_DROPPED"
	piiWithoutTag          = "PII_WITHOUT_TAG"
	goPropertyIgnored      = "GO_PROPERTY_IGNORED"
)

// Rules returns all rules, in the order of the documentation.
func Rules() []Rule {
	return []Rule{
		{misspeltAttribute, "a property that is nearly an attribute, such as \"alias\"", "the property has no effect, because implementations take it for one of your own"},
		{attributeOnType, "\"aliases\", \"default\" or \"order\" on the type of a field instead of the field", "no implementation reads the property there"},
		{annotationDropped, "an annotation before a union in IDL", "a union in JSON has no place for an annotation, so avrogen drops the annotation, like Java"},
		{goPropertyIgnored, "\"go.name\" without an exported Go name, \"go.text\" with another value than \"any\"", "avrogen generate ignores the property"},
		{logicalTypeOnField, "\"logicalType\" beside a field's name instead of inside its type", "no implementation reads the property there"},
		{logicalTypeIgnored, "a logical type that is unknown or does not fit its type", "readers silently use the base type"},
		{docNotText, "a \"doc\" that is no string", "implementations ignore the doc"},
		{defaultUnknownMember, "a record default with a member that the record lacks", "implementations ignore the member. Most likely the name has a typing mistake"},
		{defaultMisfit, "a default that its logical type does not have, such as \"\" for a uuid, -1 for a time of day, or too many digits for a decimal", "readers that convert the value cannot read data without the field"},
		{noValue, "a type without values, such as an enum or union without members, or a record that needs itself", "no program can ever write a value of the type"},
		{usedBeforeDefined, "a name before its definition in a file", "avrogen reads the file, most other implementations refuse the file"},
		{nameOfPrimitive, "a type with the name of a primitive type", "the specification forbids the name in every namespace, and references mean the primitive type"},
		{aliasAmbiguous, "an alias that is also the name or alias of something else", "implementations choose differently"},

		{optionalWithoutDefault, "a field that can be null and has no default", "readers cannot read data without the field, so nobody can safely add or remove the field"},
		{defaultNotFirstBranch, "a default that is not of the union's first branch", "implementations of Avro before 1.12 refuse the schema"},
		{enumWithoutDefault, "an enum without a default symbol", "a new symbol breaks every reader with the old symbols"},

		{floatForMoney, "a float or double for money, by its name", "binary fractions cannot hold 0.10; use the logical type decimal"},
		{timeAsNumber, "a long or int for a time, by its name, without logical type", "each reader has to guess the unit"},
		{uuidAsString, "a string for a UUID, by its name, without logical type", "nobody checks the text, and generated code has a plain string"},
		{piiWithoutTag, "a string or bytes field that holds personal data, by its name, and has no tag, where other fields have confluent:tags", "rules encrypt tagged fields only, so the values are written in clear text"},
		{mapOfMap, "a map of maps", "the inner level has no name, no doc and cannot grow; use a record"},
		{unionOfOne, "a union with a single branch", "the union costs a byte a value and means nothing; use the branch"},

		{noNamespace, "a record, enum or fixed without a namespace", "the name clashes with the same name of any other team"},
		{namespaceStyle, "a namespace that is not in lower case", "a namespace becomes a package name in Java and Go"},
		{typeNameStyle, "a type name that is not in UpperCamelCase", "the name becomes a type's name in most languages"},
		{fieldNameStyle, "a field name that is neither lower_snake_case nor lowerCamelCase", "one convention makes names predictable"},
		{mixedFieldNames, "a record that mixes lower_snake_case and lowerCamelCase", "nobody can guess a name"},
		{symbolStyle, "an enum symbol that is not in UPPER_SNAKE_CASE", "a symbol becomes a constant's name in most languages"},
		{typeWithoutDoc, "a record, enum or fixed without \"doc\"", "consumers in other teams have no other explanation"},
		{fieldWithoutDoc, "a field without \"doc\"", "consumers in other teams have no other explanation"},
	}
}
