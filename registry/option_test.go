package registry_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/registrytest"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		urls []string
		opts []registry.Option
		want []string
	}{
		"no URL":                {nil, nil, []string{"no URL"}},
		"no scheme":             {[]string{"registry:8081"}, nil, []string{"URL 1 of 1", "scheme"}},
		"host only":             {[]string{"registry"}, nil, []string{`"registry" lacks a scheme`}},
		"address only":          {[]string{"127.0.0.1:8081"}, nil, []string{`"127.0.0.1:8081" lacks a scheme`}},
		"no scheme but secrets": {[]string{"alice:s3cr3t@registry:8081"}, nil, []string{"lacks a scheme"}},
		"another scheme":        {[]string{"ftp://alice:s3cr3t@registry"}, nil, []string{"scheme"}},
		"ftp":                   {[]string{"ftp://registry"}, nil, []string{`"ftp://registry" has the scheme ftp: write http://`}},
		"no host":               {[]string{"http://"}, nil, []string{"lacks a host"}},
		"a query":               {[]string{"http://registry/?x=s3cr3t"}, nil, []string{"query"}},
		"a bad port":            {[]string{"http://alice:s3cr3t@registry:port"}, nil, []string{"does not parse"}},
		"every mistake": {[]string{"http://ok", "", "::"}, []registry.Option{
			registry.WithTimeout(0), registry.WithCacheSize(0), registry.WithLatestTTL(-1), registry.WithRetries(-1, 0, 0), registry.WithWayBack(0),
			registry.WithLogger(nil), registry.WithHeader("authorization", "s3cr3t"), registry.WithTokenSource(nil),
			registry.WithTLS(new(tls.Config)), registry.WithTransport(http.DefaultTransport),
		}, []string{
			"URL 2 of 3", "URL 3 of 3", "WithTimeout", "WithCacheSize", "WithLatestTTL", "WithRetries", "WithWayBack", "WithLogger", "WithHeader",
			"WithTokenSource", "WithTLS and WithTransport",
		}},
		"several URLs in one":   {[]string{"http://a,http://b"}, nil, []string{"URL 1 of 1", "several URLs", "of its own"}},
		"hosts in one":          {[]string{"http://a:8081,b:8081"}, nil, []string{"several URLs"}},
		"several with secrets":  {[]string{"http://u:s3cr3t@a,http://u:s3cr3t@b"}, nil, []string{"several URLs"}},
		"@ and / in a password": {[]string{"http://alice:p@ss/s3cr3t@registry:8081"}, nil, []string{"%40"}},
		"@ in a password":       {[]string{"http://alice:p@s3cr3t@registry:8081"}, nil, []string{"%40"}},
		"/ in a password":       {[]string{"http://alice:1/s3cr3t@registry:8081"}, nil, []string{"%2F"}},
		"# in a password":       {[]string{"http://alice:1#s3cr3t@registry:8081"}, nil, []string{"%40"}},
		"? in a password":       {[]string{"http://alice:1?s3cr3t@registry:8081"}, nil, []string{"%40"}},
		"a token's line break":  {[]string{"http://registry"}, []registry.Option{registry.WithBearer("s3cr3t\n")}, []string{"WithBearer", "line break"}},
		"a control in a token":  {[]string{"http://registry"}, []registry.Option{registry.WithBearer("s3cr3t\x00x")}, []string{"WithBearer"}},
		"an empty token":        {[]string{"http://registry"}, []registry.Option{registry.WithBearer("")}, []string{"WithBearer", "empty"}},
		"no user":               {[]string{"http://registry"}, []registry.Option{registry.WithBasicAuth("", "s3cr3t")}, []string{"WithBasicAuth"}},
		"a user with a colon":   {[]string{"http://registry"}, []registry.Option{registry.WithBasicAuth("a:s3cr3t", "s3cr3t")}, []string{"WithBasicAuth"}},
		"a header without name": {[]string{"http://registry"}, []registry.Option{registry.WithHeader("", "s3cr3t")}, []string{"WithHeader"}},
		"a bad header name":     {[]string{"http://registry"}, []registry.Option{registry.WithHeader("X Cluster", "s3cr3t")}, []string{"WithHeader", "X Cluster"}},
		"a bad header value":    {[]string{"http://registry"}, []registry.Option{registry.WithHeader("X-Cluster", "s3cr3t\r\nX: y")}, []string{"WithHeader", "X-Cluster"}},
		"nil values": {[]string{"http://registry"}, []registry.Option{
			registry.WithTLS(nil), registry.WithTransport(nil), registry.WithLogger(nil), registry.WithTokenSource(nil), registry.WithDiskCache(""),
		}, []string{"WithTLS", "WithTransport", "WithLogger", "WithTokenSource", "WithDiskCache"}},
		"two credentials": {[]string{"http://registry"}, []registry.Option{registry.WithBasicAuth("alice", "s3cr3t"), registry.WithBearer("s3cr3t")}, []string{"WithBasicAuth and WithBearer"}},
	} {
		_, err := registry.New(test.urls, test.opts...)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", name, want, err)
			}
		}
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error shows a secret: %v", name, err)
		}
	}
	if _, err := registry.New([]string{"http://registry"}, registry.Option{}, registry.WithBasicAuth("a", ""), registry.WithBasicAuth("b", "p@ss/w,rd")); err != nil {
		t.Errorf("an option twice: %v", err)
	}
}

