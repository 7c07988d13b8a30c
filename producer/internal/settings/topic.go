package settings

import (
	"fmt"
	"strings"
)

// CheckTopicName applies Kafka's rule for topic names
// (org.apache.kafka.common.internals.Topic). Client libraries panic on some
// other names.
func CheckTopicName(name string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	switch {
	case name == "", name == ".", name == "..":
		return fmt.Errorf("topic name %q is not allowed", name)
	case len(name) > 249:
		return fmt.Errorf("topic name of %d bytes: Kafka allows 249", len(name))
	case strings.ContainsFunc(name, bad):
		return fmt.Errorf("topic name %q: only letters, digits, '.', '_' and '-' are allowed", name)
	}
	return nil
}
