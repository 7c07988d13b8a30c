package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// form is the form that an answer of the API has: members that an object must
// have, or a list. The zero form is any JSON. A proxy's page, an empty body and
// {} have no form of the API.
type form struct {
	list    bool
	members []string // one of them is enough
}

// The forms of the API's answers.
var (
	formList    = form{list: true}                                               //nolint:gochecknoglobals // a constant
	formSchema  = form{members: []string{"schema"}}                              //nolint:gochecknoglobals // a constant
	formID      = form{members: []string{"id"}}                                  //nolint:gochecknoglobals // a constant
	formLevel   = form{members: []string{"compatibilityLevel", "compatibility"}} //nolint:gochecknoglobals // a constant
	formVerdict = form{members: []string{"is_compatible"}}                       //nolint:gochecknoglobals // a constant
	formKey     = form{members: []string{"kmsType", "algorithm"}}                //nolint:gochecknoglobals // a constant
	formMode    = form{members: []string{"mode"}}                                //nolint:gochecknoglobals // a constant
)

// check returns why body has another form.
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
