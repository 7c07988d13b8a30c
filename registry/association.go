package registry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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
	req := request{
		method: http.MethodGet, form: formList,
		path:  "/associations/resources/" + url.PathEscape(clusterID) + "/" + url.PathEscape(topic),
		query: url.Values{"resourceType": {"topic"}, "associationType": {part}}.Encode(),
	}
	err := c.fromRegistry(ctx).call(ctx, req, nil, &found)
	if isStatus(err, http.StatusNotFound) {
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
