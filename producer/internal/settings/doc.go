// Package settings holds every setting of a producer, a transactional producer,
// a processor and a source. Options, files and environment variables fill one
// [Config]. [New] checks the Config and returns all mistakes in one error.
//
// The package does not import a Kafka client library. [Config.ClientMap] and
// [Config.ProducerMap] return librdkafka's names and values as plain maps.
package settings
