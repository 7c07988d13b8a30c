package awsmsk

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/avroline/avroline/producer/auth/internal/endpoint"
)

// environment is the provider that looks where AWS's SDKs look. Temporary
// credentials are kept until shortly before they end.
type environment struct {
	region string
	client *http.Client
	env    func(string) string
	now    func() time.Time

	mu   sync.Mutex
	kept Credentials
}

// renewBefore is how long before their end credentials are asked for again. A
// token lives for 15 minutes, and it should not end with its credentials.
const renewBefore = 20 * time.Minute

// Credentials implements [Provider].
func (e *environment) Credentials(ctx context.Context) (Credentials, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kept.Expiry.After(e.now().Add(renewBefore)) {
		return e.kept, nil
	}
	c, err := e.find(ctx)
	if err != nil {
		if e.kept.Expiry.After(e.now().Add(time.Minute)) { // still good
			return e.kept, nil
		}
		return Credentials{}, err
	}
	e.kept = c
	return c, nil
}

// find asks the first place that is configured. A place that is configured and
// fails is an error, because the next place may belong to somebody else.
func (e *environment) find(ctx context.Context) (Credentials, error) {
	if id, secret := e.env("AWS_ACCESS_KEY_ID"), e.env("AWS_SECRET_ACCESS_KEY"); id != "" && secret != "" {
		return Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: e.env("AWS_SESSION_TOKEN")}, nil
	}
	if file, role := e.env("AWS_WEB_IDENTITY_TOKEN_FILE"), e.env("AWS_ROLE_ARN"); file != "" && role != "" {
		return e.webIdentity(ctx, file, role)
	}
	if c, ok, err := e.sharedFile(); ok || err != nil {
		return c, err
	}
	if address, err := e.containerAddress(); address != "" || err != nil {
		return e.container(ctx, address, err)
	}
	if strings.EqualFold(e.env("AWS_EC2_METADATA_DISABLED"), "true") {
		return Credentials{}, errors.New("none in the environment, and AWS_EC2_METADATA_DISABLED is set")
	}
	return e.instance(ctx)
}

// webIdentity exchanges the token of a Kubernetes service account at AWS STS.
func (e *environment) webIdentity(ctx context.Context, file, role string) (Credentials, error) {
	token, err := endpoint.ReadFile(file)
	if err != nil {
		return Credentials{}, fmt.Errorf("AWS_WEB_IDENTITY_TOKEN_FILE: %w", err)
	}
	address := cmp.Or(e.env("AWS_ENDPOINT_URL_STS"), "https://sts."+e.region+"."+domain(e.region)+"/")
	if err := endpoint.CheckSecret(address); err != nil {
		return Credentials{}, err
	}
	answer, err := endpoint.PostForm(ctx, e.client, address, url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {role},
		"RoleSessionName": {cmp.Or(e.env("AWS_ROLE_SESSION_NAME"), "avroline")}, "WebIdentityToken": {strings.TrimSpace(string(token))},
	}, nil)
	if err != nil {
		return Credentials{}, err
	}
	var result struct {
		AccessKeyID     string    `xml:"AssumeRoleWithWebIdentityResult>Credentials>AccessKeyId"`
		SecretAccessKey string    `xml:"AssumeRoleWithWebIdentityResult>Credentials>SecretAccessKey"`
		SessionToken    string    `xml:"AssumeRoleWithWebIdentityResult>Credentials>SessionToken"`
		Expiration      time.Time `xml:"AssumeRoleWithWebIdentityResult>Credentials>Expiration"`
	}
	if xml.Unmarshal(answer, &result) != nil || result.AccessKeyID == "" {
		return Credentials{}, errors.New("AWS STS gave no credentials")
	}
	return Credentials{result.AccessKeyID, result.SecretAccessKey, result.SessionToken, result.Expiration}, nil
}

