package registrytest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
)

const (
	v1  = `{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int"}]}`
	v2  = `{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int"},{"name":"b","type":"string","default":""}]}`
	bad = `{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":"int"},{"name":"c","type":"string"}]}`
)

// send makes a request and returns the status and the body of the answer.
func send(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// TestContract compares the server's answers with Confluent's documentation and
// source.
func TestContract(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	schema := func(text string) string { return fmt.Sprintf(`{"schema":%q}`, text) }
	withRefs := func(text, subject string, version int) string {
		return fmt.Sprintf(`{"schema":%q,"references":[{"name":"n.R","subject":%q,"version":%d}]}`, text, subject, version)
	}
	user := `{"type":"record","name":"U","namespace":"n","fields":[{"name":"r","type":"n.R"}]}`
	for i, step := range []struct {
		method, path, body string
		status             int
		want               string // text in the body
	}{
		{"GET", "/", "", 200, `{}`},
		{"GET", "/subjects", "", 200, `[]`},
		{"GET", "/schemas/types", "", 200, `["AVRO"]`},
		{"GET", "/nosuchpath", "", 404, `"error_code":404`},
		{"POST", "/subjects/s/versions", schema(v1), 200, `"id":1`},
		{"POST", "/subjects/s/versions", schema(v1), 200, `"id":1`},
		{"POST", "/subjects/s/versions", schema(strings.ReplaceAll(v1, ",", " , ")), 200, `"id":1`},
		{"POST", "/subjects/s/versions", schema(`{"namespace":"n","name":"R","type":"record","fields":[{"type":"int","name":"a"}]}`), 200, `"id":1`},
		{"POST", "/subjects/s/versions", schema(`{"type":"record","name":"n.R","fields":[{"name":"a","type":"int"}]}`), 200, `"id":1`},
		{"POST", "/subjects/other/versions", schema(v1), 200, `"id":1`},
		{"POST", "/subjects/s/versions", schema(strings.Replace(v1, `"fields"`, `"doc":"d","fields"`, 1)), 200, `"version":2`},
		{"POST", "/subjects/s/versions", schema(v2), 200, `"version":3`},
		{"POST", "/subjects/s/versions", schema(bad), 409, `"error_code":40901`},
		{"POST", "/subjects/s/versions", schema(bad), 409, "READER_FIELD_MISSING_DEFAULT_VALUE"},
		{"POST", "/subjects/s", schema(v1), 200, `"version":1`},
		{"POST", "/subjects/s", schema(bad), 404, `40403`},
		{"POST", "/subjects/none", schema(v1), 404, `40401`},
		{"POST", "/subjects/s", schema(`{"type":"recor"}`), 422, `42201`},
		{"GET", "/subjects/s/versions", "", 200, `[1,2,3]`},
		{"GET", "/subjects/s/versions/latest", "", 200, `"version":3`},
		{"GET", "/subjects/s/versions/-1", "", 200, `"version":3`},
		{"GET", "/subjects/s/versions/1/schema", "", 200, v1},
		{"GET", "/subjects/s/versions/9", "", 404, `40402`},
		{"GET", "/subjects/s/versions/0", "", 422, `42202`},
		{"GET", "/subjects/s/versions/abc", "", 422, `42202`},
		{"GET", "/subjects/none/versions/1", "", 404, `40401`},
		{"GET", "/subjects/none/versions", "", 404, `40401`},
		{"GET", "/schemas/ids/1", "", 200, `"schema":`},
		{"GET", "/schemas/ids/1/schema", "", 200, v1},
		{"GET", "/schemas/ids/1/versions", "", 200, `[{"subject":"other","version":1},{"subject":"s","version":1}]`},
		{"GET", "/schemas/ids/1/subjects", "", 200, `["other","s"]`},
		{"GET", "/schemas/ids/99", "", 404, `40403`},
		{"GET", "/schemas/ids/abc", "", 404, `404`},
		{"POST", "/subjects/bad/versions", schema(`nonsense`), 422, `42201`},
		{"POST", "/subjects/bad/versions", `{"schema":""}`, 422, `42201`},
		{"POST", "/subjects/bad/versions", `{"schema":"\"int\"","schemaType":"PROTOBUF"}`, 422, `42201`},
		{"POST", "/subjects/bad/versions", `not JSON`, 400, `400`},
		{"POST", "/subjects/bad/versions", schema(`{"type":"record","name":"A","fields":[{"name":"x","type":"int","default":"s"}]}`), 422, `42201`},

		{"GET", "/config", "", 200, `{"compatibilityLevel":"BACKWARD"}`},
		{"GET", "/config/s", "", 404, `40408`},
		{"GET", "/config/s?defaultToGlobal=true", "", 200, `{"compatibilityLevel":"BACKWARD"}`},
		{"PUT", "/config/s", `{"compatibility":"SIDEWAYS"}`, 422, `42203`},
		{"PUT", "/config/s", `{"compatibility":"FULL"}`, 200, `{"compatibility":"FULL"}`},
		{"GET", "/config/s", "", 200, `FULL`},
		{"DELETE", "/config/s", "", 200, `FULL`},
		{"DELETE", "/config/s", "", 404, `40401`},
		{"PUT", "/config", `{"compatibility":"NONE"}`, 200, `NONE`},
		{"DELETE", "/config", "", 200, `NONE`},
		{"GET", "/config", "", 200, `BACKWARD`},

		{"POST", "/compatibility/subjects/s/versions/latest", schema(v2), 200, `{"is_compatible":true}`},
		{"POST", "/compatibility/subjects/s/versions/latest?verbose=true", schema(v2), 200, `{"is_compatible":true,"messages":[]}`},
		{"POST", "/compatibility/subjects/s/versions/latest", schema(bad), 200, `{"is_compatible":false}`},
		{"POST", "/compatibility/subjects/s/versions?verbose=true", schema(bad), 200, `errorType:'READER_FIELD_MISSING_DEFAULT_VALUE'`},
		{"POST", "/compatibility/subjects/s/versions/1?verbose=true", schema(bad), 200, `at path '/fields/1'`},
		{"POST", "/compatibility/subjects/s/versions/9", schema(bad), 404, `40402`},
		{"POST", "/compatibility/subjects/none/versions/latest", schema(v1), 200, `true`},
		{"POST", "/compatibility/subjects/s/versions/latest?verbose=true", schema(`{"type":"recor"}`), 200, `"is_compatible":false`},

		{"POST", "/subjects/u/versions", withRefs(user, "s", 1), 200, `"id":4`},
		{"POST", "/subjects/u", withRefs(user, "s", 1), 200, `"references":[{"name":"n.R","subject":"s","version":1}]`},
		{"POST", "/subjects/u", schema(user), 422, `42201`},
		{"POST", "/subjects/u2/versions", withRefs(user, "none", 1), 422, `42201`},
		{"POST", "/subjects/u2/versions", withRefs(user, "s", 9), 422, `42201`},
		{"GET", "/subjects/s/versions/1/referencedby", "", 200, `[4]`},
		{"GET", "/subjects/s/versions/2/referencedby", "", 200, `[]`},
		{"DELETE", "/subjects/s", "", 422, `42206`},
		{"DELETE", "/subjects/s/versions/1", "", 422, `42206`},

		{"DELETE", "/subjects/u?permanent=true", "", 404, `40405`},
		{"DELETE", "/subjects/u/versions/1?permanent=true", "", 404, `40407`},
		{"DELETE", "/subjects/u", "", 200, `[1]`},
		{"DELETE", "/subjects/u", "", 404, `40404`},
		{"DELETE", "/subjects/u/versions/1", "", 404, `40406`},
		{"GET", "/subjects/u/versions", "", 404, `40401`},
		{"GET", "/subjects/u/versions?deleted=true", "", 200, `[1]`},
		{"GET", "/subjects/u/versions?deletedOnly=true", "", 200, `[1]`},
		{"GET", "/subjects?deletedOnly=true", "", 200, `["u"]`},
		{"GET", "/schemas/ids/4", "", 200, `n.R`},
		{"POST", "/subjects/u", withRefs(user, "s", 1), 404, `40401`},
		{"POST", "/subjects/u?deleted=true", withRefs(user, "s", 1), 200, `"version":1`},
		{"POST", "/subjects/u/versions", withRefs(user, "s", 1), 200, `"version":2`},
		{"DELETE", "/subjects/u/versions/1?permanent=true", "", 200, `1`},
		{"GET", "/subjects/u/versions?deleted=true", "", 200, `[2]`},
		{"DELETE", "/subjects/u/versions/latest", "", 200, `2`},
		{"DELETE", "/subjects/u?permanent=true", "", 200, `[2]`},
		{"GET", "/schemas/ids/4", "", 404, `40403`},
		{"DELETE", "/subjects/none", "", 404, `40401`},

		{"GET", "/mode", "", 200, `{"mode":"READWRITE"}`},
		{"GET", "/mode/s", "", 404, `40409`},
		{"PUT", "/mode/s", `{"mode":"SLEEPY"}`, 422, `42204`},
		{"PUT", "/mode/s", `{"mode":"READONLY"}`, 200, `READONLY`},
		{"POST", "/subjects/s/versions", schema(v1), 200, `"id":1`},
		{"POST", "/subjects/s/versions", schema(`"bytes"`), 422, `42205`},
		{"DELETE", "/mode/s", "", 200, `READONLY`},
		{"POST", "/subjects/imp/versions", `{"schema":"\"int\"","id":77,"version":3}`, 422, `42205`},
		{"PUT", "/mode/imp", `{"mode":"IMPORT"}`, 200, `IMPORT`},
		{"POST", "/subjects/imp/versions", `{"schema":"\"int\"","id":77,"version":3}`, 200, `"id":77`},
		{"POST", "/subjects/imp/versions", `{"schema":"\"long\""}`, 422, `42205`},
		{"GET", "/subjects/imp/versions", "", 200, `[3]`},

		{"POST", "/contexts/.c/subjects/s/versions", schema(v1), 200, `"id":1`},
		{"GET", "/subjects/:.c:s/versions/latest", "", 200, `"subject":":.c:s"`},
		{"GET", "/contexts", "", 200, `[".",".c"]`},
		{"GET", "/subjects?subjectPrefix=:.c:", "", 200, `[":.c:s"]`},
		{"GET", "/subjects?subjectPrefix=:*:s", "", 200, `[":.c:s","s"]`},
		{"GET", "/schemas/ids/1?subject=:.c:s", "", 200, `"schema"`},
		{"GET", "/schemas/ids/77?subject=:.c:s", "", 404, `40403`},
	} {
		status, body := send(t, step.method, s.URL+step.path, step.body)
		if status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("step %d, %s %s: %d %s\nwant %d %s", i, step.method, step.path, status, body, step.status, step.want)
		}
	}
}

