package producertest

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// dialOpts returns the options of the package's own clients. These clients log
// in as the first user and trust the broker's certificate.
func dialOpts(s *settings) []kgo.Opt {
	var opts []kgo.Opt
	if s.tls != nil {
		opts = append(opts, kgo.DialTLSConfig(trusting(s.tls)))
	}
	if len(s.users) > 0 {
		u := s.users[0]
		var m sasl.Mechanism
		switch u.mechanism {
		case "SCRAM-SHA-256":
			m = scram.Auth{User: u.name, Pass: u.password}.AsSha256Mechanism()
		case "SCRAM-SHA-512":
			m = scram.Auth{User: u.name, Pass: u.password}.AsSha512Mechanism()
		default:
			m = plain.Auth{User: u.name, Pass: u.password}.AsMechanism()
		}
		opts = append(opts, kgo.SASL(m))
	}
	return opts
}

// trusting accepts exactly the certificate of the broker. trusting checks no
// date and no host name, because tests use expired certificates and
// certificates for another host.
func trusting(server *tls.Config) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyPeerCertificate compares with the broker's certificate
		Certificates:       server.Certificates,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			for _, c := range server.Certificates {
				if len(raw) > 0 && len(c.Certificate) > 0 && string(raw[0]) == string(c.Certificate[0]) {
					return nil
				}
			}
			return x509.UnknownAuthorityError{}
		},
	}
}
