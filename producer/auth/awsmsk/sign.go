package awsmsk

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// presign makes a URL for the action kafka-cluster:Connect, signed with
// Signature Version 4 in its query.
func presign(c Credentials, region, host string, now time.Time, life time.Duration) string {
	const service, algorithm = "kafka-cluster", "AWS4-HMAC-SHA256"
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	scope := strings.Join([]string{day, region, service, "aws4_request"}, "/")
	params := map[string]string{
		"Action":              "kafka-cluster:Connect",
		"X-Amz-Algorithm":     algorithm,
		"X-Amz-Credential":    c.AccessKeyID + "/" + scope,
		"X-Amz-Date":          stamp,
		"X-Amz-Expires":       fmt.Sprint(int(life.Seconds())),
		"X-Amz-SignedHeaders": "host",
	}
	if c.SessionToken != "" {
		params["X-Amz-Security-Token"] = c.SessionToken
	}
	query := canonicalQuery(params)
	request := strings.Join([]string{"GET", "/", query, "host:" + host, "", "host", hash("")}, "\n")
	toSign := strings.Join([]string{algorithm, stamp, scope, hash(request)}, "\n")
	key := []byte("AWS4" + c.SecretAccessKey)
	for _, part := range []string{day, region, service, "aws4_request"} {
		key = sum(key, part)
	}
	return "https://" + host + "/?" + query + "&X-Amz-Signature=" + hex.EncodeToString(sum(key, toSign))
}

// canonicalQuery sorts the parameters and encodes them as RFC 3986 says.
func canonicalQuery(params map[string]string) string {
	pairs := make([]string, 0, len(params))
	for name, value := range params {
		pairs = append(pairs, escape(name)+"="+escape(value))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape differs from [url.QueryEscape] in the space.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func hash(s string) string {
	digest := sha256.Sum256([]byte(s))
	return hex.EncodeToString(digest[:])
}

func sum(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
