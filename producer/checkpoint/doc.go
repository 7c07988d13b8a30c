// Package checkpoint holds the records that a producer.Source keeps of how far it has read, for those who want to look at
// its topic.
package checkpoint

//go:generate go tool avrogen generate -o .. ../../schemas/checkpoint
