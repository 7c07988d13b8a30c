// Package librdkafkatest lists the settings of the linked librdkafka for tests.
package librdkafkatest

/*
#include <stdio.h>
#include <stdlib.h>

void rd_kafka_conf_properties_show(FILE *fp);

static char *properties(void) {
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	if (!f)
		return NULL;
	rd_kafka_conf_properties_show(f);
	fclose(f);
	return text;
}
*/
import "C"

import (
	"strings"
	"unsafe"

	_ "github.com/confluentinc/confluent-kafka-go/v2/kafka" // links the library
)

// Property is one setting of librdkafka.
type Property struct {
	Name    string
	Range   string // "1 .. 60000", "true, false", "any, v4, v6", or empty
	AliasOf string // the name of the setting behind an alias, or empty
}

// Properties returns all settings of the linked librdkafka, from the list in
// the library's own documentation.
func Properties() []Property {
	text := C.properties()
	defer C.free(unsafe.Pointer(text))
	var all []Property
	for line := range strings.SplitSeq(C.GoString(text), "\n") {
		columns := strings.Split(line, " | ")
		if len(columns) < 6 || strings.TrimSpace(columns[0]) == "Property" {
			continue
		}
		p := Property{Name: strings.TrimSpace(columns[0]), Range: strings.TrimSpace(columns[2])}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(columns[5]), "Alias for `"); ok {
			p.AliasOf, _, _ = strings.Cut(rest, "`")
		}
		all = append(all, p)
	}
	return all
}
