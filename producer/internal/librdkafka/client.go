// Package librdkafka calls the C library beneath a confluent-kafka-go producer, for what the Go client has no call for.
//
// [Topic.Produce] is the client's own without its two allocations a message, the look-up of the topic by name, and the two
// calls into C for each header. [Client.Guard] stops the library before a known fault of it writes messages twice. Both need
// what the Go client keeps to itself, the pointer to the C instance: [Open] reads it by reflection, and refuses a client in
// which it does not lie where it is known to.
package librdkafka

/*
#include "below.h"
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Client is the C instance behind a producer. It is used from its producer's start to its Close, and not after.
type Client struct {
	rk       *C.rd_kafka_t
	producer *kafka.Producer
	log      func(kafka.LogEvent) // with Guard
}

func (c *Client) address() uintptr { return uintptr(unsafe.Pointer(c.rk)) }

// Open finds the C instance. It takes nothing that has to be given back. An error means that confluent-kafka-go is of a
// version that keeps it elsewhere.
func Open(p *kafka.Producer) (*Client, error) {
	at := reflect.ValueOf(p).Elem()
	for _, field := range []string{"handle", "rk"} {
		if at.Kind() != reflect.Struct || !at.FieldByName(field).IsValid() {
			return nil, errElsewhere()
		}
		at = at.FieldByName(field)
	}
	if at.Type().String() != "*kafka._Ctype_struct_rd_kafka_s" {
		return nil, errElsewhere()
	}
	rk := (*C.rd_kafka_t)(at.UnsafePointer())
	if rk == nil || C.GoString(C.rd_kafka_name(rk)) != p.String() {
		return nil, errElsewhere()
	}
	return &Client{rk: rk, producer: p}, nil
}

func errElsewhere() error {
	_, version := kafka.LibraryVersion()
	return fmt.Errorf("the confluent-kafka-go with librdkafka %s is not one that avroline knows: require the version in avroline's go.mod", version)
}

// Topic is a topic's handle in the library.
type Topic struct {
	client *Client
	c      *C.rd_kafka_topic_t
}

// Topic makes a handle, which must be freed before the producer is closed.
func (c *Client) Topic(name string) (*Topic, error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	t := C.rd_kafka_topic_new(c.rk, text, nil)
	if t == nil {
		return nil, failure(C.rd_kafka_last_error())
	}
	return &Topic{c, t}, nil
}

// Free gives the handle back. Messages that the topic took are delivered all the same.
func (t *Topic) Free() { C.rd_kafka_topic_destroy(t.c) }

func failure(code C.int) error {
	c := kafka.ErrorCode(code)
	return kafka.NewError(c, c.String(), c == kafka.ErrFatal)
}