// TestDeletedKeys deletes the keys of field encryption, as an operator does.
func TestDeletedKeys(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	const (
		keks = "/dek-registry/v1/keks"
		kek  = `{"name":"k","kmsType":"local-kms","kmsKeyId":"1"}`
		dek  = `{"subject":"s","version":1,"encryptedKeyMaterial":"YQ=="}`
	)
	for i, step := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", keks, kek, 200, `"k"`},
		{"POST", keks, kek, 409, `40971`},
		{"GET", keks + "/k/deks/s", "", 404, `40470`},
		{"POST", keks + "/k/deks/s", dek, 200, `YQ==`},
		{"POST", keks + "/k/deks/s", dek, 409, `40971`},
		{"DELETE", keks + "/k", "", 422, `42272`},
		{"DELETE", keks + "/k/deks/s?permanent=true", "", 404, `40471`},
		{"DELETE", keks + "/k/deks/s", "", 200, ``},
		{"GET", keks + "/k/deks/s", "", 404, `40470`},
		{"GET", keks + "/k/deks/s?deleted=true", "", 200, `YQ==`},

		// A deleted key keeps its name. Old messages would be unreadable if
		// another key took the name.
		{"POST", keks + "/k/deks/s", `{"subject":"s","version":1,"encryptedKeyMaterial":"Yg=="}`, 409, `40971`},
		{"POST", keks + "/k/deks/s", dek, 200, `YQ==`},
		{"GET", keks + "/k/deks/s", "", 200, `YQ==`},

		{"DELETE", keks + "/k/deks/s", "", 200, ``},
		{"DELETE", keks + "/k?permanent=true", "", 422, `42272`},
		{"DELETE", keks + "/k/deks/s?permanent=true", "", 200, ``},
		{"GET", keks + "/k/deks/s?deleted=true", "", 404, `40470`},
		{"DELETE", keks + "/k?permanent=true", "", 404, `40471`},
		{"DELETE", keks + "/k", "", 200, ``},
		{"GET", keks + "/k", "", 404, `40470`},
		{"POST", keks, `{"name":"k","kmsType":"local-kms","kmsKeyId":"2"}`, 409, `40971`},
		{"POST", keks, kek, 200, `"k"`},
		{"DELETE", keks + "/k", "", 200, ``},
		{"DELETE", keks + "/k?permanent=true", "", 200, ``},
		{"GET", keks + "/k?deleted=true", "", 404, `40470`},
	} {
		status, body := send(t, step.method, s.URL+step.path, step.body)
		if status != step.status || !strings.Contains(body, step.want) {
			t.Errorf("step %d, %s %s: %d %s\nwant %d %s", i, step.method, step.path, status, body, step.status, step.want)
		}
	}
}