// sharedFile reads the keys of a profile.
func (e *environment) sharedFile() (c Credentials, ok bool, err error) {
	path := e.env("AWS_SHARED_CREDENTIALS_FILE")
	if path == "" {
		home := cmp.Or(e.env("HOME"), e.env("USERPROFILE"))
		if home == "" {
			return c, false, nil
		}
		path = filepath.Join(home, ".aws", "credentials")
	}
	text, err := endpoint.ReadFile(path)
	profile := cmp.Or(e.env("AWS_PROFILE"), "default")
	if errors.Is(err, os.ErrNotExist) && e.env("AWS_PROFILE") == "" {
		return c, false, nil
	}
	if err != nil {
		return c, false, err
	}
	in := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, isSection := strings.CutPrefix(line, "["); isSection {
			in = strings.TrimSpace(strings.TrimSuffix(name, "]")) == profile
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		if value = strings.TrimSpace(value); !in {
			continue
		}
		switch strings.TrimSpace(key) {
		case "aws_access_key_id":
			c.AccessKeyID = value
		case "aws_secret_access_key":
			c.SecretAccessKey = value
		case "aws_session_token":
			c.SessionToken = value
		}
	}
	switch {
	case c.AccessKeyID != "" && c.SecretAccessKey != "":
		return c, true, nil
	case e.env("AWS_PROFILE") != "":
		return c, false, fmt.Errorf("%s: profile %q has no aws_access_key_id and aws_secret_access_key", path, profile)
	}
	return c, false, nil
}

// containerAddress returns the endpoint for credentials of a container, or
// empty.
func (e *environment) containerAddress() (string, error) {
	if path := e.env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		if !strings.HasPrefix(path, "/") {
			return "", errors.New("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: must begin with a slash")
		}
		return "http://169.254.170.2" + path, nil
	}
	address := e.env("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if address == "" {
		return "", nil
	}
	return address, endpoint.CheckSecret(address)
}

func (e *environment) container(ctx context.Context, address string, err error) (Credentials, error) {
	if err != nil {
		return Credentials{}, err
	}
	header := http.Header{}
	if file := e.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
		token, err := endpoint.ReadFile(file)
		if err != nil {
			return Credentials{}, fmt.Errorf("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %w", err)
		}
		header.Set("Authorization", strings.TrimSpace(string(token)))
	} else if token := e.env("AWS_CONTAINER_AUTHORIZATION_TOKEN"); token != "" {
		header.Set("Authorization", token)
	}
	answer, err := endpoint.Get(ctx, e.client, address, header)
	if err != nil {
		return Credentials{}, err
	}
	return parseCredentials(answer)
}

// instance asks the metadata service of an EC2 instance.
func (e *environment) instance(ctx context.Context) (Credentials, error) {
	base := strings.TrimSuffix(cmp.Or(e.env("AWS_EC2_METADATA_SERVICE_ENDPOINT"), "http://169.254.169.254"), "/")
	if err := endpoint.CheckSecret(base); err != nil {
		return Credentials{}, err
	}
	session, err := endpoint.Do(ctx, e.client, http.MethodPut, base+"/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"300"}}, "")
	if err != nil {
		return Credentials{}, fmt.Errorf("none in the environment, and no metadata service of EC2: %w", err)
	}
	header := http.Header{"X-Aws-Ec2-Metadata-Token": {string(session)}}
	const path = "/latest/meta-data/iam/security-credentials/"
	roles, err := endpoint.Get(ctx, e.client, base+path, header)
	if err != nil {
		return Credentials{}, fmt.Errorf("the instance has no IAM role: %w", err)
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(roles)), "\n")
	answer, err := endpoint.Get(ctx, e.client, base+path+url.PathEscape(role), header)
	if err != nil {
		return Credentials{}, err
	}
	return parseCredentials(answer)
}

// parseCredentials reads the form of the container and instance services.
func parseCredentials(answer []byte) (Credentials, error) {
	var result struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if json.Unmarshal(answer, &result) != nil || result.AccessKeyID == "" || result.SecretAccessKey == "" {
		return Credentials{}, errors.New("the service gave no credentials")
	}
	return Credentials{result.AccessKeyID, result.SecretAccessKey, result.Token, result.Expiration}, nil
}
