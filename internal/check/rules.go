package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avsclint"
	"github.com/avroline/avroline/internal/contractfile"
	"github.com/avroline/avroline/internal/fieldtags"
	"github.com/avroline/avroline/registry/contract"
)

// The types of the findings about rules. Registries do not check rules.
const (
	RuleRemoved       = "RULE_REMOVED"       // a rule is gone
	RuleWeakened      = "RULE_WEAKENED"      // a rule stays and does less
	EncryptionRemoved = "ENCRYPTION_REMOVED" // a field lost the tag that a rule encrypts
	PIIWithoutTag     = "PII_WITHOUT_TAG"    // a new field is not encrypted, and looks personal
	RuleInvalid       = "RULE_INVALID"       // a rule that never applies, or stops all records
)

// Contracts finds the contract of a schema. The subject is "" if it is not
// known.
type Contracts func(subject string, s *avsc.Schema) (contractfile.Contract, error)

// contractsBeside finds contracts in the files beside the schemas.
func contractsBeside(read func(name string) ([]byte, error)) Contracts {
	return func(_ string, s *avsc.Schema) (contractfile.Contract, error) {
		return contractfile.Read(read, s.Pos.File)
	}
}

// readContracts finds the contracts of s.Now and of the last version before. A
// nil function finds no contract.
func (s *Subject) readContracts(now, before Contracts) (err error) {
	if s.Now == nil || now == nil || before == nil {
		return nil
	}
	last := Ruled{Version: s.Before[len(s.Before)-1]}
	if last.Contract, err = before("", last.Schema); err != nil {
		return fmt.Errorf("the rules of %s: %w", last.Label, err)
	}
	s.Latest = &last
	s.Contract, err = now("", s.Now)
	return err
}

// lostRules returns the findings about rules of the latest version that the new
// version lacks. The level does not matter, because a lost rule concerns the
// data that producers write, not the ability of consumers to read.
func (s *Subject) lostRules() []contract.Finding {
	if s.Now == nil || s.Latest == nil || s.Latest.Contract.RuleSet.Empty() && s.Contract.RuleSet.Empty() {
		return nil
	}
	c := &ruleCheck{subject: s, lost: map[string][]string{}, cause: map[string]string{}}
	c.before, c.now = sideOf(s.Latest.Contract, s.Latest.Schema), sideOf(s.Contract, s.Now)
	c.fields()
	c.rules()
	return c.found
}