// TestOtherClient uses the server with another client of the same API.
func TestOtherClient(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := registrytest.Start(t)
	c, err := sr.NewClient(sr.URLs(s.URL))
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.CreateSchema(ctx, "s", sr.Schema{Schema: v1})
	if err != nil || made.ID != 1 || made.Version != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	if got, err := c.SchemaByID(ctx, 1); err != nil || got.Schema != v1 {
		t.Errorf("%+v, %v", got.Schema, err)
	}
	if got, err := c.SchemaByGUID(ctx, made.GUID); err != nil || got.Schema.Schema != v1 {
		t.Errorf("%+v, %v", got.Schema, err)
	}
	if _, err := c.CreateSchema(ctx, "s", sr.Schema{Schema: bad}); err == nil {
		t.Error("an incompatible schema was taken")
	}
	check, err := c.CheckCompatibility(ctx, "s", 1, sr.Schema{Schema: bad})
	if err != nil || check.Is {
		t.Errorf("%+v, %v", check, err)
	}
	for _, r := range c.SetCompatibility(ctx, sr.SetCompatibility{Level: sr.CompatNone}, "s") {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	if got, err := c.CreateSchema(ctx, "s", sr.Schema{Schema: bad}); err != nil || got.Version != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	user := sr.Schema{
		Schema:     `{"type":"record","name":"U","fields":[{"name":"r","type":"n.R"}]}`,
		References: []sr.SchemaReference{{Name: "n.R", Subject: "s", Version: 1}},
	}
	if _, err := c.CreateSchema(ctx, "u", user); err != nil {
		t.Error(err)
	}
	if refs, err := c.SchemaReferences(ctx, "s", 1); err != nil || len(refs) != 1 || refs[0].Subject != "u" {
		t.Errorf("%+v, %v", refs, err)
	}
	if versions, err := c.DeleteSubject(ctx, "u", sr.SoftDelete); err != nil || !slices.Equal(versions, []int{1}) {
		t.Errorf("%v, %v", versions, err)
	}
}

func TestSeedAndLevels(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t, registrytest.WithLevel(compat.Full))
	if err := s.Seed("s", v1, bad, v2, v1); err != nil {
		t.Fatal(err)
	}
	if err := s.Seed("s", v1, "nonsense"); err == nil || !strings.Contains(err.Error(), "schema 2 of 2") {
		t.Errorf("a bad seed: %v", err)
	}
	if s.Requests() != 0 {
		t.Errorf("seeds counted as %d requests", s.Requests())
	}
	if _, body := send(t, "GET", s.URL+"/subjects/s/versions", ""); body != "[1,2,3]" {
		t.Errorf("versions %s", body)
	}
	if status, _ := send(t, "POST", s.URL+"/subjects/s/versions", fmt.Sprintf(`{"schema":%q}`, strings.Replace(v1, "int", "string", 1))); status != 409 {
		t.Errorf("control: FULL took a new type: %d", status)
	}
	s.SetLevel("s", compat.None)
	if status, body := send(t, "POST", s.URL+"/subjects/s/versions", fmt.Sprintf(`{"schema":%q}`, strings.Replace(v1, "int", "string", 1))); status != 200 {
		t.Errorf("at NONE: %d %s", status, body)
	}
}

