package settings

import "time"

// LowLatency is producer.LowLatency.
func LowLatency() Option {
	return Set("LowLatency", func(c *Config) {
		c.Linger = 0
		c.BatchBytes, c.BatchMessages = 128<<10, 1_000
		c.Compression, c.CompressionLevel = NoCompression, -1
		c.MaxInFlightMessages, c.MaxInFlightBytes = 10_000, 16<<20
	})
}

// Balanced is producer.Balanced, the default.
func Balanced() Option {
	return Set("Balanced", func(c *Config) {
		c.Linger = 5 * time.Millisecond
		c.BatchBytes, c.BatchMessages = 1_000_000, 10_000
		c.Compression, c.CompressionLevel = NoCompression, -1
		c.MaxInFlightMessages, c.MaxInFlightBytes = 100_000, 64<<20
	})
}

// HighThroughput is producer.HighThroughput.
func HighThroughput() Option {
	return Set("HighThroughput", func(c *Config) {
		c.Linger = 50 * time.Millisecond
		c.BatchBytes, c.BatchMessages = 1_000_000, 100_000
		c.Compression, c.CompressionLevel = LZ4, -1
		c.MaxInFlightMessages, c.MaxInFlightBytes = 500_000, 256<<20
	})
}
