package codegen

import (
	"fmt"
	"go/types"
	"strconv"
	"strings"
)

// ownConversion sets the form of d, or returns an error about the methods that
// the type lacks.
func (b *builder) ownConversion(d *ownDecl) error {
	if d.Ref.Encode != "" || d.Ref.Decode != "" {
		return b.ownFunctions(d)
	}
	pointee := d.Type
	if p, ok := types.Unalias(d.Type).(*types.Pointer); ok {
		pointee = p.Elem()
	}
	const fix = `name functions: "encode" and "decode"`
	if types.IsInterface(pointee) {
		return fmt.Errorf("it is an interface, so nothing says which type a value that is read has: name a type that implements it, or %s", fix)
	}
	if _, ok := types.Unalias(pointee).(*types.Pointer); ok {
		return fmt.Errorf("it is a pointer to a pointer, which has no methods: %s", fix)
	}
	base := d.Base
	switch {
	case hasMethod(pointee, "AppendAvro", "func([]byte) ([]byte, error)") && hasMethod(pointee, "ReadAvro", "func([]byte) ([]byte, error)"):
		d.Form = ownWireMethods
		d.ReadsLayout = hasMethod(pointee, "ReadAvroAs", "func("+avrobinPath+".Layout, []byte) ([]byte, error)")
		return declares(pointee, "ReadAvro")
	case base.underlying() != "" && typeString(d.Type.Underlying()) == base.underlying():
		d.Form = ownConvert
		return nil
	case base.hasTextForm() && hasMethod(pointee, "MarshalText", "func() ([]byte, error)") && hasMethod(pointee, "UnmarshalText", "func([]byte) error"):
		d.Form = ownText
		return declares(pointee, "UnmarshalText")
	case (base.Kind == kindBytes || base.Kind == kindFixed) &&
		hasMethod(pointee, "MarshalBinary", "func() ([]byte, error)") && hasMethod(pointee, "UnmarshalBinary", "func([]byte) error"):
		d.Form = ownBinary
		return declares(pointee, "UnmarshalBinary")
	}
	ways := []string{"AppendAvro([]byte) ([]byte, error) with ReadAvro([]byte) ([]byte, error)"}
	if base.hasTextForm() {
		ways = append(ways, "MarshalText with UnmarshalText")
	}
	if base.Kind == kindBytes || base.Kind == kindFixed {
		ways = append(ways, "MarshalBinary with UnmarshalBinary")
	}
	what := "it has no methods that convert it: " + strings.Join(ways, ", or ")
	if base.underlying() != "" {
		what += ", and its underlying type is not " + base.underlying()
	}
	if own := base.baseString(); own != "" {
		what += fmt.Sprintf("; else name functions: \"encode\" for func(%s) (%s, error) and \"decode\" for the reverse", typeString(d.Type), own)
	}
	return fmt.Errorf("%s", what)
}

// declares reports an error if a new variable of type t cannot call the method,
// because an embedded pointer or interface has the method.
func declares(t types.Type, method string) error {
	obj, _, indirect := types.LookupFieldOrMethod(t, true, nil, method)
	if f := obj.(*types.Func); indirect || types.IsInterface(f.Signature().Recv().Type()) {
		return fmt.Errorf("its method %s belongs to an embedded pointer or interface, which is nil in a new value: declare the method on the type itself, or name functions", method)
	}
	return nil
}