// TestFaults checks that a fault affects only the matching requests, for the
// given number of times, and the log shows the requests.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	if err := errors.Join(s.Seed("a", v1), s.Seed("b", v2)); err != nil {
		t.Fatal(err)
	}
	get := func(path string) int { status, _ := send(t, "GET", s.URL+path, ""); return status }
	s.Fail(2, 503)
	if a, b, c := get("/subjects"), get("/subjects"), get("/subjects"); a != 503 || b != 503 || c != 200 {
		t.Errorf("Fail(2, 503): %d %d %d", a, b, c)
	}
	lift := s.Inject(registrytest.Status(500), registrytest.OnSubject("a"))
	if a, b := get("/subjects/a/versions"), get("/subjects/b/versions"); a != 500 || b != 200 {
		t.Errorf("on subject a: %d %d", a, b)
	}
	if a, b := get("/config/a?defaultToGlobal=true"), get("/schemas/ids/1"); a != 500 || b != 200 {
		t.Errorf("on subject a: %d %d", a, b)
	}
	lift()
	if a := get("/subjects/a/versions"); a != 200 {
		t.Errorf("lifted: %d", a)
	}
	lift = s.Inject(registrytest.Reset(), registrytest.OnID(2))
	if a, b := get("/schemas/ids/1"), get("/schemas/ids/2"); a != 200 || b != 0 {
		t.Errorf("on id 2: %d %d", a, b)
	}
	lift()
	s.Inject(registrytest.CutBody(), registrytest.Times(1))
	if status, body := send(t, "GET", s.URL+"/schemas/ids/2", ""); status != 200 || !strings.Contains(body, "unexpected EOF") {
		t.Errorf("a cut body: %d %s", status, body)
	}
	s.Inject(registrytest.Latency(time.Millisecond), registrytest.OnMethod("GET"), registrytest.Times(1))
	if a := get("/subjects"); a != 200 {
		t.Errorf("latency: %d", a)
	}
	s.ResetLog()
	send(t, "POST", s.URL+"/subjects/x%2Fy/versions?normalize=true", "body")
	get("/schemas/ids/7")
	log := s.Log()
	if len(log) != 2 || s.Requests() != 2 || log[0].Subject != "x/y" || log[0].Body != "body" || log[0].ID != -1 || log[1].ID != 7 ||
		log[0].String() != "POST /subjects/x%2Fy/versions?normalize=true" || log[1].Subject != "" {
		t.Errorf("log %+v", log)
	}
}

// TestCloseEndsHangingRequests checks that Close ends requests that hang.
func TestCloseEndsHangingRequests(t *testing.T) {
	t.Parallel()
	s, err := registrytest.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(registrytest.Hang())
	done := make(chan int)
	go func() {
		status, _ := send(t, "GET", s.URL+"/subjects", "")
		done <- status
	}()
	for s.Requests() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if status := <-done; status != 0 {
		t.Errorf("a request that hung was answered with %d", status)
	}
}

// TestRegisterRace checks that forty concurrent registrations of the same
// schema get the same id and version.
func TestRegisterRace(t *testing.T) {
	t.Parallel()
	s := registrytest.Start(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for _, subject := range []string{"one", fmt.Sprint("many", i)} {
				if status, body := send(t, "POST", s.URL+"/subjects/"+subject+"/versions", fmt.Sprintf(`{"schema":%q}`, v1)); status != 200 || !strings.Contains(body, `"id":1,`) || !strings.Contains(body, `"version":1`) {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	wg.Wait()
}
