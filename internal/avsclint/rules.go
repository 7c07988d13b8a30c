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
		{misspeltAttribute, "a property that is nearly an attribute, such as \"alias\"", "it is taken for a property of your own, so it does nothing"},
		{attributeOnType, "\"aliases\", \"default\" or \"order\" on the type of a field instead of the field", "there it is a property that no implementation reads"},
		{annotationDropped, "an annotation before a union in IDL", "a union in JSON has no place for it, so it is dropped, as Java does"},
		{goPropertyIgnored, "\"go.name\" that is no exported Go name, \"go.text\" that is not \"any\"", "avrogen generate takes no notice of it"},
		{logicalTypeOnField, "\"logicalType\" beside a field's name instead of inside its type", "there it is a property that no implementation reads"},
		{logicalTypeIgnored, "a logical type that is unknown or does not fit its type", "readers silently use the base type"},
		{docNotText, "a \"doc\" that is no string", "it is ignored"},
		{defaultUnknownMember, "a record default with a member that the record lacks", "it is ignored, so it is most likely a mistyped name"},
		{noValue, "a type without values: an enum or union without members, a record that needs itself", "nothing can ever be written with it"},
		{usedBeforeDefined, "a name that stands before its definition in a file", "avrogen reads it, most other implementations refuse it (section \"Names\")"},
		{nameOfPrimitive, "a type called like a primitive type", "the specification forbids it in every namespace, and references to it are read as the primitive"},
		{aliasAmbiguous, "an alias that is the name or alias of something else there", "which of the two a reader takes depends on the implementation"},

		{optionalWithoutDefault, "a field that can be null and has no default", "readers cannot add it to data that lacks it, so it can never be added or removed safely"},
		{defaultNotFirstBranch, "a default that is not of the union's first branch", "implementations of Avro before 1.12 refuse the schema"},
		{enumWithoutDefault, "an enum without a default symbol", "a new symbol then breaks every reader that does not know it"},

		{floatForMoney, "a float or double that holds money, by its name", "binary fractions cannot hold 0.10; use the logical type decimal"},
		{timeAsNumber, "a long or int that holds a time, by its name, without logical type", "whether it is seconds, millis or micros is then a guess of each reader"},
		{uuidAsString, "a string that holds a UUID, by its name, without logical type", "no one checks it, and generated code has a plain string"},
		{piiWithoutTag, "a string or bytes field that holds personal data, by its name, and has no tag, where other fields have confluent:tags", "rules encrypt tagged fields only, so its values are written in clear text"},
		{mapOfMap, "a map whose values are maps", "the inner level has no name, no doc and cannot grow; use a record"},
		{unionOfOne, "a union with a single branch", "it costs a byte a value and means nothing; use the branch itself"},

		{noNamespace, "a record, enum or fixed without a namespace", "its name clashes with that of any other team"},
		{namespaceStyle, "a namespace that is not in lower case", "it becomes a package name in Java and Go"},
		{typeNameStyle, "a type whose name is not in UpperCamelCase", "it becomes a type's name in most languages"},
		{fieldNameStyle, "a field whose name is neither lower_snake_case nor lowerCamelCase", "one convention makes names predictable"},
		{mixedFieldNames, "a record that mixes lower_snake_case and lowerCamelCase", "nobody can guess a name"},
		{symbolStyle, "an enum symbol that is not in UPPER_SNAKE_CASE", "it becomes a constant's name in most languages"},
		{typeWithoutDoc, "a record, enum or fixed without \"doc\"", "consumers of other teams have nothing else to read"},
		{fieldWithoutDoc, "a field without \"doc\"", "consumers of other teams have nothing else to read"},
	}
}
