package avrobin

// RunAvrogenGenerate is for the checks of generated code that uses generated
// types of another module. If the other module has another schema, the compiler
// reports two array types of different lengths. The types have this name.
type RunAvrogenGenerate struct{}

// These names are for generated code of version 1, which must be generated
// again. Such code does not compile. The compiler prints the type of these
// variables, and so the sentence in the type.
var (
	At struct { //nolint:gochecknoglobals // only its type matters
		_ struct{} `outdated:"an older avrogen made this code: run avrogen generate"`
	}
	Version1 struct { //nolint:gochecknoglobals // only its type matters
		_ struct{} `outdated:"an older avrogen made this code: run avrogen generate"`
	}
)
