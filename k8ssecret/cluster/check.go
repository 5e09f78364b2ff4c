package cluster

import (
	"fmt"
	"os"
)

// check.go says what is wrong with a cluster and a user of a kubeconfig, all of
// it at once (client-go 0.34.4, tools/clientcmd/validation.go).

// check says what is wrong with a cluster (validateClusterInfo).
func (c clusterEntry) check(name string) (faults []error) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if c.isEmpty() {
		return []error{errEmpty}
	}
	if c.server == "" {
		fail("the cluster %q has no server", name)
	}
	if c.proxyURL != "" {
		if _, err := parseProxy(c.proxyURL); err != nil {
			fail("the proxy-url of the cluster %q: %w", name, err)
		}
	}
	if c.caFile != "" && len(c.caData) > 0 {
		fail("the cluster %q has both certificate-authority and certificate-authority-data", name)
	}
	faults = append(faults, readable("certificate-authority", c.caFile)...)
	return faults
}

// isEmpty: nothing at all is said of it, not even in an empty entry of a file.
func (c clusterEntry) isEmpty() bool {
	return c.origin == "" && c.server == "" && c.serverName == "" && !c.insecure && c.caFile == "" && c.caData == nil &&
		c.proxyURL == "" && !c.disableCompression && len(c.extensions) == 0
}

// check says what is wrong with a user (validateAuthInfo).
func (u userEntry) check(name string) (faults []error) {
	fail := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if u.certFile != "" || len(u.certData) > 0 {
		if u.certFile != "" && len(u.certData) > 0 {
			fail("the user %q has both client-certificate and client-certificate-data", name)
		}
		if u.keyFile != "" && len(u.keyData) > 0 {
			fail("the user %q has both client-key and client-key-data", name)
		}
		if u.keyFile == "" && len(u.keyData) == 0 {
			fail("the user %q has a client certificate and no client-key", name)
		}
		faults = append(faults, readable("client-certificate", u.certFile)...)
		faults = append(faults, readable("client-key", u.keyFile)...)
	}
	if u.exec != nil {
		if u.authProvider != nil {
			fail("the user %q has both exec and auth-provider", name)
		}
		faults = append(faults, u.exec.check(name)...)
	}
	if u.token != "" && (u.username != "" || u.password != "") {
		fail("the user %q has both a token and a user name", name)
	}
	if u.as == "" && (u.asUID != "" || len(u.asGroups) > 0 || len(u.asExtra) > 0) {
		fail("the user %q impersonates a uid, groups or extra fields, and no user: as is missing", name)
	}
	return faults
}

// readable opens a file, if one is named.
func readable(field, path string) []error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", field, err)}
	}
	f.Close()
	return nil
}
