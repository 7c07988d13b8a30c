package cel

import (
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"github.com/google/uuid"
)

// functions returns the functions that Confluent's clients add to CEL: the
// extension of strings, and tests of a string's form.
func functions() []cel.EnvOption {
	out := append([]cel.EnvOption{ext.Strings()}, boundedFunctions()...)
	for name, is := range map[string]func(string) bool{
		"isEmail": isEmail, "isHostname": isHostname, "isIpv4": isIPv4, "isIpv6": isIPv6,
		"isUri": isURI, "isUriRef": isURIRef, "isUuid": isUUID,
	} {
		out = append(out, cel.Function(name, cel.MemberOverload("string_"+name, []*cel.Type{cel.StringType}, cel.BoolType,
			cel.UnaryBinding(func(v ref.Val) ref.Val {
				s, ok := v.Value().(string)
				return types.Bool(ok && is(s))
			}))))
	}
	return out
}

func isEmail(s string) bool {
	if s == "" || strings.ContainsAny(s, "<>") || len(s) > 254 {
		return false
	}
	a, err := mail.ParseAddress(s)
	if err != nil {
		return false
	}
	local, host, _ := strings.Cut(a.Address, "@")
	return len(local) <= 64 && isHostname(host)
}

// isHostname refuses a last label that contains only digits, because such a
// name is an address.
func isHostname(s string) bool {
	label := regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	if strings.Trim(s[strings.LastIndexByte(s, '.')+1:], "0123456789") == "" {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if len(part) > 63 || !label.MatchString(part) {
			return false
		}
	}
	return true
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs()
}

func isURIRef(s string) bool {
	_, err := url.Parse(s)
	return err == nil
}

func isUUID(s string) bool {
	_, err := uuid.Parse(s)
	return err == nil && len(s) == 36
}
