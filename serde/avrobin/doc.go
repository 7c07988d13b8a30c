// Package avrobin is the run time of generated code.
package avrobin
