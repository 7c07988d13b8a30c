package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/avroline/avroline/registry/internal/rest"
)

// AssociatedSubjects returns the subjects that the registry associates with a
// topic's "value" or "key". clusterID is the id of the Kafka cluster; an empty
// clusterID stands for every cluster. Each call asks the registry. If the
// registry does not support associations, the result is no subjects and no
// error.
func (c *Client) AssociatedSubjects(ctx context.Context, topic, clusterID, part string) ([]string, error) {
	if clusterID == "" {
		clusterID = "-"
	}
	var found []struct {
		Subject string `json:"subject"`
	}
	req := rest.Call{
		Method: http.MethodGet, Form: rest.FormList,
		Path:  "/associations/resources/" + url.PathEscape(clusterID) + "/" + url.PathEscape(topic),
		Query: url.Values{"resourceType": {"topic"}, "associationType": {part}}.Encode(),
	}
	err := c.freshCaller(ctx).Call(ctx, req, nil, &found)
	if rest.IsStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("registry: subjects of the %s of topic %q: %w", part, topic, err)
	}
	subjects := make([]string, len(found))
	for i, a := range found {
		subjects[i] = a.Subject
	}
	return subjects, nil
}