// ownFunctions checks the functions of d.
func (b *builder) ownFunctions(d *ownDecl) error {
	if d.Ref.Encode == "" || d.Ref.Decode == "" {
		return fmt.Errorf("it has one of encode and decode, and needs both")
	}
	encode, err := b.signature(d.Ref.Encode, d)
	if err != nil {
		return err
	}
	decode, err := b.signature(d.Ref.Decode, d)
	if err != nil {
		return err
	}
	own, base := typeString(d.Type), d.Base.baseString()
	in := func(s *types.Signature) string { return typeString(s.Params()) }
	out := func(s *types.Signature) string { return typeString(s.Results()) }
	// fits compares the signature with func(from) to or func(from) (to, error).
	fits := func(s *types.Signature, from, to string, fails *bool) bool {
		*fails = out(s) == "("+to+", error)"
		return !s.Variadic() && in(s) == "("+from+")" && (*fails || out(s) == "("+to+")")
	}
	switch {
	case in(encode) == "([]byte, "+own+")" && out(encode) == "([]byte, error)" && !encode.Variadic():
		if in(decode) != "([]byte)" || out(decode) != "("+own+", []byte, error)" {
			return fmt.Errorf("decode %s is func%s %s, and must be func([]byte) (%s, []byte, error), because encode appends the Avro encoding",
				d.Ref.Decode, in(decode), out(decode), own)
		}
		d.Form = ownWireFuncs
		return nil
	case base == "":
		return fmt.Errorf("encode %s is func%s %s, and must be func([]byte, %s) ([]byte, error), the Avro encoding", d.Ref.Encode, in(encode), out(encode), own)
	case !fits(encode, own, base, &d.Encode.Fails):
		return fmt.Errorf("encode %s is func%s %s, and must be func(%s) (%s, error)", d.Ref.Encode, in(encode), out(encode), own, base)
	case !fits(decode, base, own, &d.Decode.Fails):
		return fmt.Errorf("decode %s is func%s %s, and must be func(%s) (%s, error)", d.Ref.Decode, in(decode), out(decode), base, own)
	}
	d.Form = ownFuncs
	return nil
}

// signature looks up a function. It also adds the package of the function to d.
func (b *builder) signature(text string, d *ownDecl) (*types.Signature, error) {
	obj, err := b.object(text, d.Pkg)
	if err != nil {
		return nil, err
	}
	f, ok := obj.(*types.Func)
	if !ok {
		return nil, fmt.Errorf("%s is no function", text)
	}
	s := f.Signature()
	if s.TypeParams().Len() > 0 {
		return nil, fmt.Errorf("%s has type parameters, and must have none", text)
	}
	to := &d.Encode
	if text == d.Ref.Decode {
		to = &d.Decode
	}
	to.Pkg, to.Name = b.ownPackage(f.Pkg()), f.Name()
	d.Pkgs = append(d.Pkgs, to.Pkg)
	return s, nil
}

// describe finds out how values of the type are compared and copied.
func (d *ownDecl) describe() {
	t := d.Type
	_, d.Pointer = t.Underlying().(*types.Pointer)
	switch t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Interface:
		d.Nilable = true
	}
	d.Comparable = types.Comparable(t)
	own := typeString(t)
	if d.Pointer {
		return
	}
	d.Pure = d.Comparable && pure(t)
	switch {
	case hasMethod(t, "Equal", "func("+own+") bool"):
		d.Equal, d.Pure = "Equal(%s)", false
	case hasMethod(t, "Equal", "func(*"+own+") bool"):
		d.Equal, d.Pure = "Equal(&%s)", false
	}
	switch {
	case hasMethod(t, "Clone", "func() "+own):
		d.Clone = "%s.Clone()"
	case hasMethod(t, "Clone", "func() *"+own):
		d.Clone = "*%s.Clone()"
	}
}

// pure reports whether == compares values of t and assignment copies them.
func pure(t types.Type) bool {
	switch t := t.Underlying().(type) {
	case *types.Basic:
		return t.Kind() != types.UnsafePointer
	case *types.Array:
		return pure(t.Elem())
	case *types.Struct:
		for f := range t.Fields() {
			if !pure(f.Type()) {
				return false
			}
		}
		return true
	}
	return false
}

// shares reports whether a copy by assignment may share memory.
func (d *ownDecl) shares() bool { return d.Pointer || !pure(d.Type) }

// hasMethod reports whether a variable of type t has a method with the
// signature.
func hasMethod(t types.Type, name, signature string) bool { return methodOf(t, true, name, signature) }

// methodOf reports whether a value of type t has a method with the signature.
func methodOf(t types.Type, addressable bool, name, signature string) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, addressable, nil, name)
	f, ok := obj.(*types.Func)
	return ok && typeString(types.NewSignatureType(nil, nil, nil, unnamed(f.Signature().Params()), unnamed(f.Signature().Results()), f.Signature().Variadic())) == signature
}

// unnamed returns a tuple without the names of its variables.
func unnamed(t *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range t.Variables() {
		vars = append(vars, types.NewParam(v.Pos(), v.Pkg(), "", v.Type()))
	}
	return types.NewTuple(vars...)
}

