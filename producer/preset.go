package producer

import "github.com/avroline/avroline/producer/internal/settings"

// LowLatency is a preset for requests that wait for their delivery: no linger,
// small batches, no compression. Its small buffer makes callers notice an
// outage early. docs/configuration.md has the values of the presets and
// measurements.
func LowLatency() Option { return settings.LowLatency() }

// Balanced is the default: 5 ms of linger, batches up to 1 MB, no compression.
func Balanced() Option { return settings.Balanced() }

// HighThroughput is a preset for streams: 50 ms of linger, batches as large as
// brokers take by default, lz4, a large buffer.
func HighThroughput() Option { return settings.HighThroughput() }
