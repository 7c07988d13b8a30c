// Package settings holds every setting of a producer, a transactional producer,
// a processor and a source. Options, files and environment variables fill one
// [Config]. [New] checks it and returns all mistakes in one error.
//
// The package knows no Kafka client library. [Config.ClientMap] and
// [Config.ProducerMap] give librdkafka's names and values as plain maps.
package settings
