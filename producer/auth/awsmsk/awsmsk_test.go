package awsmsk

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignatureIsAmazons compares signatures with aws-sdk-go-v2 (signer/v4,
// PresignHTTP) for the same inputs.
func TestSignatureIsAmazons(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC)
	for session, want := range map[string]string{
		"":                                     "7e5d4e8b5dd79faef077c874f3c17772f54fce81297c4b1158ce5cba2f314571",
		"IQoJb3JpZ2luX2VjE+/=token with space": "b81b50e6c92edabb39e7749789a53221523616d231c8f202893e7a33da18673d",
	} {
		c := Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: session}
		signed := presign(c, "eu-central-1", "kafka.eu-central-1.amazonaws.com", now, lifetime)
		if !strings.HasSuffix(signed, "&X-Amz-Signature="+want) {
			t.Errorf("%q: %s, want the signature %s", session, signed, want)
		}
	}
}

type fixed Credentials

func (f fixed) Credentials(context.Context) (Credentials, error) { return Credentials(f), nil }

func TestToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		expiry time.Time
		life   time.Duration
	}{"for ever": {life: 15 * time.Minute}, "an hour": {now.Add(time.Hour), 15 * time.Minute}, "five minutes": {now.Add(5 * time.Minute), 5 * time.Minute}} {
		s, err := New("us-gov-west-1", WithCredentials(fixed{AccessKeyID: "AKID", SecretAccessKey: "s", Expiry: tc.expiry}))
		if err != nil {
			t.Fatal(err)
		}
		s.now = func() time.Time { return now }
		token, err := s.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text, err := base64.RawURLEncoding.DecodeString(token.Value)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(string(text))
		if err != nil || u.Host != "kafka.us-gov-west-1.amazonaws.com" || u.Query().Get("Action") != "kafka-cluster:Connect" || u.Query().Get("X-Amz-Expires") != fmt.Sprint(tc.life.Seconds()) {
			t.Errorf("%s: %s", name, text)
		}
		if !token.Expiry.Equal(now.Add(tc.life)) || token.Principal != "AKID" {
			t.Errorf("%s: %v", name, token)
		}
	}
	expired, _ := New("eu-central-1", WithCredentials(fixed{AccessKeyID: "AKID", SecretAccessKey: "s", Expiry: time.Unix(1, 0)}))
	if _, err := expired.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "expired on 1970-01-01T00:00:01Z") {
		t.Error(err)
	}
	for _, region := range []string{"", "eu", "eu-central-1.evil.com/", "EU-CENTRAL-1"} {
		if _, err := New(region); err == nil {
			t.Errorf("region %q: accepted", region)
		}
	}
	for name, o := range map[string]Option{"WithCredentials": WithCredentials(nil), "WithHTTPClient": WithHTTPClient(nil)} {
		if _, err := New("eu-central-1", Option{}, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// services is AWS in one server with a certificate of a private CA: STS, the
// container service and the metadata service.
func services(t *testing.T) *httptest.Server {
	const credentials = `{"AccessKeyId":"%s","SecretAccessKey":"s3cret","Token":"sess10n","Expiration":"2026-11-26T23:00:00Z"}`
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sts", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("WebIdentityToken") != "k8s-t0ken" || r.FormValue("RoleArn") != "arn:aws:iam::1:role/kafka" || r.FormValue("Action") != "AssumeRoleWithWebIdentity" {
			http.Error(w, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>"+r.FormValue("WebIdentityToken")+"</Message></Error></ErrorResponse>", http.StatusForbidden)
			return
		}
		fmt.Fprint(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>STS</AccessKeyId><SecretAccessKey>s3cret</SecretAccessKey><SessionToken>sess10n</SessionToken><Expiration>2026-11-26T23:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`)
	})
	mux.HandleFunc("GET /container", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "p0d" {
			http.Error(w, "{}", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, credentials, "CONTAINER")
	})
	mux.HandleFunc("PUT /latest/api/token", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "imds-t0ken") })
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/{role...}", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Aws-Ec2-Metadata-Token") != "imds-t0ken":
			http.Error(w, "", http.StatusUnauthorized)
		case r.PathValue("role") == "":
			fmt.Fprintln(w, "node-role")
		case r.PathValue("role") == "node-role":
			fmt.Fprintf(w, credentials, "INSTANCE")
		}
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/container", http.StatusTemporaryRedirect)
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return server
}

func TestCredentialsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	server := services(t)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	web := file("web", "k8s-t0ken\n")
	shared := file("credentials", "# c\n[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = s3cret\n[other]\naws_access_key_id=OTHER\naws_secret_access_key=s3cret\naws_session_token=sess10n\n[role]\nrole_arn=x\n")
	none := filepath.Join(dir, "none")
	for name, tc := range map[string]struct {
		env  map[string]string
		want string // the key's id, or a part of the error after "error: "
	}{
		"keys":                {map[string]string{"AWS_ACCESS_KEY_ID": "KEYS", "AWS_SECRET_ACCESS_KEY": "s3cret"}, "KEYS"},
		"web identity":        {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": web, "AWS_ROLE_ARN": "arn:aws:iam::1:role/kafka", "AWS_ENDPOINT_URL_STS": server.URL + "/sts"}, "STS"},
		"another role":        {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": web, "AWS_ROLE_ARN": "x", "AWS_ENDPOINT_URL_STS": server.URL + "/sts"}, "error: answered 403 Forbidden: AccessDenied"},
		"STS in clear text":   {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": web, "AWS_ROLE_ARN": "x", "AWS_ENDPOINT_URL_STS": "http://sts.example/"}, "error: over https only"},
		"the default profile": {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared}, "DEFAULT"},
		"another profile":     {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_PROFILE": "other"}, "OTHER"},
		"a profile of a role": {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": shared, "AWS_PROFILE": "role"}, `error: profile "role" has no`},
		"a container":         {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file("pod", "p0d\n")}, "CONTAINER"},
		"a redirect":          {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/redirect", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "p0d"}, "error: a redirect is not followed"},
		"an open container":   {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://evil.example/"}, "error: over https only"},
		"another host":        {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@evil.example/"}, "error: must begin with a slash"},
		"an instance":         {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL}, "INSTANCE"},
		"nothing":             {map[string]string{"AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true"}, "error: none in the environment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := &environment{
				region: "eu-central-1", client: server.Client(), env: func(key string) string { return tc.env[key] },
				now: func() time.Time { return time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC) },
			}
			c, err := e.Credentials(t.Context())
			reason, wantErr := strings.CutPrefix(tc.want, "error: ")
			switch {
			case wantErr:
				if err == nil || !strings.Contains(err.Error(), reason) || strings.Contains(err.Error(), "k8s-t0ken") {
					t.Errorf("%v, want %q", err, reason)
				}
			case err != nil || c.AccessKeyID != tc.want || c.SecretAccessKey != "s3cret":
				t.Errorf("%v, %v", c, err)
			}
		})
	}
}

// TestUnknownCA checks that the certificate of the service is verified. Without
// the private CA there is no token. The control is the same request with the
// CA.
func TestUnknownCA(t *testing.T) {
	t.Parallel()
	server := services(t)
	env := map[string]string{"AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "p0d"}
	for client, works := range map[*http.Client]bool{nil: false, server.Client(): true} {
		e := &environment{client: client, env: func(key string) string { return env[key] }, now: time.Now}
		if _, err := e.Credentials(t.Context()); (err == nil) != works {
			t.Errorf("with the CA %t: %v", works, err)
		}
	}
}

// TestTemporaryCredentialsAreKept checks that temporary credentials are kept
// until shortly before their end. In an outage, they are kept until one minute
// before their end.
func TestTemporaryCredentialsAreKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC)
	asked, down := 0, false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; down {
			http.Error(w, "", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"AccessKeyId":"A","SecretAccessKey":"s","Expiration":%q}`, now.Add(time.Hour).Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	e := &environment{
		client: server.Client(), now: func() time.Time { return now },
		env: func(key string) string {
			return map[string]string{"AWS_SHARED_CREDENTIALS_FILE": "/none", "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL}[key]
		},
	}
	for _, step := range []struct {
		after time.Duration
		down  bool
		asked int
		fails bool
	}{{0, false, 1, false}, {30 * time.Minute, false, 1, false}, {15 * time.Minute, true, 2, false}, {14 * time.Minute, true, 3, true}, {0, false, 4, false}} {
		now, down = now.Add(step.after), step.down
		if _, err := e.Credentials(context.Background()); (err != nil) != step.fails || asked != step.asked {
			t.Errorf("%+v: asked %d, %v", step, asked, err)
		}
	}
}
