//go:build integration

package integration

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/workload"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/auth/awsmsk"
	"github.com/avroline/avroline/producer/auth/azure"
	"github.com/avroline/avroline/producer/auth/google"
	"github.com/avroline/avroline/serde"
)

// TestCloudTokens publishes to a real broker with the tokens of the sources for
// Amazon MSK, Azure and Google Cloud. The tokens come from fakes of the cloud
// services, with a certificate of a private CA. The broker's OAUTHBEARER
// listener checks each token like a broker of the cloud. A plug-in in Java does
// the check (TokenValidator.java). Three controls must fail: a wrong signing
// key, a token for another audience, and another access token.
func TestCloudTokens(t *testing.T) { //nolint:paralleltest // it sets the environment
	cluster := kafkacluster.Start(t, kafkacluster.Nodes(1), kafkacluster.Classes(compiled(t)),
		kafkacluster.Setting("listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class", "TokenValidator"))
	audience, secret, access := "https://ns.servicebus.windows.net", "s3cret/MSK", "ya29.account"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /credentials", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"AccessKeyId": "AKID", "SecretAccessKey": secret, "Token": "sess/10n+=", "Expiration": time.Now().Add(time.Hour)})
	})
	mux.HandleFunc("POST /tenant/oauth2/v2.0/token", func(w http.ResponseWriter, _ *http.Request) {
		part := func(v any) string {
			text, _ := json.Marshal(v)
			return base64.RawURLEncoding.EncodeToString(text)
		}
		token := part(map[string]string{"alg": "none"}) + "." + part(map[string]any{"sub": "app", "aud": audience, "exp": time.Now().Add(time.Hour).Unix()}) + "."
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token, "expires_in": 3600})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": access, "expires_in": 3600})
	})
	services := httptest.NewTLSServer(mux)
	defer services.Close()
	client := services.Client()
	for key, value := range map[string]string{
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"), "AWS_CONTAINER_CREDENTIALS_FULL_URI": services.URL + "/credentials",
		"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": "s3cret", "AZURE_AUTHORITY_HOST": services.URL,
		"GOOGLE_APPLICATION_CREDENTIALS": googleKey(t, services.URL+"/token"),
	} {
		t.Setenv(key, value)
	}
	msk, err1 := awsmsk.New("eu-central-1", awsmsk.WithHTTPClient(client))
	entra, err2 := azure.New("https://ns.servicebus.windows.net/.default", azure.WithHTTPClient(client))
	gcp, err3 := google.New(google.WithHTTPClient(client))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		source  producer.TokenSource
		setting *string // the setting that the control replaces by a wrong value
	}{{"Amazon MSK", msk, &secret}, {"Azure", entra, &audience}, {"Google Cloud", gcp, &access}} {
		t.Run(test.name, func(t *testing.T) {
			if err := publishOnce(t, cluster, test.source); err != nil {
				t.Fatal(err)
			}
			right := *test.setting
			*test.setting = "wr0ng"
			defer func() { *test.setting = right }()
			if test.name == "Amazon MSK" { // the source keeps its credentials for a while
				fresh, err := awsmsk.New("eu-central-1", awsmsk.WithHTTPClient(client))
				if err != nil {
					t.Fatal(err)
				}
				test.source = fresh
			}
			err := publishOnce(t, cluster, test.source)
			if !errors.Is(err, producer.ErrAuthentication) || strings.Contains(err.Error(), "wr0ng") {
				t.Errorf("control: %v, want an authentication error", err)
			}
		})
	}
}

// publishOnce publishes one event with the tokens of a source.
func publishOnce(t *testing.T, c *kafkacluster.Cluster, source producer.TokenSource) error {
	t.Helper()
	serializer, err := serde.NewSerializer(&workload.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := producer.New(c.SASLAddrs(), serializer, producer.WithTLS(producer.TLS{CA: c.Certs.CA}),
		producer.WithSASL(producer.OAuthBearer(source)), producer.WithCreateTopics(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx) // Publish has already reported the reason
	}()
	items := producer.NewTopic("clouds", producer.KeyBy(func(i *workload.Item) string { return i.Key }))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Prepare(ctx, items); err != nil {
		return err
	}
	_, err = items.Publish(ctx, p, &workload.Item{})
	return err
}

// compiled returns the folder with the compiled plug-in of the broker.
func compiled(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil && os.Getenv("AVROLINE_TEST_REQUIRE_REAL") == "" {
		t.Skip("javac is not on PATH")
	}
	jars, err := kafkacluster.Jars(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "javac", "-d", dir, "-cp", filepath.Join(jars, "*"), "testdata/TokenValidator.java")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// googleKey returns a file with the key of a service account.
func googleKey(t *testing.T, tokenURI string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"type":"service_account","client_email":"svc@p.iam.gserviceaccount.com","private_key":%q,"token_uri":%q}`,
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), tokenURI)
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
