package registrytest

import (
	"net/http"
	"sync"
)

// topics has the subjects that are associated with topics.
type topics struct {
	mu       sync.Mutex
	subjects map[association][]string
}

// association names the key or the value of a topic.
type association struct{ topic, part string }

func (t *topics) associate(topic, part, subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subjects == nil {
		t.subjects = map[association][]string{}
	}
	a := association{topic, part}
	t.subjects[a] = append(t.subjects[a], subject)
}

func (t *topics) getAssociations(r *http.Request) (any, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	query := r.URL.Query()
	found := []map[string]string{}
	for _, part := range query["associationType"] {
		for _, subject := range t.subjects[association{r.PathValue("topic"), part}] {
			found = append(found, map[string]string{
				"subject": subject, "resourceName": r.PathValue("topic"), "resourceNamespace": r.PathValue("cluster"),
				"resourceType": "topic", "associationType": part,
			})
		}
	}
	return found, nil
}
