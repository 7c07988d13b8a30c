//go:build cgo

package producer

import "github.com/confluentinc/confluent-kafka-go/v2/kafka"

// configMap converts the settings to the type of confluent-kafka-go.
func configMap(m map[string]any) kafka.ConfigMap {
	out := kafka.ConfigMap{}
	for k, v := range m {
		out[k] = v
	}
	return out
}
