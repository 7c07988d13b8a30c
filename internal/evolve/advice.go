package evolve

import (
	"fmt"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/resolve"
)

// changeText describes the change, with the old part before the new part.
func changeText(x incompatible, newIsReader bool, earlier string) string {
	before, now := x.r, x.w
	if newIsReader {
		before, now = x.w, x.r
	}
	switch x.kind {
	case MissingDefault, TypeMismatch:
		switch {
		case x.field != nil && newIsReader:
			return fmt.Sprintf("field %s is new and has no default", x.field.Name)
		case x.field != nil:
			return fmt.Sprintf("field %s is gone, and %s has no default for it", x.field.Name, earlier)
		case x.branch() && newIsReader:
			return fmt.Sprintf("a union with %s became %s", named(before), named(now))
		case x.branch():
			return fmt.Sprintf("%s became a union with %s", named(before), named(now))
		}
		return fmt.Sprintf("%s became %s", named(before), named(now))
	case LogicalTypeChanged:
		return fmt.Sprintf("%s became %s", meaning(before), meaning(now))
	case DefaultMisfit:
		if newIsReader {
			return fmt.Sprintf("field %s is new, and %s", x.field.Name, x.misfit.What)
		}
		return fmt.Sprintf("field %s is gone, and in %s %s", x.field.Name, earlier, x.misfit.What)
	case NameMismatch:
		return fmt.Sprintf("%s became %s", before.Name, now.Name)
	case MissingEnumSymbols:
		if newIsReader {
			return fmt.Sprintf("%s left enum %s, which has no default", symbols(x), now.Name)
		}
		return fmt.Sprintf("%s came to enum %s, which had no default in %s", symbols(x), now.Name, earlier)
	case MissingUnionBranch:
		if newIsReader {
			return fmt.Sprintf("no branch takes %s any more", named(x.w))
		}
		return fmt.Sprintf("%s had no branch that takes %s", earlier, named(x.w))
	case FixedSizeMismatch:
		return fmt.Sprintf("%s went from %d to %d bytes", now.Name, before.Size, now.Size)
	default:
		if x.own {
			return fmt.Sprintf("field %s has its own name as an alias", x.field.Name)
		}
		return fmt.Sprintf("the names and aliases of field %s match two fields", x.field.Name)
	}
}

// named returns the usual name of a type. A named type has its full name.
func named(s *avsc.Schema) string {
	if s.Name != "" {
		return s.Kind.String() + " " + s.Name
	}
	return s.Kind.String()
}

// advice says how to fix x. If the new schema is the reader, the new schema can
// learn to understand old data. If the new schema is the writer, old readers
// cannot change. Only the written data can change.
func advice(x incompatible, newIsReader bool, earlier string) string {
	if newIsReader {
		return readerAdvice(x, earlier)
	}
	return writerAdvice(x, earlier)
}

func readerAdvice(x incompatible, earlier string) string {
	switch x.kind {
	case LogicalTypeChanged:
		return fmt.Sprintf("Keep %s; for another meaning add a new field with a default.", meaning(x.w))
	case DefaultMisfit:
		return upperFirst(x.misfit.Fix) + "."
	case MissingDefault:
		if key := misplaced(x.field.Type); key != "" {
			return fmt.Sprintf("Move %q from the type of %s to the field: no implementation reads it on a type.", key, x.field.Name)
		}
		return fmt.Sprintf("Give %s a default, or, if it is an old field renamed, add the old name as an alias.", x.field.Name)
	case TypeMismatch:
		if x.field != nil {
			return fmt.Sprintf("Give the field %s a default: its enum's own default does not stand in for a missing field.", x.field.Name)
		}
		if x.branch() {
			return fmt.Sprintf("Keep the union; for %s alone add a new field with a default.", named(x.r))
		}
		if to := promotions(x.w.Kind); to != "" {
			return fmt.Sprintf("Keep %s, or widen it to %s; for another type add a new field with a default.", x.w.Kind, to)
		}
		return fmt.Sprintf("Keep %s; for another type add a new field with a default.", x.w.Kind)
	case NameMismatch:
		return fmt.Sprintf("Add %q to the aliases of %s.", x.w.Name, x.r.Name)
	case MissingEnumSymbols:
		return fmt.Sprintf("Keep %s, or give the enum a default for it.", symbols(x))
	case MissingUnionBranch:
		return fmt.Sprintf("Keep a branch for %s in the union.", named(x.w))
	case FixedSizeMismatch:
		return fmt.Sprintf("Keep the size of %d bytes, or add a new field of a new fixed type with a default.", x.w.Size)
	default:
		if x.own {
			return fmt.Sprintf("Remove the alias %s from the field %s.", x.field.Name, x.field.Name)
		}
		return fmt.Sprintf("Take the alias away from %s that means another field of %s.", x.field.Name, earlier)
	}
}

func writerAdvice(x incompatible, earlier string) string {
	switch x.kind {
	case LogicalTypeChanged:
		return fmt.Sprintf("Keep %s; for another meaning add a new field and fill both until no reader is left on %s.", meaning(x.r), earlier)
	case DefaultMisfit:
		return fmt.Sprintf("Keep the field %s: readers on %s cannot convert its default.", x.field.Name, earlier)
	case MissingDefault:
		return fmt.Sprintf("Keep the field %s: %s has no default for it.", x.field.Name, earlier)
	case TypeMismatch:
		if x.field != nil {
			return fmt.Sprintf("Keep the field %s: %s has no default for it.", x.field.Name, earlier)
		}
		return fmt.Sprintf("Keep %s; for another type add a new field and fill both until no reader is left on %s.", x.r.Kind, earlier)
	case NameMismatch:
		return fmt.Sprintf("Keep the name %s: %s does not know %s.", x.r.Name, earlier, x.w.Name)
	case MissingEnumSymbols:
		return fmt.Sprintf("Move the readers first: %s has no default for %s.", earlier, symbols(x))
	case MissingUnionBranch:
		return fmt.Sprintf("Write %s into a new field until no reader is left on %s.", named(x.w), earlier)
	case FixedSizeMismatch:
		return fmt.Sprintf("Keep the size of %d bytes, or add a new field of a new fixed type.", x.r.Size)
	default:
		if x.own {
			return fmt.Sprintf("Remove the alias in the new schema and check old data only (BACKWARD): a registry cannot check readers on %s.", earlier)
		}
		return fmt.Sprintf("Rename one of the fields: %s takes both for %s.", earlier, x.field.Name)
	}
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// misplaced returns the attribute that makes old data readable if the attribute
// moves from the type of a field to the field.
func misplaced(s *avsc.Schema) string {
	for _, m := range s.Props {
		if m.Key == "aliases" || m.Key == "default" {
			return m.Key
		}
	}
	return ""
}

func symbols(x incompatible) string {
	missing := resolve.MissingSymbols(x.w, x.r)
	if len(missing) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(missing[:3], ", "), len(missing)-3)
	}
	return strings.Join(missing, ", ")
}

// promotions names the types that can read every value of kind k.
func promotions(k avsc.Kind) string {
	var to []string
	for r := avsc.Null; r <= avsc.String; r++ {
		if resolve.Promotes(k, r) {
			to = append(to, r.String())
		}
	}
	if len(to) > 1 {
		to[len(to)-2] += " or " + to[len(to)-1]
		to = to[:len(to)-1]
	}
	return strings.Join(to, ", ")
}
