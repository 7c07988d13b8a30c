package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

const contentType = "application/vnd.schemaregistry.v1+json"

// problem is an error answer.
type problem struct {
	status, code int
	message      string
}

func (p *problem) Error() string { return fmt.Sprintf("%d: %s", p.code, p.message) }

func noSubject(name string) *problem {
	return &problem{http.StatusNotFound, 40401, fmt.Sprintf("Subject '%s' not found.", name)}
}

func noVersion(n int) *problem {
	return &problem{http.StatusNotFound, 40402, fmt.Sprintf("Version %d not found.", n)}
}

func noSchema() *problem { return &problem{http.StatusNotFound, 40403, "Schema not found"} }

func invalidRequest(format string, args ...any) *problem {
	return &problem{http.StatusUnprocessableEntity, 42201, "Invalid schema: " + fmt.Sprintf(format, args...)}
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func answerProblem(w http.ResponseWriter, p *problem) {
	switch {
	case p.status == http.StatusNoContent:
		w.WriteHeader(p.status)
		return
	case p.code == 0: // not an answer of the API
		http.Error(w, strconv.Itoa(p.status)+": "+http.StatusText(p.status), p.status)
		return
	}
	answerJSON(w, p.status, map[string]any{"error_code": p.code, "message": p.message})
}
