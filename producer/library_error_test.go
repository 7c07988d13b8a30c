//go:build cgo

package producer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/avroline/avroline/producer"
)

// TestLibraryErrorHasItsOrigin checks that an error about a value that only
// librdkafka checks says where the value comes from.
func TestLibraryErrorHasItsOrigin(t *testing.T) {
	t.Parallel()
	for key, value := range map[string]string{
		"https.ca.location": "/no/such/file", "ssl.crl.location": "/no/such/file", "ssl.cipher.suites": "no-such-suite",
		"ssl.curves.list": "no-such-curve", "ssl.sigalgs.list": "no-such-algorithm",
	} {
		_, err := producer.New([]string{"b:1"}, newSerializer(t), producer.WithTLS(producer.TLS{}), producer.WithTransport(producer.Confluent), producer.WithConfig(map[string]string{key: value}))
		if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("producer: WithConfig: %s: %q: librdkafka refuses the setting: ", key, value)) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
