package avsclint

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/fieldtags"
)

// checkNameAgainstType compares the name of a field with its type.
func (l *linter) checkNameAgainstType(f *avsc.Field, path string) {
	w := words(f.Name)
	if len(w) == 0 {
		return
	}
	last := w[len(w)-1]
	for _, s := range scalars(f.Type, nil) {
		if s.Logical.Name != "" || ignoredLogicalType(s) != nil {
			continue
		}
		switch {
		case (s.Kind == avsc.Float || s.Kind == avsc.Double) && isMoneyWord(w):
			l.report(floatForMoney, s.Pos, path, fmt.Sprintf("field %s is a %s and looks like money", f.Name, s.Kind), `use {"type": "bytes", "logicalType": "decimal", "precision": …, "scale": …}`)
		case (s.Kind == avsc.Long || s.Kind == avsc.Int) && isTimeWord(w):
			logical := "timestamp-millis"
			if s.Kind == avsc.Int {
				logical = "date"
			}
			l.report(timeAsNumber, s.Pos, path, fmt.Sprintf("field %s is a bare %s and looks like a time", f.Name, s.Kind), fmt.Sprintf("use {\"type\": %q, \"logicalType\": %q} if that is its unit", s.Kind, logical))
		case s.Kind == avsc.String && (last == "uuid" || last == "guid"):
			l.report(uuidAsString, s.Pos, path, "field "+f.Name+" is a bare string and looks like a UUID", `use {"type": "string", "logicalType": "uuid"}`)
		}
	}
}

// scalars returns the primitive types of a field. They include the branches of
// a union and the items of an array.
func scalars(s *avsc.Schema, out []*avsc.Schema) []*avsc.Schema {
	switch {
	case s.Kind.Primitive():
		return append(out, s)
	case s.Kind == avsc.Array:
		return scalars(s.Elem, out)
	case s.Kind == avsc.Union:
		for _, b := range s.Branches {
			out = scalars(b, out)
		}
	}
	return out
}

func isMoneyWord(w []string) bool {
	switch w[len(w)-1] {
	case "price", "prices", "amount", "amounts", "cost", "costs", "fee", "fees", "balance", "salary", "tax", "vat", "revenue", "subtotal", "money", "refund":
		return true
	}
	return false
}

// checkPersonalData looks for fields without a tag among fields with tags.
func (l *linter) checkPersonalData(f *avsc.Field, path string) {
	if l.tagging && len(l.Tags[path]) == 0 && len(fieldtags.Inline(f)) == 0 && LooksPersonal(f) {
		l.report(piiWithoutTag, f.NamePos, path, "field "+f.Name+" looks personal and has no tag, so rules do not encrypt the field", `add "confluent:tags": ["PII"], or another tag if the value may be in clear text`)
	}
}

// usesTags reports whether a field of the set has confluent:tags.
func usesTags(set *avsc.Set) bool {
	uses, seen := false, map[*avsc.Schema]bool{}
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			s.WalkNew(seen, func(n *avsc.Schema) {
				uses = uses || slices.ContainsFunc(n.Fields, func(f *avsc.Field) bool { return len(fieldtags.Inline(f)) > 0 })
			})
		}
	}
	return uses
}

// LooksPersonal reports whether a field holds personal data, by its name and
// type. The field contains strings or bytes, because only these can be
// encrypted.
func LooksPersonal(f *avsc.Field) bool {
	if !slices.ContainsFunc(scalars(f.Type, nil), func(s *avsc.Schema) bool {
		return s.Kind == avsc.String && s.Logical.Name == "" || s.Kind == avsc.Bytes && s.Logical.Name == ""
	}) {
		return false
	}
	return personalName(words(f.Name))
}

func personalName(w []string) bool {
	if len(w) == 0 {
		return false
	}
	name := strings.Join(w, " ")
	for _, end := range []string{
		"email", "emails", "email address", "e mail", "mail address", "phone", "phones", "phone number", "telephone", "mobile", "mobile number", "fax",
		"first name", "firstname", "given name", "last name", "lastname", "family name", "surname", "maiden name", "full name", "fullname",
		"birthday", "birth date", "birthdate", "date of birth", "dob", "birthplace",
		"home address", "street address", "street", "postal address", "billing address", "shipping address", "delivery address",
		"ssn", "social security number", "national id", "passport", "passport number", "tax id", "driving licence", "driver license",
		"iban", "card number", "credit card", "cvv", "cvc", "account number", "ip address", "password", "fingerprint",
	} {
		if name == end || strings.HasSuffix(name, " "+end) {
			return true
		}
	}
	return false
}

