//go:build cgo

package producer

import "github.com/confluentinc/confluent-kafka-go/v2/kafka"

// configMap gives the settings the type that confluent-kafka-go wants.
func configMap(m map[string]any) kafka.ConfigMap {
	out := kafka.ConfigMap{}
	for k, v := range m {
		out[k] = v
	}
	return out
}
