// Package checkpoint holds the records in which a source.Source keeps how far it
// has read, for those who want to read its topic.
package checkpoint

//go:generate go tool avrogen generate -o .. ../../schemas/checkpoint