// TestNoCredentialIsPrinted checks that for every kind of failure, no
// credential shows in an error, a log or a print.
func TestNoCredentialIsPrinted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const secret = "s3cr3tXYZ"
	effects := map[string]registrytest.Effect{
		"401":   registrytest.Status(401),
		"500":   registrytest.Status(500),
		"echo":  registrytest.Answer(403, "text/plain", "you sent Bearer "+secret+" or YWxpY2U6czNjcjN0WFla"),
		"page":  registrytest.Answer(200, "text/html", "<p>"+secret+" YWxpY2U6czNjcjN0WFla</p>"),
		"JSON":  registrytest.Answer(422, "application/json", `{"error_code":42201,"message":"`+secret+` YWxpY2U6czNjcjN0WFla"}`),
		"reset": registrytest.Reset(),
		"loop":  registrytest.RedirectLoop(),
		"away":  registrytest.Redirect("http://alice:" + secret + "@127.0.0.1:1"),
	}
	s := startSeeded(t)
	withUser := strings.Replace(s.URL, "http://", "http://alice:"+secret+"@", 1)
	credentials := &registry.ClientCredentials{TokenURL: "http://alice:" + secret + "@127.0.0.1:1/" + "token?x=" + secret, ClientID: "me", ClientSecret: secret}
	clients := map[string]func(l *slog.Logger) *registry.Client{
		"user info": func(l *slog.Logger) *registry.Client {
			return newClient(t, []string{withUser}, registry.WithLogger(l), registry.WithRetries(1, 0, 0))
		},
		"basic": func(l *slog.Logger) *registry.Client {
			return newClient(t, []string{s.URL}, registry.WithLogger(l), registry.WithBasicAuth("alice", secret), registry.WithRetries(1, 0, 0))
		},
		"bearer": func(l *slog.Logger) *registry.Client {
			return newClient(t, []string{s.URL}, registry.WithLogger(l), registry.WithBearer(secret), registry.WithRetries(1, 0, 0))
		},
		"token": func(l *slog.Logger) *registry.Client {
			return newClient(t, []string{s.URL}, registry.WithLogger(l), registry.WithTokenSource(credentials), registry.WithRetries(1, 0, 0))
		},
	}
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"}
	for how, make := range clients {
		for name, effect := range effects {
			var log syncBuffer
			logger := slog.New(slog.NewJSONHandler(&log, nil))
			c := make(logger)
			lift := s.Inject(effect)
			_, err := c.SchemaByID(ctx, "", 1)
			lift()
			if err == nil {
				t.Errorf("control, %s, %s: no error", how, name)
			}
			logger.Info("client", "client", c, "credentials", credentials, "error", err)
			shown := log.String()
			for _, verb := range verbs {
				shown += fmt.Sprintf(verb+verb+verb+verb, c, err, credentials, *credentials)
			}
			secrets := []string{secret}
			if how == "basic" || how == "user info" {
				secrets = append(secrets, "YWxpY2U6czNjcjN0WFla")
			}
			for _, s := range secrets {
				if i := strings.Index(shown, s); i >= 0 {
					t.Errorf("%s, %s: a secret shows: …%s…", how, name, shown[max(0, i-200):i+len(s)])
				}
			}
		}
	}
	c := clients["user info"](slog.Default())
	if got, want := fmt.Sprint(c), "registry.Client("+s.URL+")"; got != want {
		t.Errorf("printed as %s, want %s", got, want)
	}
	if got := fmt.Sprint((*registry.Client)(nil)); got != "<nil>" {
		t.Errorf("nil printed as %s", got)
	}
}