func isTimeWord(w []string) bool {
	last := w[len(w)-1]
	switch last {
	case "at", "ts", "timestamp", "datetime", "date", "epoch":
		return true
	case "time":
		return len(w) > 1 && slices.Contains([]string{"event", "create", "created", "creation", "update", "updated", "start", "end", "arrival", "departure", "expiry", "order", "request"}, w[len(w)-2])
	}
	return false
}

// ignoredLogicalType returns the "logicalType" of s if the logical type has no
// effect. Otherwise the result is nil.
func ignoredLogicalType(s *avsc.Schema) *avsc.Value {
	return property(s.Props, "logicalType")
}

func (l *linter) logicalType(s *avsc.Schema, path string) {
	v := ignoredLogicalType(s)
	if v == nil {
		return
	}
	l.report(logicalTypeIgnored, v.Pos, path, fmt.Sprintf("logical type %s does not count on %s", v.Text, avsc.Article(s.Kind.String())), whyIgnored(s, v.Str))
}

// whyIgnored names the unmet condition of the logical type name of s, and the
// fix.
func whyIgnored(s *avsc.Schema, name string) string {
	if name == "decimal" {
		return whyNoDecimal(s)
	}
	known := map[string]string{
		"uuid": "put it on a string or on a fixed of size 16",
		"date": "put it on an int", "time-millis": "put it on an int",
		"duration":    "put it on a fixed of size 12",
		"big-decimal": "avrogen has no type for it; use decimal, with a precision and a scale",
	}
	for _, name := range []string{"time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"} {
		known[name] = "put it on a long"
	}
	if fix := known[name]; fix != "" {
		return fix
	}
	names := []string{"decimal"}
	for n := range known {
		names = append(names, n)
	}
	if near := avsc.Nearest(name, names); len(near) > 0 {
		return fmt.Sprintf("did you mean %q?", near[0])
	}
	return "the specification does not know it; remove it, or leave the rule out if your readers do"
}

// whyNoDecimal names the condition of a decimal that s does not meet.
func whyNoDecimal(s *avsc.Schema) string {
	if s.Kind != avsc.Bytes && s.Kind != avsc.Fixed {
		return "put it on bytes or on a fixed"
	}
	precision, ok := wholeNumber(s.JSON.Member("precision"))
	if m := s.JSON.Member("precision"); m == nil {
		return `it has no precision; add "precision", the number of digits`
	} else if !ok || precision < 1 {
		return "its precision is " + m.Text + "; write a whole number of at least 1"
	}
	if m := s.JSON.Member("scale"); m != nil {
		scale, ok := wholeNumber(m)
		switch {
		case !ok || scale < 0:
			return "its scale is " + m.Text + "; write a whole number of at least 0"
		case scale > precision:
			return fmt.Sprintf("its scale %d is more than its precision %d; write a scale of at most %d", scale, precision, precision)
		}
	}
	digits := int(math.Floor(float64(8*s.Size-1) * math.Log10(2)))
	return fmt.Sprintf("%s holds %d digits, and its precision is %d; make the fixed larger or the precision smaller",
		avsc.Article(fmt.Sprintf("fixed of size %d", s.Size)), max(digits, 0), precision)
}

func wholeNumber(v *avsc.Value) (int, bool) {
	if v == nil || v.Kind != avsc.JSONNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(v.Text, 10, 32)
	return int(n), err == nil
}

func (l *linter) fieldDefault(f *avsc.Field, path string) {
	t := f.Type
	if t.Kind == avsc.Union && len(t.Branches) > 0 {
		hasNull := slices.ContainsFunc(t.Branches, func(b *avsc.Schema) bool { return b.Kind == avsc.Null })
		if f.Default == nil {
			if hasNull {
				fix := `add "default": null`
				if t.Branches[0].Kind != avsc.Null {
					fix = `put "null" first and add "default": null`
				}
				l.report(optionalWithoutDefault, f.NamePos, path, "field "+f.Name+" can be null and has no default", fix)
			}
			return
		}
		if _, err := t.Branches[0].AppendDefault(nil, f.Default); err != nil {
			l.report(defaultNotFirstBranch, f.Default.Pos, path, "the default of field "+f.Name+" is not of the first branch of its union", "put the branch of the default first")
		}
	}
	if f.Default != nil {
		l.unknownMembers(t, f.Default, path)
		for _, m := range t.Misfits(f.Default) {
			l.report(defaultMisfit, m.Pos, path, m.What, m.Fix)
		}
	}
}

