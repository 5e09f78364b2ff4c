package explain

// rules is what is known of messages, read from top to bottom: the first rule
// of which a phrase is in the message gives the cause. So what explains another
// error stands above it: "connection refused" by a proxy or by a DNS server is
// no refusal by the registry, and the SHA-1 signature named within "unknown
// authority" is why.
//
// A phrase is compared without regard to case, quotes and white space; "*"
// stands for anything in between, on up to [maxGap] bytes. It begins and ends where a
// word does. Phrases are as programs print them: who adds one gives a message
// to testdata/messages.jsonl that has it, in which the test looks for it.
var rules = []Rule{
	// What is not the network's fault, but would look like it.
	{"runtime_down", Other, sure, nil, []string{
		"Cannot connect to the Docker daemon", "failed to connect to the docker API", "error during connect:", "open //./pipe/docker",
		"dial unix", "transport: Error while dialing: dial unix", "connect: no such file or directory",
		"validate service connection", "unknown service runtime.v1", "unknown service containerd.services", "container runtime is down", "container runtime is not running",
		"permission denied while trying to connect to the docker",
	}},
	{"pvc_pending", Other, sure, nil, []string{
		"unbound immediate PersistentVolumeClaims", "waiting for a volume to be created", "no persistent volumes available for this claim",
		"ProvisioningFailed", "storageclass * not found", "Unable to attach or mount volumes", "persistentvolumeclaim * not found",
		"no storage class is set", "failed to provision volume", "PersistentVolumeClaim is not bound", "pvc is not bound",
		"persistentvolumeclaim * status * pending", "MultiAttachErrorForVolume", "Multi-Attach error for volume",
	}},
	{"namespace_terminating", Other, sure, nil, []string{"because it is being terminated", "because its being terminated"}},
	{"name_in_use", Other, sure, nil, []string{"cannot re-use a name that is still in use", "can't reuse a name that is still in use", "cant re-use a name that is still in use"}},
	{"chart_not_found", Other, sure, []Cause{NotFound}, []string{"failed in download the chart", "failed to download the chart", "chart path not found", "looks like * is not a valid chart repository"}},
	{"already_activated", Other, sure, nil, []string{"ALREADY_ACTIVATED", "already activated by another instance", "connected registry * is already activated", "connected registry is deactivated", "connected registry * is deactivated"}},
	{"connection_string", Auth, sure, nil, []string{
		"Incorrect Password", "connection string * invalid", "invalid connection string", "connection string * malformed", "failed to parse connection string",
		"error parsing connection string", "ConnectedRegistryName is required", "connection string is not valid", "connection string is required",
	}},
	{"secret_missing", Auth, sure, nil, []string{
		"FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets", "references non-existent secret key", "couldnt find key .dockerconfigjson",
		"secret * not found * image pull", "imagePullSecret * not found",
	}},
	{"credential_helper", Auth, sure, nil, []string{
		"error getting credentials", "docker-credential-* executable file not found", "error getting credential provider plugin", "failed to get credentials from external registry credential provider",
		"Failed getting credential from external registry credential provider", "credential provider plugin", "exec plugin * docker-credential", "error executing credential provider plugin",
		"credentials store * failed", "credential helper * failed", "error listing credentials", "error storing credentials",
	}},
	{"never_pull", Other, sure, nil, []string{"is not present with pull policy of Never", "ErrImageNeverPull"}},
	{"kubelet_pull_limit", RateLimited, sure, nil, []string{"pull QPS exceeded"}},
	{"client_files", Other, sure, nil, []string{
		"Missing client certificate * for key", "Missing key * for client certificate", "CA certificates must use the extension .crt",
		"unable to load CA cert", "unable to read CA cert", "unable to load CA certificate", "failed to load CA file", "failed to load TLS CAs", "failed to load X509 key pair", "unable to read CERT file",
		"private key does not match public key", "failed to find any PEM data in", "PEM inputs may have been switched", "failed to find certificate PEM data",
		"found a certificate rather than a key in the PEM", "no corresponding key file was specified", "no corresponding cert file was specified",
		"error setting certificate verify locations", "error setting certificate file", "error adding trust anchors from file", "could not load PEM client certificate", "unable to set private key file", "unable to load client cert", "unable to load client key",
		"could not load client certificate", "key values mismatch", "X509_check_private_key", "error loading CA certificates", "Could not find a suitable TLS CA certificate bundle", "failed to decode hosts.toml", "trustAnchors parameter must be non-empty",
		"cannot be set when config_path is provided", "Keystore was tampered with", "error while loading trust store", "could not read CA certificate", "failed to read ca cert", "problem with the local SSL certificate", "problem with the SSL CA cert",
		"Unable to load CA certs", "No such file * CApath", "failed to append CA cert", "failed to append certificates", "unable to load certificates", "error while reading file",
	}},
	{"no_system_roots", UnknownAuthority, sure, []Cause{Other}, []string{"failed to load system roots and no roots provided", "no native root CA certificates found", "No CA certificates were loaded from the system", "no valid native root CA certificates found"}},

	// Proxy and DNS stand above what they would look like.
	{"proxy", Proxy, sure, nil, []string{
		"proxyconnect tcp", "socks connect tcp", "socks connect *->", "Proxy Authentication Required", "ProxyError", "Cannot connect to proxy", "Unable to connect to proxy", "Could not resolve proxy",
		"HTTP code * from proxy after CONNECT", "CONNECT tunnel failed", "Proxy CONNECT aborted", "Proxy tunneling failed", "Unable to tunnel through proxy", "Tunnel connection failed",
		"tunneling socket could not be established", "proxy tunnel request to proxy", "the proxy tunnel", "Failed to connect to proxy", "error connecting to proxy", "proxy connect error", "proxy: unknown scheme", "invalid proxy address",
		"invalid proxy URL", "Proxy Error: ", "ERR_PROXY_CONNECTION_FAILED", "proxy handshake error", "proxy refused", "proxy server refused", "status code 407", "407 authentication required", "error: 407",
		"can't complete SOCKS", "SOCKS5 * connection", "unsuccessful tunnel", "proxy authentication", "407 proxy", "error parsing proxy URL", "unsupported proxy", "proxy responded with", "unable to resolve proxy", "unexpected response from proxy", "error trying to tunnel",
		"Docker Desktop * HTTPS proxy *: proxy",
	}},
	{"dns", DNS, sure, nil, []string{
		"no such host", "server misbehaving", "Temporary failure in name resolution", "Name or service not known", "nodename nor servname provided", "Name does not resolve", "dial tcp: lookup", "dial: lookup", "lookup * on * i/o timeout",
		"lookup * on * connection refused", "read udp * connection refused", "read udp * i/o timeout", "dial udp * network is unreachable", "lookup * on * no route to host", "lookup * on * network is unreachable", "Could not resolve host", "couldn't resolve host", "could not resolve hostname", "getaddrinfo ENOTFOUND", "getaddrinfo EAI_AGAIN", "getaddrinfo failed", "EAI_AGAIN", "UnknownHostException",
		"unable to resolve host address", "failed to lookup address information", "host not found in upstream", "could not be resolved (", "No such host is known", "nodename nor servname", "NameResolutionError", "Failed to resolve * [Errno",
		"NXDOMAIN", "name resolution failure", "DNS resolution failed", "dns error: failed", "No address associated with hostname", "The requested name is valid, but no data of the requested type was found", "The remote name could not be resolved", "failed to resolve host", "Could not resolve: ",
		"BIO_lookup_ex:", "gethostbyname failed", "Name has no usable address", "Resolving timed out", "Try again: lookup", "ENOTFOUND", "Unknown host", "cannot resolve host", "no answer from DNS server", "dns lookup failed", "Unable to resolve hostname",
		"no address for host", "DNS name does not exist", "Host not found", "getaddrinfow:", "unknown name or service", "name or service is not known",
	}},

	// TLS: what the certificate is refused for.
	{"weak_signature", SHA1, sure, nil, []string{
		"insecure algorithm SHA1", "insecure algorithm SHA1-RSA", "insecure algorithm ECDSA-SHA1", "insecure algorithm MD5-RSA", "insecure algorithm MD5", "insecure algorithm MD2-RSA", "insecure algorithm DSA-SHA1", "signature digest algorithm too weak", "ca md too weak", "ee md too weak",
		"CA_MD_TOO_WEAK", "EE_MD_TOO_WEAK", "signature algorithm: SHA1withRSA", "signature algorithm: MD5withRSA", "signature algorithm: SHA1withECDSA", "chain uses insecure algorithm", "insecure signature algorithm", "UnsupportedSignatureAlgorithm", "SEC_ERROR_CERT_SIGNATURE_ALGORITHM_DISABLED",
		"Certificates do not conform to algorithm constraints", "does not conform to algorithm constraints", "signed using an insecure algorithm", "signed using a signature algorithm that was disabled", "SHA-1 signature", "weak signature algorithm", "HasWeakSignature", "ERR_CERT_WEAK_SIGNATURE_ALGORITHM",
	}},
	{"negative_serial", NegativeSerial, sure, nil, []string{"negative serial number"}},
	{"name_constraints", NameConstraints, sure, nil, []string{
		"not authorized to sign for this name", "is not permitted by any constraint", "is excluded by constraint", "permitted subtree violation", "excluded subtree violation", "name constraints check failed", "NameConstraintViolation", "violates name constraints", "violates the signer's constraints", "HasNotPermittedNameConstraint", "HasExcludedNameConstraint", "HasNotSupportedNameConstraint",
		"SEC_ERROR_CERT_NOT_IN_NAME_SPACE", "CERT_E_INVALID_NAME", "name constraint violation", "not in the permitted name space", "name constraints violated", "unsupported name constraint",
	}},
	{"wrong_usage", EKU, sure, nil, []string{
		"incompatible key usage", "unsupported certificate purpose", "unsuitable certificate purpose", "use for TLS server authentication", "InvalidPurpose", "RequiredEkuNotFound", "Certificate type not approved for application", "SEC_ERROR_INADEQUATE_CERT_TYPE", "SEC_ERROR_INADEQUATE_KEY_USAGE", "certificate is not valid for the requested usage",
		"NotValidForUsage", "CERT_E_WRONG_USAGE", "INVALID_PURPOSE", "certificate is not allowed for server", "certificate cannot be used for this purpose", "key usage does not permit", "KeyUsage does not allow", "wrong key usage", "Key usage violation in certificate", "KEY_USAGE_BIT_INCORRECT", "key usage does not include", "not suitable for TLS server", "not intended for this purpose", "certificate purpose * not", "extended key usage does not",
		"certificate is not standards compliant", "the certificate does not allow extended key usage", "certificate does not allow extended key usage",
	}},
	{"common_name_only", LegacyCN, sure, nil, []string{"relies on legacy Common Name", "Common Name field, use SANs", "commonName * deprecated * subjectAltName", "certificate has no `subjectAltName`, falling back to check for a `commonName`"}},
	{"no_ip_san", NoIPSAN, sure, nil, []string{"doesn't contain any IP SANs", "No subject alternative names present", "because it does not contain any IP SANs"}},
	{"no_ip_san", NoIPSAN, likely, nil, []string{"cannot validate certificate for", "cannot validate certificate fo"}},
	{"no_ip_san", NoIPSAN, likely, []Cause{HostnameMismatch}, []string{"No subject alternative names matching IP address", "is not in the cert's list: , ", "is not in the cert's list: )"}},
	{"clock_or_dates", NotYetValid, sure, nil, []string{
		"has expired or is not yet valid: current time * is before", "current time * is before 2", "certificate is not yet valid", "CertificateNotYetValidException", "NotValidYet", "CertNotYetValid", "CertNotValidYet", "not yet valid certificate", "is not yet activated", "Issued certificate not yet valid", "CERT_NOT_YET_VALID", "certificate not valid yet", "not valid before",
		"not yet activated", "peer's certificate is not yet valid", "certificate is not valid until", "is not activated yet",
	}},
	{"expired", Expired, sure, nil, []string{
		"has expired or is not yet valid: current time * is after", "current time * is after 2", "current time * is after 1", "Certificate has expired (", "CERT_HAS_EXPIRED", "CertificateExpiredException", "SEC_ERROR_EXPIRED_CERTIFICATE", "SEC_E_CERT_EXPIRED", "chain uses expired certificate", "Issued certificate has expired", "invalid peer certificate: Expired", "CertExpired", "InvalidCertificate(Expired", "Peer's Certificate has expired",
		"certificate is expired", "received certificate has expired", "ssl certificate has expired", "certificate expired: verification time", "certificate expired", "uses an expired", "expired certificate chain", "the certificate expired", "signed using an expired",
	}},
	{"expired", Expired, likely, []Cause{NotYetValid}, []string{
		"certificate has expired or is not yet valid", "has expired or is not yet valid", "not within its validity period", "NotTimeValid", "ERR_CERT_DATE_INVALID", "validity check failed", "CERT_E_EXPIRED", "Certificate not valid at this time",
	}},
	{"expired", Expired, sure, nil, []string{"certificate has expired", "cert has expired", "certificate is no longer valid", "The certificate of * has expired"}},
	{"revoked", Other, sure, nil, []string{"certificate revoked", "certificate is revoked", "CERT_E_REVOKED", "CRYPT_E_REVOKED", "CertificateRevokedException", "ERR_CERT_REVOKED", "certificate has been revoked", "status is Revoked", "invalid peer certificate: Revoked"}},
	{"revocation_unknown", Other, sure, nil, []string{"CRYPT_E_NO_REVOCATION_CHECK", "CRYPT_E_REVOCATION_OFFLINE", "unable to check revocation", "RevocationStatusUnknown", "OfflineRevocation", "unable to get certificate CRL", "Could not determine revocation status", "no OCSP response received", "UnknownRevocationStatus"}},
	{"wrong_name", HostnameMismatch, sure, nil, []string{
		"certificate is valid for * not ", "certificate is valid for * names, but none matched", "certificate is valid for * IP SANs, but none matched", "is not valid for any names", "certificate is not valid for requested host", "certificate is not valid for name", "certificate not valid for name", "NotValidForName", "CertNotValidForName", "Hostname mismatch", "IP address mismatch",
		"no alternative certificate subject name matches", "does not match target host name", "doesn't match requested host name", "certificate subject alternative name matches", "no certificate subject alternative name matches", "does not match the expected", "certificate name does not match", "subject name does not match", "target principal name is incorrect", "SEC_E_WRONG_PRINCIPAL", "RemoteCertificateNameMismatch", "does not match certificate's altnames", "ERR_TLS_CERT_ALTNAME_INVALID",
		"No subject alternative DNS name matching", "No name matching * found", "doesn't match either of", "doesn't match 'u", "hostname * doesn't match", "ERR_CERT_COMMON_NAME_INVALID", "does not match any of the subject alternative names", "upstream SSL certificate does not match", "certificate name mismatch", "errSSLHostNameMismatch", "CertificateError: hostname", "verify SAN list", "verify cert failed: verify SAN", "not match subject alt names",
		"is not valid for requested domain", "unable to match", "host name verification failed", "hostname verification failed", "hostname * not verified", "Hostname was not verified", "SSLPeerUnverifiedException", "Unable to communicate securely with peer: requested domain name does not match", "requested domain name does not match", "no matching subject alternative name",
		"owner's hostname does not match", "does not match hostname", "certificate common name * doesn't match", "certificate name does not match input", "name in the certificate does not match", "altnames * does not match", "is not in the cert's list", "is not in the cert's altnames", "host doesn't match", "is not cert's CN", "certificate subject name * does not match",
	}},
	{"critical_extension", Other, sure, nil, []string{"unhandled critical extension", "UnsupportedCriticalExtension", "unsupported critical extension", "HasNotSupportedCriticalExtension"}},
	{"path_length", Other, sure, nil, []string{"too many intermediates for path length", "path length constraint exceeded", "PathLenConstraintViolated", "pathLenConstraint violated"}},
	{"unreadable_certificate", Other, sure, nil, []string{"failed to parse certificate from server", "malformed certificate", "certificate contains duplicate extension", "BadEncoding", "Duplicate extension in X.509", "CertificateParsingException", "SEC_ERROR_BAD_DER", "x509: invalid version", "x509: invalid basic constraints", "x509: malformed", "asn1: structure error", "X509 V3 routines::invalid certificate", "asn1: syntax error", "asn1 parsing error", "RSA modulus is not", "unsupported elliptic curve", "x509: SAN"}},
	{"weak_key", UnknownAuthority, sure, []Cause{Other}, []string{"unknown authority * keys are insecure"}},
	{"weak_key", Other, sure, nil, []string{"keys are insecure", "ca certificate key too weak", "certificate key too weak", "ee key too small", "EE_KEY_TOO_SMALL", "ca key too small", "CA_KEY_TOO_SMALL", "algorithm constraints check failed on keysize limits", "RSA key size", "key too weak"}},
	{"key_mismatch", Other, sure, nil, []string{"invalid signature by the server certificate", "routines::bad signature", "BAD_SIGNATURE", "ERR_SSL_BAD_SIGNATURE", "Public key signature verification has failed", "tls_process_cert_verify:bad signature", "server certificate * signature does not match", "key exchange message signature"}},
	{"certificate_too_large", Other, sure, nil, []string{"handshake message of length * exceeds maximum", "excessive message size", "EXCESSIVE_MESSAGE_SIZE", "handshake data size is too large", "message exceeds the maximum allowed size", "handshake message is too large", "certificate message is too large", "handshake message size * exceeds"}},
	{"ca_other_key", UnknownAuthority, sure, nil, []string{
		"unknown authority (possibly because of * crypto/rsa: verification error", "unknown authority (possibly because of * ECDSA verification failure", "unknown authority (possibly because of * Ed25519 verification failure", "possibly because of * verification failure", "possibly because of * verification error",
		"certificate signature failure", "invalid peer certificate: BadSignature", "InvalidCertificate(BadSignature", "Signature does not match", "signature in the certificate is invalid", "NotSignatureValid",
	}},
	{"ca_cannot_sign", UnknownAuthority, sure, nil, []string{"parent certificate cannot sign this kind", "invalid CA certificate", "basic constraints check failed", "is not a CA certificate", "certificate is not authorized to sign other certificates", "issuer is not a CA", "certificate signer of * was not a CA", "EndEntityUsedAsCa", "TrustAnchor with subject * is not a CA certificate", "Certificate authority is not a CA"}},
	{"ca_as_server", Other, sure, []Cause{UnknownAuthority}, []string{"CaUsedAsEndEntity"}},
	{"unknown_authority", UnknownAuthority, sure, nil, []string{
		"certificate signed by unknown authority", "signed by unknown authority", "signed by an unknown authority", "self-signed certificate", "self signed certificate", "self-signed cert", "SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT", "unable to get local issuer certificate", "unable to get issuer certificate", "unable to verify the first certificate", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT",
		"UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "PKIX path building failed", "unable to find valid certification path", "Trust anchor for certification path not found", "does not chain with any of the trust anchors", "UnknownIssuer", "SEC_E_UNTRUSTED_ROOT", "CERT_E_UNTRUSTEDROOT", "CERT_TRUST_IS_UNTRUSTED_ROOT", "SEC_ERROR_UNKNOWN_ISSUER", "SEC_ERROR_UNTRUSTED_ISSUER", "SEC_ERROR_CA_CERT_INVALID", "ERR_CERT_AUTHORITY_INVALID",
		"issued by an authority that is not trusted", "certificate issuer is unknown", "issuer is unknown", "issuer certificate is unknown", "certificate issuer has been marked as not trusted", "issuer is not recognized", "not trusted by the trust provider", "Unable to locally verify the issuer", "locally verify the issuer's authority", "certificate hasn't got a known issuer", "hasn't got a known issuer", "doesn't have a known issuer", "Self-signed certificate encountered", "certificate is not trusted", "UntrustedRoot", "PartialChain",
		"No trusted certificate found", "Invalid certificate chain", "certificate is self signed", "certificate is self-signed", "verify that the CA cert is OK", "certificate was signed by an unknown issuer", "Unknown certificate authority: ", "certificate chain could not be built to a trusted root", "does not have a trusted root", "chain could not be verified to a trusted", "unknown root", "certificate is signed by an untrusted issuer",
		"errSSLXCertChainInvalid", "errSSLUnknownRootCert", "not trusted for the given purpose", "root certificate is not trusted", "no issuer certificate found", "issuer * not found in the trust", "server's certificate chain is incomplete", "signer not found", "the certificate issuer * unknown", "unable to get certificate issuer",
	}},
	{"client_distrusts", UnknownAuthority, likely, []Cause{Expired, HostnameMismatch, NoIPSAN}, []string{
		"TLS handshake error from * remote error: tls: bad certificate", "TLS handshake error from * remote error: tls: unknown certificate", "TLS handshake error from * remote error: tls: unknown certificate authority", "alert unknown ca * while SSL handshaking, client", "alert bad certificate * while SSL handshaking, client", "alert certificate unknown * while SSL handshaking, client",
		"alert certificate unknown * while SSL handshaking to client", "Layer6 invalid response",
	}},

	// TLS: the handshake.
	{"speaks_http", HTTPOnHTTPS, sure, nil, []string{
		"server gave HTTP response to HTTPS client", "oversized record received with length 20527", "Unrecognized SSL message, plaintext connection", "looks like HTTP", "answered in plain HTTP", "first record does not look like a TLS handshake, looks like http",
	}},
	{"speaks_no_tls", HTTPOnHTTPS, likely, []Cause{Other, Proxy}, []string{
		"wrong version number", "WRONG_VERSION_NUMBER", "first record does not look like a TLS handshake", "Unsupported or unrecognized SSL message", "An unexpected TLS packet was received", "InvalidContentType", "Cannot determine the frame size or a corrupted frame was received", "packet length too long", "PACKET_LENGTH_TOO_LONG", "errSSLRecordOverflow", "ERR_SSL_PROTOCOL_ERROR", "SSL_ERROR_RX_RECORD_TOO_LONG",
		"SSL23_GET_SERVER_HELLO:unknown protocol", "routines:unknown protocol", "UNKNOWN_PROTOCOL", "oversized record received", "SEC_E_INVALID_TOKEN", "unexpected message: got HTTP", "A packet with illegal or unsupported version was received", "received record with version", "unsupported SSLv2 handshake received", "unexpected packet format", "A record packet with illegal version was received",
	}},
	{"wants_https", HTTPSOnHTTP, sure, nil, []string{
		`malformed HTTP response "\x15\x03`, `malformed HTTP status code \x15\x03`, "Client sent an HTTP request to an HTTPS server", "plain HTTP request was sent to HTTPS port", "plain HTTP request was sent to TLS port", "unexpected status from * http://* 400 Bad Request", "request to http://* 400", "speaking plain HTTP to an SSL-enabled server port", "combination of host and port requires TLS",
		`BadStatusLine('\x15\x03`, `BadStatusLine("\x15\x03`, `malformed HTTP version "\x15\x03`, "SSL routines::http request", "SSL routines:SSL23_GET_CLIENT_HELLO:http request", "routines:http request", "SSL routines:ssl3_get_record:http request", "HTTP_REQUEST", `Illegal status line: \x15`, "sent an HTTP request to an HTTPS server", "requires HTTPS", "SSL required", "invalid HTTP version parsed",
		"400 The plain HTTP request",
	}},
	{"wants_https", HTTPSOnHTTP, likely, []Cause{Other}, []string{"Received HTTP/0.9 when not allowed", "Parse Error: Expected HTTP/", "HPE_INVALID_CONSTANT", "HTTP/0.9 not supported"}},
	{"mtls", MTLSRequired, sure, nil, []string{
		"tls: certificate required", "alert certificate required", "alert(116)", "alert number 116", "CERTIFICATE_REQUIRED", "CertificateRequired", "No required SSL certificate was sent", "Certificate is required", "peer did not return a certificate", "client didn't provide a certificate", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "ERR_BAD_SSL_CLIENT_AUTH_CERT", "client certificate required",
		"certificate_required", "SSL peer cannot verify your certificate", "peer requested a client certificate", "client certificate is required", "requires a client certificate", "no client certificate was presented", "unknown alert 116", "received fatal alert: certificate_required", "client sent no required SSL certificate",
	}},
	{"client_certificate_refused", MTLSRequired, likely, nil, []string{
		"remote error: tls: bad certificate", "remote error: bad certificate", "alert bad certificate", "ALERT_BAD_CERTIFICATE", "bad_certificate", "fatal alert: BadCertificate", "remote error: tls: unknown certificate authority", "alert unknown ca", "ALERT_UNKNOWN_CA", "unknown_ca", "fatal alert: UnknownCA", "remote error: tls: expired certificate", "alert certificate expired", "certificate_expired", "The SSL certificate error",
		"remote error: tls: unknown certificate", "alert certificate unknown", "ALERT_CERTIFICATE_UNKNOWN", "certificate_unknown", "remote error: tls: unsupported certificate", "alert unsupported certificate", "remote error: tls: revoked certificate", "remote error: tls: access denied", "alert access denied", "client SSL certificate verify error", "SSL peer rejected your certificate", "alert(42)", "alert number 42", "alert(48)",
		"client certificate * verification failed", "failed to verify client certificate", "failed to verify client's certificate", "A TLS fatal alert has been received: Certificate is bad", "SEC_E_CERT_UNKNOWN", "client certificate not accepted",
	}},
	{"protocol_version", ProtocolVersion, sure, nil, []string{
		"protocol version not supported", "unsupported protocol version", "alert protocol version", "ALERT_PROTOCOL_VERSION", "SSL routines::unsupported protocol", "routines:unsupported protocol", "tls_process_server_hello:unsupported protocol", "ssl_choose_client_version:unsupported protocol", "UNSUPPORTED_PROTOCOL", "no supported versions satisfy", "client offered only unsupported versions", "protocol_version",
		"No appropriate protocol", "is not accepted by client preferences", "NoServerSupportedVersions", "SupportedVersionsExtensionRequired", "ServerDoesNotSupportTls12Or13", "alert: ProtocolVersion", "Error in protocol version", "ERR_SSL_OBSOLETE_VERSION", "tlsv1 alert protocol", "server selected TLS 1", "SSL version or cipher mismatch", "ERR_SSL_VERSION_OR_CIPHER_MISMATCH", "unsupported SSL version",
		"peer is incompatible: Server", "tls: server selected TLS 1.3 * not", "no protocols available", "version too low", "wrong ssl version", "SSL_ERROR_UNSUPPORTED_VERSION", "SSL_ERROR_PROTOCOL_VERSION_ALERT", "dial failed: tls: server selected unsupported",
	}},
	{"handshake_failure", HandshakeFailure, likely, []Cause{MTLSRequired}, []string{
		"remote error: tls: handshake failure", "remote error: handshake failure", "tls: handshake failure", "alert handshake failure", "ALERT_HANDSHAKE_FAILURE", "handshake_failure", "alert: HandshakeFailure", "alert number 40", "received fatal alert: handshake", "fatal alert has been received: Handshake failed", "gnutls_handshake() failed: Handshake failed", "alert [40]", "SSL_ERROR_HANDSHAKE_FAILURE_ALERT", "alert(40)", "sslv3 alert handshake failure",
	}},
	{"no_common_cipher", HandshakeFailure, sure, nil, []string{
		"no cipher suite supported by both client and server", "no shared cipher", "NO_SHARED_CIPHER", "No cipher suites in common", "no cipher match", "do not possess a common algorithm", "SEC_E_ALGORITHM_MISMATCH", "dh key too small", "DH_KEY_TOO_SMALL", "unsafe legacy renegotiation disabled", "UNSAFE_LEGACY_RENEGOTIATION", "legacy sigalg disallowed", "peer doesn't support any of the certificate's signature algorithms", "no ECDHE curve supported by both",
		"alert insufficient security", "tls: insufficient security", "server chose an unconfigured cipher suite", "NoCipherSuitesInCommon", "NO_CIPHERS_AVAILABLE", "no ciphers available", "wrong cipher returned", "NoSignatureSchemesInCommon", "NoKxGroupsInCommon", "ERR_SSL_SERVER_CERT_BAD_FORMAT", "wrong signature type", "Could not negotiate a supported cipher suite", "no suitable signature algorithm",
	}},
	{"handshake_alert", HandshakeFailure, likely, []Cause{Other}, []string{
		"remote error: tls: internal error", "tlsv1 alert internal error", "ALERT_INTERNAL_ERROR", "remote error: tls: unrecognized name", "alert unrecognized name", "tlsv1 unrecognized name", "server name sent was not recognized", "TLSV1_UNRECOGNIZED_NAME", "UNRECOGNIZED_NAME", "unrecognized_name", "alert: UnrecognisedName", "remote error: tls: illegal parameter", "alert illegal parameter", "remote error: tls: no application protocol", "alert no application protocol", "remote error: tls: decode error", "alert decode error", "remote error: tls: unexpected message", "alert unexpected message",
		"remote error: tls: decrypt error", "alert decrypt error", "remote error: tls: missing extension", "remote error: tls: error decoding message", "remote error: tls: error decrypting message", "received fatal alert: internal_error", "fatal alert has been received", "remote error: tls: insufficient", "received fatal alert",
	}},

	// What the registry answers.
	{"firewall", Forbidden, sure, nil, []string{"client with IP * is not allowed access", "is not allowed access. Refer", "public network access * disabled", "is not allowed access"}},
	{"read_only_registry", Forbidden, sure, nil, []string{"This operation is not allowed on this registry"}},
	{"rate_limited", RateLimited, sure, nil, []string{
		"toomanyrequests", "429 Too Many Requests", "pull rate limit", "rate limit exceeded", "status code 429", "statuscode 429", "http 429", "status: 429", "http code 429", "returned error: 429", "code 429", "too many requests", "rate exceeded", "Quota exceeded for", "ERROR 429", "429 (Too Many", "exceeded your rate limit", "rate limiting", "throttling", "ThrottlingException", "status 429", "exceeded * pull limit",
	}},
	{"no_credentials", Auth, sure, nil, []string{
		"no basic auth credentials", "basic credential not found", "no credentials", "authorization failed: no basic", "anonymous access is not allowed", "no auth credentials", "no credentials found", "not logged in", "you must be logged in", "login required", "please login", "must be authenticated",
	}},
	{"scope_or_missing", Forbidden, likely, []Cause{Auth, NotFound}, []string{
		"pull access denied", "requested access to the resource is denied", "repository does not exist or may require", "insufficient_scope", "insufficient scope", "Insufficient scopes", "error parsing HTTP 403", "access to the requested resource is not authorized", "requested access to the resource",
	}},
	{"forbidden", Forbidden, sure, nil, []string{
		"403 Forbidden", "status code 403", "statuscode 403", "statuscode: 403", "http 403", "status: 403", "http code 403", "returned error: 403", "code 403", "ERROR 403", "403 (Forbidden)", "status 403", "is not authorized to perform: ecr", "artifactregistry.repositories.downloadArtifacts denied", "Permission * denied on resource", "AccessDeniedException", "DENIED: ", "denied: denied", "access forbidden",
		"does not have permission to access", "caller does not have permission", "not have storage.objects.get", "storage.objects.get access", "403 Access Denied", "denied: permission_denied", "installation not allowed to", "permission denied: * pull", "denied: not allowed", "forbidden: ", "code=DENIED", "code: denied", "code:DENIED", "reading manifest * denied", "responded 403", "response 403", "You don't have permission",
	}},
	{"unauthorized", Auth, sure, nil, []string{
		"401 Unauthorized", "401 (Unauthorized)", "401 Authorization Required", "unauthorized: authentication required", "unauthorized to access repository", "unauthorized: ", "code=UNAUTHORIZED", "code:UNAUTHORIZED", "code: UNAUTHORIZED", "authentication required", "authorization required", "status code 401", "statuscode 401", "statuscode: 401", "http 401", "status: 401", "http code 401", "code 401", "status 401", "returned error: 401",
		"ERROR 401", "invalid username/password", "incorrect username or password", "invalid username or password", "bad username or password", "username or password is incorrect", "invalid credentials", "authentication failed", "Authentication failure", "authentication is required", "unable to retrieve auth token", "token has expired", "authorization token has expired", "token is expired", "invalid token", "AADSTS", "login attempt to * failed", "basic auth failed",
		"Username/Password Authentication Failed", "wrong username or password", "credentials are invalid", "bad credentials", "failed to authorize: failed to fetch * 401", "error parsing HTTP 401", "responded 401", "response 401", "401 status code", "refusing to create empty basic auth", "access token expired", "unauthenticated:", "code = Unauthenticated", "no token in response", "failed to fetch oauth token: unexpected status * 400",
		"authorization failed", "unauthorized",
	}},
	{"no_platform", Other, sure, []Cause{NotFound}, []string{
		"no matching manifest for", "no match for platform in manifest", "does not match the specified platform", "no image found in image index for architecture", "no image found in manifest list for architecture", "no child with platform", "exec format error", "no match for platform", "no matching platform", "choosing image instance", "does not provide the specified platform", "cannot be used on this platform", "operating system is not supported",
		"no matching manifest", "image operating system * cannot be used", "platform * not found in manifest", "does not match the expected platform", "image with reference * was found but does not match",
	}},
	{"invalid_name", Other, sure, nil, []string{
		"InvalidImageName", "invalid reference format", "couldn't parse image", "repository name must be lowercase", "must be lowercase", "could not parse reference", "unable to parse image", "error parsing reference", "parsing reference", "cannot parse image reference", "invalid repository name", "invalid tag format", "repository name must be canonical", "invalid image name", "could not parse image", "invalid checksum digest length", "parsing image reference",
	}},
	{"short_name", Other, sure, nil, []string{"did not resolve to an alias", "short-name resolution enforced", "short name mode is enforcing", "no unqualified-search registries are defined", "no search registries configured", "returned ambiguous"}},
	{"manifest_format", Other, sure, nil, []string{
		"mediaType in manifest should be", "unsupported media type", "unsupported MediaType", "unsupported manifest", "is no longer supported", "unknown manifest class", "not implemented: media type", "missing signature key", "unexpected media type", "unknown media type", "unknown mediatype", "could not load config with mediatype", "unsupported OCI", "schema 1 * no longer", "OCI index found, but", "Unsupported image type",
	}},
	{"signature_policy", Other, sure, nil, []string{"Source image rejected", "SignatureValidationFailed", "signature validation failed", "signature verification failed", "no matching signatures", "image is not signed", "no signature found", "A signature was required, but no signature exists", "remote trust data does not exist", "trust data unavailable", "failed to verify signature", "is not running in * policy"}},
	{"corrupt_blob", Other, sure, nil, []string{"failed size validation", "filesystem layer verification failed", "digest mismatch", "unexpected digest", "does not match expected digest", "does not match expected sha256", "verification failed for digest", "unexpected commit digest", "unexpected commit size", "Digest did not match", "invalid checksum", "checksum mismatch", "gzip: invalid header", "archive/tar: invalid tar header", "layer * corrupt", "blob * mismatch", "hash mismatch", "short read: expected"}},
	{"disk_full", Other, sure, nil, []string{"no space left on device", "disk quota exceeded", "DiskPressure", "not enough space on the disk", "ENOSPC", "not enough free space", "DiskError", "out of disk space", "There is not enough space", "FreeDiskSpaceFailed", "low on resource: ephemeral-storage", "No space left"}},
	{"chunk_missing", NotFound, sure, nil, []string{"blob unknown", "BLOB_UNKNOWN"}},
	{"not_found", NotFound, sure, nil, []string{
		"manifest unknown", "MANIFEST_UNKNOWN", "manifest for * not found", "manifest tagged by * is not found", "name unknown", "NAME_UNKNOWN", "NAME_INVALID", "repository name not known to registry", "repository * not found", "404 Not Found", "404 (Not Found)", "404 page not found", "status code 404", "statuscode 404", "statuscode: 404", "http 404", "status: 404", "http code 404", "code 404", "status 404", "returned error: 404", "ERROR 404",
		"image not found", "image * not found", "The image does not exist", "tag * does not exist", "repository does not exist", "does not exist in the registry", "code = NotFound", "RepositoryNotFoundException", "ImageNotFoundException", "requested image not found", "No such image", "error parsing HTTP 404", "Not Found: manifest", "failed to resolve reference * : not found", "on source: * : not found", "failed to resolve image * : not found", "responded 404", "response 404",
		"artifact * not found", "tag was deleted or has expired", "Tag * was deleted", "no such manifest", "failed to resolve * not found", "project * not found", "could not find image", "unable to find image * in the registry", "manifest not found", "manifest invalid", "no resolve hosts: not found", "content at * not found",
	}},
	{"server_error", Other, sure, nil, []string{
		"500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "503 Service Temporarily Unavailable", "status code 500", "status code 502", "status code 503", "returned error: 50", "internal server error", "bad gateway", "service unavailable", "http 500", "http 502", "http 503", "status: 500", "status: 502", "status: 503", "statuscode: 500", "statuscode: 502", "statuscode: 503", "http code 500", "http code 502", "http code 503", "status 500", "status 502", "status 503", "ERROR 500", "ERROR 502", "ERROR 503", "returned error: 500", "returned error: 502", "returned error: 503",
		"upstream connect error", "no healthy upstream", "no live upstreams", "DRAINING", "no server is available to handle this request", "site is in maintenance",
	}},
	{"not_a_registry", Other, sure, nil, []string{"exceeded maximum allowed size", "server response headers exceeded", "Too large response headers", "unexpected media type text/html", "reference for unknown type: text/html", "manifest does not contain minimum number of descriptors", "unknown response Content-Length", "invalid character '<' looking for beginning of value", "not a docker registry", "is not a valid registry", "unexpected end of JSON input", "invalid character * looking for beginning of value", "unable to decode token response", "not a v2 registry", "does not speak the registry API", "received unexpected HTTP status: 200", "Unexpected token < in JSON", "unexpected content type", "not a registry"}},

	// The network.
	{"helm_wait", Timeout, likely, []Cause{Other}, []string{"timed out waiting for the condition"}},
	{"timeout", Timeout, sure, nil, []string{
		"TLS handshake timeout", "i/o timeout", "connection timed out", "Client.Timeout", "Client.Timeout exceeded", "request canceled while waiting for connection", "timeout awaiting response headers", "timeout awaiting headers", "ETIMEDOUT", "ESOCKETTIMEDOUT", "ConnectTimeoutError", "ConnectTimeout", "ReadTimeoutError", "ReadTimeout", "did not properly respond after a period of time", "Connect timed out", "Read timed out", "SocketTimeoutException", "SSL connection timeout",
		"Operation timed out after", "Operation timed out", "deadline has elapsed", "connection timeout", "504 Gateway Time-out", "504 Gateway Timeout", "status code 504", "returned error: 504", "Gateway Timeout", "upstream timed out", "errno=110", "upstream request timeout", "handshake timed out", "timeout waiting for", "Connection attempt timed out", "connect timeout", "UND_ERR_CONNECT_TIMEOUT", "The operation has timed out", "A task was canceled", "The request was canceled due to the configured HttpClient.Timeout", "http: server * timeout", "response headers timeout",
	}},
	{"timeout", Timeout, likely, nil, []string{"context deadline exceeded", "code = DeadlineExceeded", "net/http: request canceled", "request canceled", "timed out"}},
	{"no_route", Other, sure, []Cause{Timeout, Refused}, []string{"no route to host", "network is unreachable", "host is unreachable", "EHOSTUNREACH", "ENETUNREACH", "Host is down", "Network unreachable", "unreachable network", "unreachable host", "no route to", "NoRouteToHostException", "errno=113", "errno=101", "connect: cannot assign requested address", "No address to connect"}},
	{"refused", Refused, sure, nil, []string{"connection refused", "actively refused it", "ECONNREFUSED", "ConnectException: Connection refused", "errno=111", "connect: refused", "connection was refused", "refused to connect", "ERR_CONNECTION_REFUSED", "target machine refused", "(111)Connection refused", "connection error: refused"}},
	{"closed", Other, likely, nil, []string{
		"unexpected EOF", "connection reset by peer", "ECONNRESET", "socket hang up", "broken pipe", "EPIPE", "SSL_ERROR_SYSCALL", "unexpected eof while reading", "UNEXPECTED_EOF_WHILE_READING", "Empty reply from server", "Remote end closed connection without response", "RemoteDisconnected", "forcibly closed by the remote host", "wsarecv:", "connection was non-properly terminated", "peer closed connection without sending TLS close_notify",
		"server sent GOAWAY", "use of closed network connection", "stream error: stream ID", "PROTOCOL_ERROR", "INTERNAL_ERROR; received from peer", "EOF occurred in violation of protocol", "Connection reset", "Remote host terminated the handshake", "connection was closed unexpectedly", "connection closed before message completed", "prematurely closed connection", "unexpected end of file", "The connection was reset", "Connection closed by peer", "SSL_read: Connection", "Connection aborted", "ConnectionResetError", "transport connection was closed",
		"http: unexpected EOF reading trailer", "Recv failure", "Send failure", "server closed", "transport closing", "errno=104", "closed by remote host", "Received an unexpected EOF", "Read error (The request is invalid.) in headers", "/v2/: EOF", ": EOF", "The SSL connection could not be established", "no peer certificate available", "connection terminated unexpectedly", "Error in the pull function", "HTTP/2 stream * was not closed cleanly", "transfer closed with",
	}},
	{"karbon_precheck", Other, sure, nil, []string{"Failed to connect to private registry with given configuration", "Failed to pass private registry addition prechecks"}},
	{"refused", Refused, likely, []Cause{Timeout, Other}, []string{"Couldn't connect to server", "curl: (7)", "Failed to connect to", "Could not connect to server", "Unable to connect to the remote server"}},
	{"redirects", Other, sure, nil, []string{"stopped after 10 redirects", "redirections exceeded", "would lead to an infinite loop", "Maximum (* redirects followed", "redirected too many times", "Exceeded 30 redirects", "Too many redirects", "redirection limit", "redirects exceeded", "Max redirect"}},
	{"canceled", Other, likely, nil, []string{"context canceled", "code = Canceled", "operation was canceled", "pull cancelled", "pull canceled"}},

	// What says only that something is wrong.
	{"denied", Forbidden, weak, []Cause{Auth, NotFound}, []string{": denied", "denied:", "access denied", "permission denied", "forbidden"}},
	{"not_found", NotFound, weak, []Cause{Other}, []string{": not found", "not found", "does not exist"}},
	{"verify_failed", UnknownAuthority, weak, []Cause{Expired, HostnameMismatch, NoIPSAN, Other}, []string{
		"certificate verify failed", "CERTIFICATE_VERIFY_FAILED", "failed to verify certificate", "SSL certificate problem", "server certificate verification failed", "SSL certificate verification failed", "RemoteCertificateChainErrors", "remote certificate is invalid", "remote certificate was rejected", "cannot verify * certificate", "certificate is NOT trusted", "The certificate is not trusted", "Peer certificate cannot be authenticated", "invalid peer certificate", "PKIX path validation failed", "certificate verification failed", "Failed to verify the server at",
		"upstream SSL certificate verify error", "Verification error:", "invalid certificate", "certificate is invalid", "The certificate of * is not trusted", "SSLHandshakeException",
	}},
	{"tls_failed", Other, weak, []Cause{HandshakeFailure, HTTPOnHTTPS, ProtocolVersion}, []string{"SSL handshake failed", "SSL_do_handshake() failed", "SSL handshake failure", "TLS handshake failed", "TLS handshake error", "error:0A00", "error:1408", "error:1409", "error:14077", "SSL: error", "remote error: tls", "SSLError", "SSL_connect", "Unable to establish SSL connection", "gnutls_handshake() failed", "TLS connect error", "failed to perform handshake"}},
	{"server_error", Other, weak, nil, []string{"because the registry is unavailable"}},
	{"http_status", Other, weak, nil, []string{"400 Bad Request", "unexpected status", "unexpected status code", "bad response code", "StatusCode: 4", "StatusCode: 5", "http status code", "The requested URL returned error"}},
}
