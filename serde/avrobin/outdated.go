package avrobin

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
