package producer_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/avroline/avroline/examples/events/orders"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/producertest"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// A broker with TLS and SCRAM. The certificate of its CA is PEM text, as in the
// file of most teams.
func ExampleWithTLS() {
	identity := httptest.NewTLSServer(nil) // only for its certificate
	defer identity.Close()
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1),
		producertest.WithTLS(&tls.Config{Certificates: identity.TLS.Certificates}),
		producertest.WithUser("SCRAM-SHA-512", "ada", "s3cret")))
	defer broker.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity.Certificate().Raw})

	p := must(producer.New(broker.Addrs(), newOrders(),
		producer.WithTLS(producer.TLS{CA: ca}),
		producer.WithSASL(producer.ScramSHA512("ada", "s3cret"))))
	defer p.Close(context.Background())
	fmt.Println(publishOrder(p))

	// Without the CA, the error says what to fix.
	stranger := must(producer.New(broker.Addrs(), newOrders(), producer.WithTLS(producer.TLS{})))
	defer stranger.Close(context.Background())
	var refused *producer.ConnectionError
	if errors.As(publishOrder(stranger), &refused) {
		fmt.Println(refused.Kind, "-", refused.Fix)
	}
	// Output:
	// <nil>
	// producer: tls - TLS.CA must hold the CA that signed the broker's certificate
}

// A password in a separate file, as Kubernetes mounts it.
func ExampleWithSASL() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1), producertest.WithUser("SCRAM-SHA-256", "ada", "s3cret")))
	defer broker.Close()
	password := must(os.ReadFile(writeFile("password", "s3cret\n")))

	credentials := producer.ScramSHA256("ada", strings.TrimSpace(string(password)))
	p := must(producer.New(broker.Addrs(), newOrders(), producer.WithSASL(credentials)))
	defer p.Close(context.Background())
	fmt.Println(publishOrder(p))
	fmt.Println(credentials) // no text form shows the password
	// Output:
	// <nil>
	// SASL{SCRAM-SHA-256 user="ada"}
}

// vault is an example of a program's own token source.
type vault struct{}

func (vault) Token(context.Context) (producer.Token, error) {
	return producer.Token{Value: "the token", Expiry: time.Now().Add(time.Hour), Principal: "orders"}, nil
}

// OAUTHBEARER with a program's own token source. Packages producer/auth/awsmsk,
// azure and google have token sources for the clouds.
func ExampleOAuthBearer() {
	p := must(producer.New([]string{"kafka.example:9093"}, newOrders(),
		producer.WithTLS(producer.TLS{}),
		producer.WithSASL(producer.OAuthBearer(vault{}))))
	defer p.Close(context.Background())
	fmt.Println(must(vault{}.Token(context.Background())).Principal)
	// Output: orders
}

// The file of a Spring Boot service loads unchanged. Options after the file
// win.
func ExampleWithConfigFile() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	file := writeFile("application.yaml", `
spring:
  application.name: checkout
  kafka:
    bootstrap-servers: ${KAFKA_BROKERS:`+broker.Addrs()[0]+`}
    client-id: ${spring.application.name}
    producer:
      acks: all
      properties: {linger.ms: 20}
    properties:
      schema.registry.url: http://registry:8081
logging.level.root: INFO
`)

	p := must(producer.New(nil, newOrders(), producer.WithConfigFile(file), producer.WithLinger(0)))
	defer p.Close(context.Background())
	fmt.Println(publishOrder(p))

	// A mistake is an error with file, line and key.
	_, err := producer.New(nil, newOrders(), producer.WithConfigFile(writeFile("app.properties", "bootstrap.servers=b:1\nliger.ms=5\n")))
	fmt.Println(err)
	// Output:
	// <nil>
	// producer: app.properties:2: liger.ms: unknown setting: did you mean "linger.ms"?
}

// Environment variables over a file.
func ExampleWithEnviron() {
	broker := must(producertest.NewBroker(producertest.WithTopic("orders", 1)))
	defer broker.Close()
	os.Setenv("ORDERS_BOOTSTRAP_SERVERS", broker.Addrs()[0])
	os.Setenv("ORDERS_PRESET", "low-latency")
	defer os.Unsetenv("ORDERS_BOOTSTRAP_SERVERS")
	defer os.Unsetenv("ORDERS_PRESET")
	file := writeFile("app.properties", "bootstrap.servers=kafka.example:9092\ncompression.type=lz4\n")

	p := must(producer.New(nil, newOrders(), producer.WithConfigFile(file), producer.WithEnviron("ORDERS_")))
	defer p.Close(context.Background())
	fmt.Println(publishOrder(p))
	// Output: <nil>
}

// A client beside the producer reaches the cluster with the same settings.
func ExampleConnectionOf() {
	file := writeFile("client.properties", `bootstrap.servers=b1.example:9093,b2.example:9093
security.protocol=SASL_SSL
sasl.mechanisms=PLAIN
sasl.username=ada
sasl.password=s3cret
`)
	c := must(producer.ConnectionOf(nil, producer.WithConfigFile(file)))
	fmt.Println(c)
	// Output: Connection{[b1.example:9093 b2.example:9093] tls=true sasl="PLAIN" user="ada" password=[redacted]}
}

// newOrders makes a serializer with a registry in this process.
func newOrders() *serde.Serializer {
	server := must(registrytest.NewServer())
	return must(serde.NewSerializer(must(registry.New([]string{server.URL}))))
}

// publishOrder publishes one event and waits at most three seconds.
func publishOrder(p *producer.Producer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	topic := producer.NewTopic("orders", producer.KeyBy(func(e *orders.OrderCreated) string { return e.OrderID.String() }))
	_, err := topic.Publish(ctx, p, &orders.OrderCreated{OrderID: uuid.New(), Customer: "ada", TotalCents: 4200, At: time.Now()})
	return err
}

// writeFile writes a file into a new folder and returns its path.
func writeFile(name, text string) string {
	path := filepath.Join(must(os.MkdirTemp("", "avroline-")), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return path
}