// invalidRules returns the findings about rules that cannot work. No registry
// checks the modes and the kinds of rules.
func (s *Subject) invalidRules() []contract.Finding {
	set := s.Contract.RuleSet
	if s.Now == nil || set.Empty() {
		return nil
	}
	c := &ruleCheck{subject: s, now: sideOf(s.Contract, s.Now)}
	var known []string // the tags of the fields
	for _, tags := range c.now.tags {
		known = append(known, tags...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, list := range []struct {
		name  string
		rules []contract.Rule
		modes []string
		wrong string // a type that belongs to another list
		right string // the other list
	}{
		{"migrationRules", set.MigrationRules, []string{contract.ModeUpgrade, contract.ModeDowngrade, contract.ModeUpDown}, "ENCRYPT", "domainRules"},
		{"domainRules", set.DomainRules, []string{contract.ModeWrite, contract.ModeRead, contract.ModeWriteRead}, "ENCRYPT_PAYLOAD", "encodingRules"},
		{"encodingRules", set.EncodingRules, []string{contract.ModeWrite, contract.ModeRead, contract.ModeWriteRead}, "ENCRYPT", "domainRules"},
	} {
		for _, r := range list.rules {
			what, advice := "", ""
			switch {
			case r.Type == list.wrong:
				what, advice = fmt.Sprintf("is of type %s and in %s", r.Type, list.name), "Move the rule to "+list.right+"."
			case !slices.Contains(list.modes, strings.ToUpper(r.Mode)):
				what, advice = fmt.Sprintf("is in %s and has the mode %q", list.name, r.Mode), "Use "+strings.Join(list.modes, ", ")+"."
			case r.Kind != "" && r.Kind != contract.Transform && r.Kind != contract.Condition:
				what, advice = fmt.Sprintf("has the kind %q", r.Kind), "Use TRANSFORM or CONDITION."
			case (strings.Contains(r.OnFailure, ",") || strings.Contains(r.OnSuccess, ",")) && !twoDirections(r):
				what, advice = fmt.Sprintf("has two actions and the mode %s, which has one", r.Mode), "Write one action, or use a mode with two directions."
			default:
				tag, near := misspelled(r.Tags, known)
				if tag == "" {
					continue
				}
				what, advice = fmt.Sprintf("has the tag %s, which no field has", tag), fmt.Sprintf("Write %s, or give a field the tag %s.", near, tag)
			}
			c.found = append(c.found, c.finding(RuleInvalid, s.Contract.Pos(r.Name), c.place(r), fmt.Sprintf("rule %q %s", r.Name, what), advice))
		}
	}
	return c.found
}

// misspelled returns the first tag that is a known tag in other letters of
// upper and lower case, with the known tag. Another unknown tag is no mistake,
// because the fields with the tag may come later.
func misspelled(tags, known []string) (tag, near string) {
	for _, tag := range tags {
		if slices.Contains(known, tag) {
			continue
		}
		for _, k := range known {
			if strings.EqualFold(k, strings.TrimSpace(tag)) {
				return tag, k
			}
		}
	}
	return "", ""
}

// ruleSide is one of the two versions that are compared.
type ruleSide struct {
	set    *contract.RuleSet
	tags   map[string][]string
	active bool // clients execute the rules
}

func sideOf(c contractfile.Contract, s *avsc.Schema) ruleSide {
	set := c.RuleSet
	if set == nil {
		set = &contract.RuleSet{}
	}
	return ruleSide{set, fieldtags.Of(c.Metadata, s), set.ForClients()}
}

// ruleLike returns the rule with the name and the type of r. If there is none,
// find returns a rule that is equal to r except for the name.
func (v *ruleSide) ruleLike(r contract.Rule) *contract.Rule {
	rules := slices.Concat(v.set.DomainRules, v.set.EncodingRules)
	for i := range rules {
		if rules[i].Name == r.Name && rules[i].Type == r.Type {
			return &rules[i]
		}
	}
	for i, other := range rules {
		if other.Type == r.Type && other.Kind == r.Kind && other.Expr == r.Expr && slices.Equal(other.Tags, r.Tags) && maps.Equal(other.Params, r.Params) {
			return &rules[i]
		}
	}
	return nil
}

// writes reports whether a rule applies to writing, and refuses records that it
// cannot change.
func (v *ruleSide) writes(r contract.Rule) bool {
	return v.active && !r.Disabled && modeIncludes(r, contract.ModeWrite) && !passesOnFailure(r, 0)
}

// encrypts returns the rules that encrypt a field.
func (v *ruleSide) encrypts(field string) []contract.Rule {
	var out []contract.Rule
	for _, r := range v.set.DomainRules {
		if r.Type == "ENCRYPT" && v.writes(r) && v.tagged(r, field) {
			out = append(out, r)
		}
	}
	return out
}

// tagged reports whether a rule applies to a field.
func (v *ruleSide) tagged(r contract.Rule, field string) bool {
	return len(r.Tags) == 0 || slices.ContainsFunc(v.tags[field], func(tag string) bool { return slices.Contains(r.Tags, tag) })
}

// payload returns the rules that encrypt whole payloads.
func (v *ruleSide) payload() []contract.Rule {
	var out []contract.Rule
	for _, r := range v.set.EncodingRules {
		if r.Type == "ENCRYPT_PAYLOAD" && v.writes(r) {
			out = append(out, r)
		}
	}
	return out
}

// ruleCheck compares the rules of two versions.
type ruleCheck struct {
	subject     *Subject
	before, now ruleSide
	lost        map[string][]string // by rule: the fields that are in clear text now
	cause       map[string]string
	found       []contract.Finding
}

// fields finds the fields that are encrypted before and not now, and new fields
// that look personal.
func (c *ruleCheck) fields() {
	if len(c.now.payload()) > 0 {
		return
	}
	earlier := map[string]*avsc.Schema{}
	c.subject.Latest.Schema.Walk(func(s *avsc.Schema) {
		if s.Kind == avsc.Record {
			earlier[s.Name] = s
		}
	})
	c.subject.Now.Walk(func(s *avsc.Schema) {
		if s.Kind != avsc.Record {
			return
		}
		old := earlier[s.Name]
		for i := 0; old == nil && i < len(s.Aliases); i++ {
			old = earlier[s.Aliases[i].Name]
		}
		if root := c.subject.Latest.Schema; old == nil && s == c.subject.Now && root.Kind == avsc.Record {
			old = root
		}
		for _, f := range s.Fields {
			c.field(s, f, old)
		}
	})
}

func (c *ruleCheck) field(s *avsc.Schema, f *avsc.Field, old *avsc.Schema) {
	name := s.Name + "." + f.Name
	if len(c.now.encrypts(name)) > 0 {
		return
	}
	before := ""
	if old != nil {
		before = earlierField(old, f)
	}
	if before == "" {
		c.newField(f, name)
		return
	}
	var protected []contract.Rule
	for _, r := range c.before.encrypts(old.Name + "." + before) {
		protected = append(protected, r)
		now := c.now.ruleLike(r)
		if now == nil || !c.now.writes(*now) || !slices.ContainsFunc(r.Tags, func(tag string) bool { return slices.Contains(now.Tags, tag) }) && len(r.Tags) > 0 {
			c.lost[r.Name] = append(c.lost[r.Name], f.Name)
			return
		}
	}
	if len(protected) == 0 {
		return
	}
	tags := slices.DeleteFunc(slices.Clone(c.before.tags[old.Name+"."+before]), func(tag string) bool { return !slices.Contains(protected[0].Tags, tag) })
	c.found = append(c.found, c.finding(EncryptionRemoved, f.NamePos, name,
		fmt.Sprintf("field %s lost the tag %s, so rule %q of %s does not encrypt the field any more", f.Name, strings.Join(tags, ", "), protected[0].Name, c.subject.Latest.Label),
		"Put the tag back, or new records hold the value in clear text."))
}

// newField finds a field that looks personal. Only a subject that encrypts by
// tags has the finding.
func (c *ruleCheck) newField(f *avsc.Field, name string) {
	if len(c.now.tags[name]) > 0 || !avsclint.LooksPersonal(f) {
		return
	}
	for _, r := range c.now.set.DomainRules {
		if r.Type == "ENCRYPT" && c.now.writes(r) {
			c.found = append(c.found, c.finding(PIIWithoutTag, f.NamePos, name,
				fmt.Sprintf("field %s is new, looks personal by its name, and has no tag, so rule %q does not encrypt the field", f.Name, r.Name),
				fmt.Sprintf("Add \"confluent:tags\": [%q] to the field, or another tag if the value may be in clear text.", r.Tags[0])))
			return
		}
	}
}

// earlierField returns the name of a field in the earlier version of its
// record. The result is "" for a new field.
func earlierField(old *avsc.Schema, f *avsc.Field) string {
	names := []string{f.Name}
	for _, a := range f.Aliases {
		names = append(names, a.Name)
	}
	for _, name := range names {
		for _, g := range old.Fields {
			if g.Name == name {
				return name
			}
		}
	}
	return ""
}

// rules finds the rules that are gone or do less. The migration rules of a
// version belong to this version only.
func (c *ruleCheck) rules() {
	if !c.before.active {
		return
	}
	for _, r := range slices.Concat(c.before.set.DomainRules, c.before.set.EncodingRules) {
		if r.Disabled {
			continue
		}
		now := c.now.ruleLike(r)
		switch {
		case now == nil && !c.replaced(r):
			c.found = append(c.found, c.finding(RuleRemoved, c.subject.Contract.Pos(r.Name), c.place(r),
				fmt.Sprintf("rule %q (%s) of %s is gone%s", r.Name, r.Type, c.subject.Latest.Label, c.consequence(r)),
				"Put the rule back, or name the finding in \"except\" of avrogen.yaml."))
		case now != nil:
			if less := c.weaker(r, *now); less != "" {
				c.found = append(c.found, c.finding(RuleWeakened, c.subject.Contract.Pos(now.Name), c.place(r),
					fmt.Sprintf("rule %q (%s) of %s %s%s", r.Name, r.Type, c.subject.Latest.Label, less, c.consequence(r)),
					"Restore the rule, or name the finding in \"except\" of avrogen.yaml."))
			}
		}
	}
}

// replaced reports whether other rules encrypt the same fields.
func (c *ruleCheck) replaced(r contract.Rule) bool {
	switch r.Type {
	case "ENCRYPT":
		return c.before.writes(r) && len(c.lost[r.Name]) == 0 && (len(c.now.payload()) > 0 || slices.ContainsFunc(c.now.set.DomainRules, func(other contract.Rule) bool { return other.Type == r.Type && c.now.writes(other) }))
	case "ENCRYPT_PAYLOAD":
		return len(c.now.payload()) > 0
	}
	return false
}

// consequence describes the effect of a missing rule.
func (c *ruleCheck) consequence(r contract.Rule) string {
	fields := c.lost[r.Name]
	switch {
	case len(fields) > 0:
		const most = 5
		list := strings.Join(fields[:min(most, len(fields))], ", ")
		if n := len(fields) - most; n > 0 {
			list += fmt.Sprintf(" and %d more", n)
		}
		return ", so new records hold in clear text: " + list
	case r.Type == "ENCRYPT_PAYLOAD" && len(c.now.payload()) == 0:
		return ", so new records are in clear text"
	case r.Kind == contract.Condition:
		return ", so the records that the rule refused pass"
	}
	return ""
}

// weaker describes how a rule does less than before. It returns "" if the rule
// does the same, or if the change cannot be judged.
func (c *ruleCheck) weaker(before, now contract.Rule) string {
	switch {
	case now.Disabled:
		return "is disabled"
	case !c.now.active:
		return fmt.Sprintf("is not executed by clients any more (enableAt %s)", c.now.set.EnableAt)
	case before.Kind == contract.Condition && now.Kind != contract.Condition:
		return fmt.Sprintf("is a %s and no longer a CONDITION", cmp.Or(now.Kind, contract.Transform))
	case len(c.lost[before.Name]) > 0 && !slices.Equal(before.Tags, now.Tags):
		return "has other tags"
	}
	for i, mode := range []string{contract.ModeWrite, contract.ModeRead} {
		switch {
		case !modeIncludes(before, mode):
		case !modeIncludes(now, mode):
			return fmt.Sprintf("no longer applies to %s (mode %s)", []string{"writing", "reading"}[i], now.Mode)
		case !passesOnFailure(before, i) && passesOnFailure(now, i):
			return fmt.Sprintf("lets records pass if it fails (onFailure %s)", now.OnFailure)
		}
	}
	return ""
}

// modeIncludes reports whether a rule applies to ModeWrite or ModeRead.
func modeIncludes(r contract.Rule, mode string) bool {
	return strings.EqualFold(r.Mode, mode) || strings.EqualFold(r.Mode, contract.ModeWriteRead)
}

// passesOnFailure reports whether records pass if a rule fails. Direction 0 is
// writing, and direction 1 is reading.
func passesOnFailure(r contract.Rule, direction int) bool {
	actions := []string{r.OnFailure}
	if strings.EqualFold(r.Mode, contract.ModeWriteRead) {
		actions = strings.Split(r.OnFailure, ",")
	}
	return strings.EqualFold(strings.TrimSpace(actions[min(direction, len(actions)-1)]), "NONE")
}

// twoDirections reports whether a rule may have two actions.
func twoDirections(r contract.Rule) bool {
	return strings.EqualFold(r.Mode, contract.ModeWriteRead) || strings.EqualFold(r.Mode, contract.ModeUpDown)
}

// place names a rule in an exception, such as shop.Order{adult}.
func (c *ruleCheck) place(r contract.Rule) string { return c.subject.Now.Name + "{" + r.Name + "}" }

func (c *ruleCheck) finding(rule string, pos avsc.Pos, place, what, advice string) contract.Finding {
	if pos.File == "" {
		pos = c.subject.Now.Pos
	}
	return contract.Finding{
		Type: rule, Schema: c.subject.Now.Name, Pos: contract.Position(pos), Place: place, What: what, Advice: advice,
	}
}