// typeString returns the text of a type with full import paths. Equal texts
// mean equal types, although the types come from different loads.
func typeString(t types.Type) string {
	if tuple, ok := t.(*types.Tuple); ok {
		t = unnamed(tuple)
	}
	text := types.TypeString(types.Unalias(t), nil)
	return strings.ReplaceAll(text, "uint8", "byte")
}

// baseString returns the text of the Go type that functions of an own type take
// and return. The result is "" for types that only generated code declares.
func (t *typeExpr) baseString() string {
	switch t.Kind {
	case kindDate:
		return avrobinPath + ".Date"
	case kindDuration:
		return avrobinPath + ".Duration"
	case kindUUIDString, kindUUIDFixed:
		return "github.com/google/uuid.UUID"
	case kindDecimalBytes, kindDecimalFixed:
		return "github.com/shopspring/decimal.Decimal"
	case kindEnum:
		return "string"
	case kindFixed:
		return "[" + strconv.Itoa(t.Fixed.Size) + "]byte"
	case kindRecord, kindUnion, kindNull:
		return ""
	case kindOwn:
		return typeString(t.Own.Type)
	case kindArray, kindMap, kindOptional:
		elem := t.Elem.baseString()
		switch {
		case elem == "" || t.Elem.Kind == kindEnum || t.Elem.Kind == kindFixed || t.Opt != nil:
			return ""
		case t.Kind == kindArray:
			return "[]" + elem
		case t.Kind == kindMap:
			return "map[string]" + elem
		case t.Nilable:
			return elem
		}
		return "*" + elem
	default:
		return t.goType(nil)
	}
}

// underlying returns the underlying type of an own type that needs only a Go
// conversion, or "" if there is no such type.
func (t *typeExpr) underlying() string {
	switch t.Kind {
	case kindDate:
		return "int32"
	case kindTimeMillis, kindTimeMicros:
		return "int64"
	case kindUUIDString, kindUUIDFixed:
		return "[16]byte"
	case kindTimestampMillis, kindTimestampMicros, kindTimestampNanos,
		kindDecimalBytes, kindDecimalFixed, kindDuration, kindOptional, kindOwn:
		return ""
	default:
		return t.baseString()
	}
}

// hasTextForm reports whether the values of t have MarshalText and
// UnmarshalText, or are strings.
func (t *typeExpr) hasTextForm() bool {
	switch t.Kind {
	case kindString, kindEnum, kindDate, kindUUIDString, kindUUIDFixed, kindDecimalBytes, kindDecimalFixed,
		kindTimestampMillis, kindTimestampMicros, kindTimestampNanos:
		return true
	default:
		return false
	}
}

// optionalForm checks whether ref is a struct for optional values. Such a
// struct has a field Valid of type bool and one more field. The other field has
// the type of the element, or a type that converts by itself. If ref is such a
// struct, optionalForm sets the struct type of the optional o and returns true.
func (b *builder) optionalForm(o *typeExpr, ref *ownRef, at unionPlace) bool {
	if ref == nil || ref.Encode != "" || ref.Decode != "" || at.record.Pkg.External {
		return false
	}
	pkg := at.record.Pkg
	t, err := b.parseType(ref.Type, pkg)
	if err != nil {
		return false // ownType reports it
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok || s.NumFields() != 2 {
		return false
	}
	var valid, value *types.Var
	for f := range s.Fields() {
		if f.Name() == "Valid" && typeString(f.Type()) == "bool" {
			valid = f
		} else if f.Exported() {
			value = f
		}
	}
	if valid == nil || value == nil {
		return false
	}
	named := o.Elem.Kind == kindEnum || o.Elem.Kind == kindFixed // the field cannot have the type in baseString
	switch {
	case o.Elem.Kind == kindRecord && len(o.Elem.Avro.Fields) == 0:
		return false // ownType reports it
	case named || typeString(value.Type()) != o.Elem.baseString():
		d, err := b.ownDecl(o.Elem, ref, pkg, value.Type())
		if err != nil {
			return false
		}
		o.Elem = &typeExpr{Kind: kindOwn, Avro: o.Elem.Avro, Own: d}
	}
	o.Opt = &optForm{Value: value.Name(), Type: t, Pkgs: b.packagesOf(t), Carried: jsonMethods(t, false) != jsonBoth}
	return true
}
