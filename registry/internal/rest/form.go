package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// form describes a valid answer of the API. The answer is a list, or an object
// with certain members. The zero form accepts any JSON. A proxy's page, an
// empty body and {} do not have the form of an API answer.
type form struct {
	list    bool
	members []string // at least one must be present
}

// The forms of the API's answers.
var (
	FormList    = form{list: true}                                               //nolint:gochecknoglobals // a constant
	FormSchema  = form{members: []string{"schema"}}                              //nolint:gochecknoglobals // a constant
	formID      = form{members: []string{"id"}}                                  //nolint:gochecknoglobals // a constant
	FormLevel   = form{members: []string{"compatibilityLevel", "compatibility"}} //nolint:gochecknoglobals // a constant
	formVerdict = form{members: []string{"is_compatible"}}                       //nolint:gochecknoglobals // a constant
	FormKey     = form{members: []string{"kmsType", "algorithm"}}                //nolint:gochecknoglobals // a constant
	FormMode    = form{members: []string{"mode"}}                                //nolint:gochecknoglobals // a constant
)

// check returns why body does not have the form, or nil.
func (f form) check(body []byte) error {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return errors.New("the body is empty")
	case !json.Valid(body):
		return errors.New("the body is not JSON")
	case f.list && body[0] != '[':
		return errors.New("a list is missing")
	case len(f.members) == 0:
		return nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) == nil {
		for _, name := range f.members {
			if _, ok := object[name]; ok {
				return nil
			}
		}
	}
	return fmt.Errorf("%q is missing", f.members[0])
}