// unknownMembers searches a default for records with members that the record
// type does not have.
func (l *linter) unknownMembers(s *avsc.Schema, v *avsc.Value, path string) {
	switch {
	case s.Kind == avsc.Union:
		for _, b := range s.Branches {
			if _, err := b.AppendDefault(nil, v); err == nil {
				l.unknownMembers(b, v, path)
				return
			}
		}
	case s.Kind == avsc.Array:
		for _, e := range v.Elems {
			l.unknownMembers(s.Elem, e, path)
		}
	case s.Kind == avsc.Map:
		for _, m := range v.Members {
			l.unknownMembers(s.Elem, m.Value, path)
		}
	case s.Kind == avsc.Record:
		names := make([]string, len(s.Fields))
		for i, f := range s.Fields {
			names[i] = f.Name
			if m := v.Member(f.Name); m != nil {
				l.unknownMembers(f.Type, m, path)
			}
		}
		for _, m := range v.Members {
			if slices.Contains(names, m.Key) {
				continue
			}
			fix := "remove it"
			if near := avsc.Nearest(m.Key, names); len(near) > 0 {
				fix = "did you mean " + strings.Join(near[:1], "") + "?"
			}
			l.report(defaultUnknownMember, m.KeyPos, path, fmt.Sprintf("the default has a member %q, which record %s lacks", m.Key, s.Name), fix)
		}
	}
}

// maxSearches limits the calls of needsItself. Each call may visit the whole
// schema. Only a schema that no program can use has so many endless records.
const maxSearches = 100

// isInfinite reports whether every value of the record s contains another value
// of s.
func (l *linter) isInfinite(s *avsc.Schema) bool {
	if l.finite[s] || l.searches >= maxSearches {
		return false
	}
	l.searches++
	return needsItself(s)
}

// finiteTypes returns the schemas of a set that have a value. The search begins
// with the parts of each schema and ends when a pass over all schemas finds no
// more.
func finiteTypes(set *avsc.Set) map[*avsc.Schema]bool {
	seen, finite := map[*avsc.Schema]bool{}, map[*avsc.Schema]bool{}
	var nodes []*avsc.Schema
	for _, f := range set.Files {
		for _, s := range f.Schemas {
			nodes = s.PostOrder(seen, nodes)
		}
		if f.Root != nil {
			nodes = f.Root.PostOrder(seen, nodes)
		}
	}
	is := func(s *avsc.Schema) bool {
		switch s.Kind {
		case avsc.Record:
			return !slices.ContainsFunc(s.Fields, func(f *avsc.Field) bool { return !finite[f.Type] })
		case avsc.Union:
			return slices.ContainsFunc(s.Branches, func(b *avsc.Schema) bool { return finite[b] })
		default: // arrays and maps may be empty
			return true
		}
	}
	for len(nodes) > 0 {
		open := nodes[:0]
		for _, s := range nodes {
			if is(s) {
				finite[s] = true
			} else {
				open = append(open, s)
			}
		}
		if len(open) == len(nodes) {
			break
		}
		nodes = open
	}
	return finite
}

// needsItself reports whether every value of the record s contains another
// value of s. Then no value can be complete.
func needsItself(s *avsc.Schema) bool {
	known := map[*avsc.Schema]bool{}
	var needs func(*avsc.Schema) bool
	field := func(f *avsc.Field) bool { return f.Type == s || needs(f.Type) }
	needs = func(n *avsc.Schema) bool {
		switch n.Kind {
		case avsc.Record:
			if _, ok := known[n]; !ok {
				known[n] = false // during the search
				known[n] = slices.ContainsFunc(n.Fields, field)
			}
			return known[n]
		case avsc.Union:
			return len(n.Branches) > 0 && !slices.ContainsFunc(n.Branches, func(b *avsc.Schema) bool { return b != s && !needs(b) })
		default: // arrays and maps may be empty
			return false
		}
	}
	return slices.ContainsFunc(s.Fields, field)
}
