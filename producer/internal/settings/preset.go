package settings

import (
	"fmt"
	"strings"
)

// presetKey is the key of a preset in a file.
const presetKey = "avroline.preset"

// preset sets several settings at once, by their keys in files.
func preset(name string, values ...[2]string) Option {
	return Set(name, func(c *Config) {
		for _, v := range values {
			_ = c.names[v[0]].set(c, v[1]) // a test reads every preset
		}
	})
}

// LowLatency is producer.LowLatency.
func LowLatency() Option {
	return preset("LowLatency", [][2]string{
		{"linger.ms", "0"},
		{"batch.size", "131072"},
		{"batch.num.messages", "1000"},
		{"compression.type", "none"},
		{"compression.level", "-1"},
		{"queue.buffering.max.messages", "10000"},
		{"buffer.memory", "16777216"},
	}...)
}

// Balanced is producer.Balanced. The values are the defaults of the table.
func Balanced() Option {
	return preset("Balanced", [][2]string{
		{"linger.ms", "5"},
		{"batch.size", "1000000"},
		{"batch.num.messages", "10000"},
		{"compression.type", "none"},
		{"compression.level", "-1"},
		{"queue.buffering.max.messages", "100000"},
		{"buffer.memory", "67108864"},
	}...)
}

// HighThroughput is producer.HighThroughput.
func HighThroughput() Option {
	return preset("HighThroughput", [][2]string{
		{"linger.ms", "50"},
		{"batch.size", "1000000"},
		{"batch.num.messages", "100000"},
		{"compression.type", "lz4"},
		{"compression.level", "-1"},
		{"queue.buffering.max.messages", "500000"},
		{"buffer.memory", "268435456"},
	}...)
}

// setPreset applies the preset of a file.
func setPreset(c *Config, v string) error {
	presets := map[string]Option{"low-latency": LowLatency(), "balanced": Balanced(), "high-throughput": HighThroughput()}
	p, ok := presets[strings.ToLower(v)]
	if !ok {
		return fmt.Errorf("must be one of low-latency, balanced, high-throughput")
	}
	return p.apply(c)
}
