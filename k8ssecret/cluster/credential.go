package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// credential.go has what goes to a credential plug-in and what comes back
// (client-go 0.34.4, pkg/apis/clientauthentication/v1/types.go).

// execCredential is what the plug-in is told, in KUBERNETES_EXEC_INFO.
type execCredential struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Spec       execSpec `json:"spec"`
}

type execSpec struct {
	Cluster     *execCluster `json:"cluster,omitempty"`
	Interactive bool         `json:"interactive"`
}

type execCluster struct {
	Server             string `json:"server"`
	ServerName         string `json:"tls-server-name,omitempty"`
	Insecure           bool   `json:"insecure-skip-tls-verify,omitempty"`
	CAData             []byte `json:"certificate-authority-data,omitempty"`
	ProxyURL           string `json:"proxy-url,omitempty"`
	DisableCompression bool   `json:"disable-compression,omitempty"`
	Config             any    `json:"config"`
}

// credentials are what the plug-in gave.
type credentials struct {
	token   string
	cert    *tls.Certificate
	expires time.Time // zero: never
}

// parseCredential reads what the program printed. Its errors repeat none of it.
func parseCredential(output []byte, version string) (*credentials, error) {
	var value any
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(output), []byte("{")) {
		if json.Unmarshal(output, &value) != nil {
			err = errors.New("it is no JSON")
		}
	} else {
		value, err = yamlValue(output)
	}
	var f fault
	top := f.object(value, "")
	status := f.object(top.get("status"), "status")
	token, expires := f.text(status, "token"), f.text(status, "expirationTimestamp")
	cert, key := f.text(status, "clientCertificateData"), f.text(status, "clientKeyData")
	if err == nil && f.err == nil && top.get("kind") != nil && top.get("kind") != "ExecCredential" {
		f.fail("kind", "it is no ExecCredential")
	}
	returned := f.text(top, "apiVersion")
	switch {
	case err != nil || f.err != nil:
		return nil, fmt.Errorf("decoding stdout: %w", errors.Join(err, f.err))
	case returned == "":
		return nil, fmt.Errorf("exec plugin is configured to use API version %s, plugin returned none", version)
	case returned != version:
		return nil, fmt.Errorf("exec plugin is configured to use API version %s, plugin returned version %s", version, returned)
	case status.fields == nil:
		return nil, errors.New("exec plugin didn't return a status field")
	case token == "" && cert == "" && key == "":
		return nil, errors.New("exec plugin didn't return a token or cert/key pair")
	case (cert == "") != (key == ""):
		return nil, errors.New("exec plugin returned only certificate or key, not both")
	}
	c := &credentials{token: token}
	if status.get("expirationTimestamp") != nil {
		if c.expires, err = time.Parse(time.RFC3339, expires); err != nil {
			return nil, errors.New("decoding stdout: status.expirationTimestamp: no time as RFC 3339 has it")
		}
	}
	if cert != "" {
		pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
		if err != nil {
			return nil, fmt.Errorf("failed parsing client key/certificate: %w", err)
		}
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, fmt.Errorf("failed parsing client leaf certificate: %w", err)
		}
		c.cert = &pair
	}
	return c, nil
}

func sameCertificate(a, b *tls.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return bytes.Equal(a.Certificate[0], b.Certificate[0])
}