// TestNoFormOfACredentialIsPrinted checks that an error shows no credential if
// a server repeats the credential in another form, or at the place where the
// error cuts the server's text.
func TestNoFormOfACredentialIsPrinted(t *testing.T) {
	t.Parallel()
	const secret = `s3cr3t"&XYZ@1234567890`
	s := startSeeded(t)
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"cut":         {502, strings.Repeat("x", 190) + secret + " or " + secret},
		"cut page":    {200, strings.Repeat("x", 190) + secret + " or " + secret},
		"cut message": {400, `{"error_code":400,"message":"` + strings.Repeat("x", 2040) + `s3cr3t\"&XYZ@1234567890"}`},
		"URL":         {502, "cannot open http://alice:s3cr3t%22&XYZ%401234567890@upstream"},
		"HTML":        {502, "<p>s3cr3t&#34;&amp;XYZ@1234567890</p>"},
		"JSON":        {502, `{"error":"s3cr3t\"\u0026XYZ@1234567890"}`},
	} {
		c := newClient(t, []string{s.URL}, registry.WithBasicAuth("alice", secret), registry.WithRetries(0, 0, 0))
		lift := s.Inject(registrytest.Answer(test.status, "text/plain", test.body))
		_, err := c.SchemaByID(t.Context(), "", 1)
		lift()
		if err == nil || strings.Contains(err.Error(), "s3cr3") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	basic := startSeeded(t, registrytest.WithBasicAuth("alice", "päss:w/rd"))
	bearer := startSeeded(t, registrytest.WithBearer(func(tok string) bool { return tok == "tok" }))
	for name, test := range map[string]struct {
		url  string
		opts []registry.Option
		ok   bool
	}{
		"basic":                 {basic.URL, []registry.Option{registry.WithBasicAuth("alice", "päss:w/rd")}, true},
		"user info":             {strings.Replace(basic.URL, "//", "//alice:p%C3%A4ss%3Aw%2Frd@", 1), nil, true},
		"user info over option": {strings.Replace(basic.URL, "//", "//alice:p%C3%A4ss%3Aw%2Frd@", 1), []registry.Option{registry.WithBearer("x")}, true},
		"bearer":                {bearer.URL, []registry.Option{registry.WithBearer("tok")}, true},
		"wrong password":        {basic.URL, []registry.Option{registry.WithBasicAuth("alice", "")}, false},
		"nothing":               {basic.URL, nil, false},
		"wrong token":           {bearer.URL, []registry.Option{registry.WithBearer("x")}, false},
	} {
		_, err := newClient(t, []string{test.url}, test.opts...).SchemaByID(ctx, "", 1)
		var answer *registry.Error
		if test.ok && err != nil || !test.ok && (!errors.As(err, &answer) || answer.Status != 401) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	ca := newCA(t)
	s := startSeeded(t, registrytest.WithTLS(&tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "127.0.0.1")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool,
	}))
	both := &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.issue(t, "client")}}
	if got, err := newClient(t, []string{s.URL}, registry.WithTLS(both)).SchemaByID(ctx, "", 1); err != nil || got.Schema != orderV1 {
		t.Errorf("with a certificate: %s, %v", got.Schema, err)
	}
	once := registry.WithRetries(0, 0, 0)
	if _, err := newClient(t, []string{s.URL}, once, registry.WithTLS(&tls.Config{RootCAs: ca.pool})).SchemaByID(ctx, "", 1); err == nil {
		t.Error("control: taken without a certificate")
	}
	_, err := newClient(t, []string{s.URL}, once).SchemaByID(ctx, "", 1)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) || !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("control: a CA that nobody knows: %v", err)
	}
}

// TestProxyFromEnvironment is not parallel, because net/http reads the proxy
// variables only once per process. The registry has a host name, because
// net/http never uses a proxy for loopback addresses.
func TestProxyFromEnvironment(t *testing.T) {
	proxy := startSeeded(t) // answers in place of the registry
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("NO_PROXY", "")
	c := newClient(t, []string{"http://registry.invalid"}, registry.WithRetries(0, 0, 0))
	if got, err := c.SchemaByID(context.Background(), "", 1); err != nil || got.Schema != orderV1 || proxy.Requests() != 1 {
		t.Errorf("through the proxy: %s, %v", got.Schema, err)
	}
}

func TestClosedClient(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := startSeeded(t)
	c := newClient(t, []string{s.URL})
	if _, err := c.SchemaByID(ctx, "", 1); err != nil {
		t.Fatal(err)
	}
	s.Inject(registrytest.Hang())
	done := make(chan error)
	go func() {
		_, err := c.SchemaByID(ctx, "", 2)
		done <- err
	}()
	for s.Requests() < 2 {
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("a call under way survived Close")
	}
	if _, err := c.SchemaByID(ctx, "", 3); !errors.Is(err, registry.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := c.SchemaByID(ctx, "", 1); err != nil {
		t.Errorf("what is known, after Close: %v", err)
	}
}
