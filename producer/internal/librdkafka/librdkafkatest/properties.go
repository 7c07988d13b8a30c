// Package librdkafkatest lists the settings of the linked librdkafka for tests.
package librdkafkatest

/*
#include <stdio.h>
#include <stdlib.h>

void rd_kafka_conf_properties_show(FILE *fp);
void *rd_kafka_conf_new(void);
void rd_kafka_conf_destroy(void *conf);
int rd_kafka_conf_set(void *conf, const char *name, const char *value, char *errstr, size_t errstr_size);
int rd_kafka_conf_get(const void *conf, const char *name, char *dest, size_t *dest_size);

static int stored(const char *name, const char *value, char *dest, size_t size) {
	char reason[512];
	void *conf = rd_kafka_conf_new();
	int bad = rd_kafka_conf_set(conf, name, value, reason, sizeof reason) || rd_kafka_conf_get(conf, name, dest, &size);
	rd_kafka_conf_destroy(conf);
	return bad;
}

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

// Stored sets a setting to a text, and returns the text that the library then
// has. ok is false if the library refuses the text.
func Stored(name, text string) (stored string, ok bool) {
	cName, cText := C.CString(name), C.CString(text)
	defer C.free(unsafe.Pointer(cName))
	defer C.free(unsafe.Pointer(cText))
	var dest [512]C.char
	if C.stored(cName, cText, &dest[0], C.size_t(len(dest))) != 0 {
		return "", false
	}
	return C.GoString(&dest[0]), true
}
