package explain

import (
	"slices"
	"strings"
)

// About is what there is to say of a failure: docs/explain.md has it in full.
type About struct {
	Detail string
	Title  string
	// Meaning is what happened and what mostly brings it about.
	Meaning string
	// Remedy is what puts it right.
	Remedy string
	// next is a command that helps: HOST, NAME (HOST without port), REF (the
	// image, or else the host) and SAN (--ip or --dns with NAME) are filled in.
	next string
	// Source is where the message is documented or made.
	Source string
}

// Sources that several failures share.
const (
	goVerify  = "https://go.dev/src/crypto/x509/verify.go"
	goTLS     = "https://go.dev/src/crypto/tls/alert.go"
	goHTTP    = "https://go.dev/src/net/http/transport.go"
	goNet     = "https://go.dev/src/net/net.go"
	opensslV  = "https://docs.openssl.org/master/man1/openssl-verification-options/"
	ociSpec   = "https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes"
	aksPull   = "https://learn.microsoft.com/troubleshoot/azure/azure-kubernetes/extensions/cannot-pull-image-from-acr-to-aks-cluster"
	connected = "https://learn.microsoft.com/azure/container-registry/troubleshoot-connected-registry-arc"
	k8sImages = "https://kubernetes.io/docs/concepts/containers/images/"
	k8sSecret = "https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/"
	dockerCA  = "https://docs.docker.com/engine/security/certificates/"
	ctrdHosts = "https://github.com/containerd/containerd/blob/main/docs/hosts.md"
)

const (
	askTrust = "crpki trust check REF --connect"
	askProbe = "crpki probe HOST"
	renewSAN = "crpki renew certs/tls.crt SAN"
	genSAN   = "crpki gen SAN"
)

// abouts has one entry for each detail, in the order of docs/explain.md.
var abouts = []About{
	{"unknown_authority", "the client does not trust the CA that signed the server's certificate", "The certificate that HOST sent leads to no CA that this client trusts: its CA is a private one that is not installed where this client looks, or the server does not send its intermediates.", "Install the CA (not the server's certificate) where this runtime reads it, for exactly this host and port; what is in the system's store is read again after a restart only.", askTrust, goVerify},
	{"ca_other_key", "the client trusts a CA of the same name, but with another key", "The client has a CA with the name that the certificate asks for, but its key did not make the signature: the CA was made anew, and the old file is still installed. The CA that the message names is only a candidate with the same name.", "Replace the old CA file on the client by the one that signed the certificate now served, or serve a certificate of the old CA.", askTrust, goVerify},
	{"ca_cannot_sign", "what signed the certificate is not marked as a CA", "The certificate of the issuer has no CA:TRUE, or may not sign certificates: often a server certificate was installed where the CA belongs, or was used to sign.", "Make the CA anew with crpki gen, which marks it, and install that one.", "crpki gen SAN", goVerify},
	{"weak_key", "an RSA key is too short", "Go refuses RSA keys below 1024 bits since 1.24, OpenSSL at security level 2 those below 2048.", "Issue the certificate, and if it is the CA's the CA too, with a new key.", genSAN, "https://go.dev/doc/go1.24#cryptorsapkgcryptorsa"},
	{"no_system_roots", "the client has no CA certificates at all", "No file with the system's CAs was found: the container image or the node lacks the ca-certificates package.", "Install ca-certificates, or point SSL_CERT_FILE to a bundle.", askTrust, "https://go.dev/src/crypto/x509/root_unix.go"},
	{"client_distrusts", "a server's log: a client did not accept the server's certificate", "The client broke off the handshake because of the certificate it was sent; the alert does not say why. Mostly the client does not trust the CA.", "Look at the client's own message, or judge the certificate as it would.", askProbe, goTLS},
	{"verify_failed", "the client could not verify the certificate, and the text does not say why", "The message stops before the reason. Mostly the CA is not trusted; a date or a name would be possible too.", "Let crpki look at what the server sends.", askProbe, opensslV},
	{"wrong_name", "the certificate is for other names than the one dialled", "None of the names in the certificate's subjectAltName is the one by which the client dials HOST. A name and an address are different things here, and the common name does not count.", "Issue the certificate with this name too, or dial by a name that is in it.", renewSAN, goVerify},
	{"no_ip_san", "the client dials an address, and the certificate has no IP address in it", "An address must be in the subjectAltName as an IP address. As a DNS name, or in the common name, it does not count.", "Issue the certificate with the address as IP SAN.", renewSAN, goVerify},
	{"common_name_only", "the certificate has a common name only", "Clients built with Go read the name from subjectAltName alone since Go 1.15; this certificate has none.", "Issue the certificate with the name as subjectAltName.", genSAN, "https://go.dev/doc/go1.15#commonname"},
	{"expired", "a certificate has expired", "The certificate of HOST, or one of its CAs, is past its end; the message is the same for both. With a wrong clock a good certificate looks expired too.", "See which certificate it is, then renew that one and let the server load it.", askProbe, goVerify},
	{"old_trust_store", "the client's CA list is too old", "What expired on 2021-09-30 is the root DST Root CA X3, by which old Let's Encrypt chains were verified: the server is right, the client's list of CAs is from before 2021.", "Update ca-certificates on the client, and restart the runtime.", askTrust, "https://letsencrypt.org/docs/dst-root-ca-x3-expiration-september-2021/"},
	{"clock_or_dates", "a certificate is not valid yet", "The certificate begins later than the client's clock shows: the client's clock is behind, or the machine that issued it was ahead.", "Set the client's clock (timedatectl). If it is right, issue the certificate anew: crpki sets its beginning a few minutes back.", askProbe, goVerify},
	{"wrong_usage", "the certificate may not be used by a server", "Its extended key usage lacks serverAuth: it was issued for a client, or for signing code. With a CA, its own usages forbid it.", "Issue the certificate for a server.", genSAN, goVerify},
	{"name_constraints", "the CA may not sign for this name", "A CA in the chain is limited by name constraints, and a name in the certificate is outside of them. Every name in the certificate counts, not only the one dialled.", "Leave out the name, or issue under a CA that permits it.", genSAN, goVerify},
	{"weak_signature", "a signature is made with SHA-1 or MD5", "Clients no longer trust such signatures: Go since 1.18 (1.24 without a way around), OpenSSL at security level 2.", "Issue the certificate anew; crpki signs with SHA-256 or better. If the CA's own certificate is signed so by another, that one too.", genSAN, "https://go.dev/doc/go1.18#sha1"},
	{"negative_serial", "the certificate's serial number is negative", "Go refuses it since 1.23; older clients and OpenSSL accept it.", "Issue the certificate anew.", genSAN, "https://go.dev/doc/go1.23#cryptox509pkgcryptox509"},
	{"speaks_http", "the server speaks plain HTTP, the client wants TLS", "HOST answered the TLS handshake with HTTP: the registry has no certificate configured, or the port is that of its HTTP side, or something in front of it took TLS off.", "Give the registry a certificate, or dial its TLS port. To go without TLS has to be allowed on each client, and is open to anyone in between.", askProbe, goHTTP},
	{"speaks_no_tls", "what answers at the port does not speak TLS", "The answer to the TLS handshake is something else, mostly plain HTTP: a registry without certificate, the wrong port, or a proxy that answers itself.", "See what answers there.", askProbe, goTLS},
	{"wants_https", "the client speaks plain HTTP, the server wants TLS", "The client was told to use HTTP (insecure registry, plain-http, an http:// endpoint), or a proxy in front passes on plain HTTP to a TLS port.", "Take the http:// or the insecure setting out of the client's configuration, and let it trust the CA.", askProbe, goHTTP},
	{"mtls", "the server demands a client certificate, and the client sent none", "The registry verifies its clients (mutual TLS). The runtime found no client certificate for this host and port.", "Put a client certificate and its key where the runtime reads them: client.cert and client.key in certs.d, or client in hosts.toml.", "crpki probe HOST --cert client.crt --key client.key", dockerCA},
	{"client_certificate_refused", "the server did not accept the client's certificate", "The client sent a certificate that the server did not accept, or none: it has expired, or its CA is not among those that the server trusts.", "Check it with the server, then renew it or let the server trust its CA.", "crpki probe HOST --cert client.crt --key client.key", goTLS},
	{"protocol_version", "client and server have no TLS version in common", "One side offers only old versions: Go's clients want TLS 1.2 or later, and some servers and middleboxes stop at 1.0 or 1.1; or it is a client too old for the server.", "Let the server speak TLS 1.2 and 1.3.", "crpki probe HOST --protocols", goTLS},
	{"handshake_failure", "the server broke off the TLS handshake", "The alert does not say why: no cipher in common, a certificate that the server cannot use, or, with TLS 1.2, a client certificate that is missing.", "See which versions and ciphers go, and whether a client certificate is wanted.", "crpki probe HOST --protocols", goTLS},
	{"no_common_cipher", "client and server have no cipher in common", "The server's key type, its ciphers or its curve are not among those that this client takes.", "Use an ECDSA P-256 or RSA 2048 key, and the server's default ciphers.", "crpki probe HOST --protocols", goTLS},
	{"handshake_alert", "the server broke off the TLS handshake with an alert", "The server met something that it does not take: a name for which it has no certificate (unrecognized name), or an error of its own.", "Look into the server's log; see what it sends for this name.", askProbe, goTLS},
	{"dns", "the name of the host could not be resolved", "The node's own resolver knows no address for HOST, or did not answer. Runtimes do not use the cluster's DNS: names of Services do not resolve on the node.", "Dial the registry by an address or by a name that the node resolves, and see /etc/resolv.conf on the node.", askProbe, goNet},
	{"refused", "nothing listens at the port", "The host answered that the port is closed: the registry does not run, listens elsewhere, or a firewall rejects.", "Check host and port in the image's name, and whether the registry runs (kubectl get endpoints for a Service).", askProbe, goNet},
	{"timeout", "no answer in time", "Packets are dropped on the way (firewall, network policy, missing NAT), or the server is overloaded. A proxy that is needed but not configured looks the same.", "Check from the node that the host and port can be reached, and the proxy settings of the runtime.", askProbe, aksPull},
	{"helm_wait", "Helm gave up to wait for the pods", "The chart was installed, and its pods did not get ready in time; why is in the events of the pods.", "Look at the pods: image pull, volume, probes.", "crpki triage -A", connected},
	{"no_route", "there is no way to the host", "The node's routing has no path to the address: wrong subnet, VPN or peering missing, or a firewall that rejects.", "Check the address, and the node's routes.", askProbe, goNet},
	{"closed", "the connection was closed in the middle", "Someone on the way closed it: a load balancer without a backend, a firewall that inspects TLS, a server that crashed, or an MTU that is too large.", "See how far a connection comes.", askProbe, goNet},
	{"proxy", "the proxy did not let the connection through", "The client goes through a proxy, and that is what failed: it is not reachable, wants credentials, or does not permit the host.", "Check HTTPS_PROXY and NO_PROXY of the runtime's service; put the registry, its addresses and the Service network into NO_PROXY if it is inside.", "crpki probe HOST", "https://docs.docker.com/engine/daemon/proxy/"},
	{"unauthorized", "the registry wants credentials, or does not accept those sent", "The registry answered 401: no credentials were sent for this host, or they are wrong or expired.", "On AKS give the kubelet's identity AcrPull (az aks update --attach-acr); elsewhere make a pull secret for exactly this host, in the pod's namespace, and name it in imagePullSecrets.", askProbe, aksPull},
	{"no_credentials", "no credentials were sent", "The client has none for this host: no pull secret in the pod's namespace, none for exactly this host and port, or no login.", "Make a pull secret for this host, and name it in the pod's imagePullSecrets or its service account.", askProbe, k8sSecret},
	{"connection_string", "the connection string of the connected registry is wrong", "The sync token's password in the connection string is not, or no longer, the right one.", "Get a new one: az acr connected-registry get-settings --generate-password 1 --yes, and update the extension with it.", "crpki preflight settings.json", connected},
	{"secret_missing", "the pull secret is not there", "The pod names a pull secret that its namespace does not have. Secrets are not shared between namespaces.", "Create it in the namespace of the pod.", "crpki triage -A", k8sSecret},
	{"credential_helper", "the helper that should give credentials failed", "The runtime or kubelet asks a program for credentials, and that is missing or failed.", "Run the helper by hand on the node; take it out of config.json or the kubelet's credential provider configuration if it is not wanted.", askProbe, "https://kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider/"},
	{"forbidden", "the registry refuses access", "The credentials are known, but do not permit to pull this repository.", "Give the identity or the token the right to pull: AcrPull, a scope map with content/read, project membership.", askProbe, aksPull},
	{"scope_or_missing", "the repository is not there, or may not be pulled", "Registries answer the same for a repository that does not exist and for one that the credentials do not open, so that nobody can guess names.", "Check the spelling of the image; then the pull secret, or the token's scope map.", askProbe, connected},
	{"denied", "access was denied", "The text says no more than that.", "Check the spelling of the image, then the credentials.", askProbe, ociSpec},
	{"firewall", "the registry's firewall does not admit this client", "The registry allows certain addresses only, and the node's, as seen from outside, is not among them.", "Add the node's outbound address to the registry's network rules, or use its private endpoint.", askProbe, aksPull},
	{"read_only_registry", "the connected registry does not permit this operation", "It is in ReadOnly (or Mirror) mode, and takes no pushes.", "Push to the parent registry; it is synchronised from there.", askProbe, connected},
	{"rate_limited", "too many pulls", "The registry limits how much an account, or an address without one, may pull in some time.", "Pull with credentials, through a cache, or from a registry of your own.", askProbe, "https://docs.docker.com/docker-hub/usage/"},
	{"kubelet_pull_limit", "the kubelet holds back pulls", "Not the registry but the kubelet limits the pulls per second (registryPullQPS, registryBurst); it tries again.", "Wait, or raise registryPullQPS and registryBurst in the kubelet's configuration.", "", "https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/"},
	{"not_found", "the image is not there", "The registry has no such repository, tag or digest. A connected registry has only what is in its synchronised repositories.", "Check name and tag; with a connected registry add the repository to those that it synchronises (az acr connected-registry repo).", askProbe, connected},
	{"chunk_missing", "the registry lacks a part of the image", "The manifest is there, a blob that it names is not: a push that broke off, or a cleaning up that took too much.", "Push the image again.", askProbe, ociSpec},
	{"no_platform", "the image is not made for this platform", "The image has no variant for the node's architecture or system.", "Build it for this platform too, or schedule the pod on nodes that it fits (nodeSelector kubernetes.io/arch).", "", k8sImages},
	{"invalid_name", "the image's name is not valid", "Names are in lower case, without https:// and without blanks; a tag follows a colon.", "Correct the image in the pod's manifest.", "", k8sImages},
	{"short_name", "the image's name has no registry", "The runtime completes no short names, or finds several registries for it.", "Write the whole name, such as docker.io/library/nginx:1.27, or configure unqualified-search-registries.", "", "https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md"},
	{"manifest_format", "the runtime does not read this kind of manifest", "The image is in a format that is too old (schema 1) or too new for the runtime, or is no image.", "Push it again with a current client.", "", ociSpec},
	{"never_pull", "the image is not on the node, and the pod forbids to pull it", "imagePullPolicy is Never.", "Load the image on the node, or set IfNotPresent.", "", k8sImages},
	{"signature_policy", "the image's signature was not accepted", "A policy on the node demands a signature that the image does not have, or that does not verify.", "Sign the image, or correct the policy (/etc/containers/policy.json).", "", "https://github.com/containers/image/blob/main/docs/containers-policy.json.5.md"},
	{"corrupt_blob", "what was received is not what the manifest names", "A layer's digest or size does not match: a proxy or cache changed it, the download broke off, or the storage is damaged.", "Pull again past caches and proxies; if it stays, push the image again.", askProbe, ociSpec},
	{"server_error", "the registry, or what stands before it, has an error of its own", "It answered with a status of 500 or above.", "Look into the registry's log; if a load balancer answers, whether it has a backend.", askProbe, ociSpec},
	{"not_a_registry", "what answers is not a registry", "The answer is no JSON of a registry but a web page: a login page, a proxy, or another server at this address.", "See what answers at /v2/.", askProbe, ociSpec},
	{"http_status", "the registry answered with a status that tells no more", "The answer is neither an image nor an error that the registry API has.", "See what answers at /v2/.", askProbe, ociSpec},
	{"redirects", "the registry redirects in circles", "Each answer sends the client on to another address without end.", "Check the external URL in the registry's and the proxy's settings.", askProbe, ociSpec},
	{"revoked", "the certificate is revoked", "Its CA has withdrawn it.", "Issue a new one, with a new key.", genSAN, opensslV},
	{"revocation_unknown", "the client could not ask whether the certificate is revoked", "The client insists on an answer from the CA (CRL or OCSP), and a private CA has none.", "Switch the check off in this client (curl --ssl-no-revoke on Windows), or publish a CRL.", askProbe, "https://curl.se/docs/manpage.html#--ssl-no-revoke"},
	{"critical_extension", "the certificate has a critical extension that the client does not know", "A client must refuse what is marked as critical and what it cannot read; very old Go clients say so of name constraints.", "Issue the certificate without it, or update the client.", genSAN, goVerify},
	{"path_length", "there are more intermediates than a CA permits", "A CA in the chain says how many CAs may stand below it, and there are more.", "Issue under a CA whose path length is large enough.", "crpki gen --intermediate SAN", goVerify},
	{"unreadable_certificate", "the client cannot read the server's certificate", "Its encoding breaks a rule: an extension that is there twice, a name that is none, an unknown curve. Other clients may accept it.", "See which rule, and issue it anew.", askProbe, "https://go.dev/src/crypto/x509/parser.go"},
	{"key_mismatch", "the server's private key is not that of its certificate", "The server proves with its key that the certificate is its own, and the signature does not fit: key and certificate are not a pair, or the CA stands before the server's certificate in the file.", "Give the server the key that belongs to the certificate, and put the server's certificate first.", askProbe, goTLS},
	{"certificate_too_large", "the certificates that the server sends are too large", "Clients stop at some size (Go's at 64 KiB): a bundle of CAs is served in place of a chain.", "Serve the server's certificate and its intermediates, nothing else.", askProbe, goTLS},
	{"ca_as_server", "the server sends a CA certificate as its own", "A self-signed certificate with CA:TRUE serves and is trusted at once; rustls refuses that.", "Make a CA and a server certificate of its own.", genSAN, "https://docs.rs/webpki"},
	{"client_files", "the client cannot use its own certificate files", "A file that the client was given for this registry is missing, in the wrong format, or its partner is: in certs.d, name.cert needs name.key, and CAs end in .crt.", "Put right what the message names.", "crpki trust list", dockerCA},
	{"tls_failed", "the TLS handshake failed, and the text does not say why", "The message stops before the reason.", "See how far a handshake comes.", askProbe, goTLS},
	{"disk_full", "the disk is full", "The node, or the registry, has no space left for the image.", "Make room: crictl rmi --prune on the node; a larger volume for the registry.", "", "https://kubernetes.io/docs/concepts/architecture/garbage-collection/"},
	{"runtime_down", "the runtime does not answer", "Docker, containerd or CRI-O does not run, or its socket may not be opened by this user.", "Look at the service: systemctl status containerd (docker, crio).", "", k8sImages},
	{"pvc_pending", "the volume is not there", "The pod waits for a volume claim that is not bound: no such storage class, no default one, or none that can do what the claim asks for (ReadWriteMany with several replicas).", "kubectl get pvc,storageclass; set pvc.storageClassName and pvc.storageRequest to what the cluster has.", "crpki preflight values.yaml", connected},
	{"already_activated", "the connected registry is active in another place, or not at all", "It can be activated once: another installation holds it, or it was deactivated.", "az acr connected-registry deactivate, then install again with a new connection string.", "", connected},
	{"namespace_terminating", "the namespace is being deleted", "Nothing can be created in it until that is done; a finalizer may hold it up.", "Wait until it is gone (kubectl get namespace), then install again.", "", connected},
	{"name_in_use", "a Helm release of this name is there already", "An earlier installation, perhaps a failed one, holds the name.", "helm upgrade --install, or uninstall the old one first.", "", connected},
	{"chart_not_found", "the chart is not there", "The chart or this version of it does not exist, or its repository cannot be reached.", "Check the version, then whether the host of the chart can be reached.", askProbe, connected},
	{"karbon_precheck", "Karbon could not reach the registry; the reason is in its log", "The message of karbonctl hides the reason.", "On Prism Central: grep PrivateRegistryConnectivityCheck /home/nutanix/data/logs/karbon_core.out, and explain that line.", "crpki explain karbon_core.out", "https://portal.nutanix.com/"},
	{"canceled", "the pull was cancelled", "The client gave up, for the pod was deleted or someone interrupted it.", "Pull again.", "", goHTTP},
	{"unspecified", "a failure that the text does not explain", "It is a client's message, but none of its words tells the reason: perhaps it was cut off, or the reason is in another line.", "Give the whole message, or the log of the runtime: journalctl -u containerd (docker, crio, kubelet).", askProbe, ""},
	{"unknown", "nothing here that crpki knows", "No failure to pull an image or to connect was recognised in this text.", "Give the message of the runtime: kubectl describe pod, or journalctl -u containerd (docker, crio, kubelet).", "", ""},
}

// Of gives what there is to say of a detail.
func Of(detail string) About {
	for _, a := range abouts {
		if a.Detail == detail {
			return a
		}
	}
	return About{Detail: detail}
}

// Details lists them all, in the order of the documentation.
func Details() []About { return abouts }

// Sentence is what the explanation means, with the host put in.
func (e Explanation) Meaning() string {
	host := "the server"
	if e.Host != "" {
		host = e.Host
	}
	return strings.ReplaceAll(Of(e.Detail).Meaning, "HOST", host)
}

// Next is the command that goes on from here, for a shell, or "".
func (e Explanation) Next() string {
	host, image := e.Host, e.Image
	if e.Role == ProxyHop {
		host = RegistryOf(image)
	}
	switch hostOnly(host) {
	case "docker.io", "index.docker.io":
		host = "registry-1.docker.io"
	}
	ref := image
	if e.Role != Registry || RegistryOf(image) != host {
		ref = host
	}
	if host == "" {
		host = "HOST"
	}
	if ref == "" {
		ref = host
	}
	next := Of(e.Detail).next
	san := "--dns " + quote(hostOnly(host))
	if isIP(hostOnly(host)) {
		san = "--ip " + quote(hostOnly(host))
	}
	return strings.NewReplacer("SAN", san, "REF", quote(ref), "HOST", quote(host)).Replace(next)
}

// quote makes text one word of a shell.
func quote(text string) string {
	for i := range len(text) {
		if c := text[i]; !isWord(c) && strings.IndexByte("./:@-_%,=+", c) < 0 {
			return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
		}
	}
	if text == "" || text[0] == '-' {
		return "'" + text + "'"
	}
	return text
}

// Word says in a sentence what a cause is.
func Word(c Cause) string {
	switch c {
	case UnknownAuthority:
		return "The client cannot follow the certificate to a CA that it trusts."
	case HostnameMismatch:
		return "The certificate is for other names."
	case NoIPSAN:
		return "The certificate is for names only, and an address was dialled."
	case LegacyCN:
		return "The certificate has its name in a place where clients no longer look."
	case Expired, NotYetValid:
		return "The time is outside of what a certificate is valid for."
	case EKU:
		return "The certificate is for another use."
	case NameConstraints:
		return "The CA may not sign for this name."
	case SHA1:
		return "A signature is too weak."
	case NegativeSerial:
		return "The serial number is negative."
	case HTTPOnHTTPS:
		return "The server speaks plain HTTP, the client wants TLS."
	case HTTPSOnHTTP:
		return "The client speaks plain HTTP, the server wants TLS."
	case MTLSRequired:
		return "The server wants a certificate from the client."
	case ProtocolVersion, HandshakeFailure:
		return "Client and server could not agree on how to speak TLS."
	case DNS:
		return "The name has no address."
	case Refused, Timeout:
		return "No connection came about."
	case Proxy:
		return "The proxy in between failed."
	case Auth:
		return "The registry does not know who asks."
	case Forbidden:
		return "The registry knows who asks, and refuses; or does not tell whether there is such an image."
	case NotFound:
		return "There is no such image."
	case RateLimited:
		return "Too many pulls."
	case Other:
		return "A failure for which there is no word of its own; the detail says which."
	}
	return "No failure was recognised."
}

// DetailsOf lists the details of a cause, in the order of the documentation.
func DetailsOf(c Cause) (details []string) {
	for _, a := range abouts {
		own := slices.ContainsFunc(rules, func(r rule) bool { return r.detail == a.Detail && r.cause == c })
		switch {
		case a.Detail == "unspecified":
			own = c == Other
		case a.Detail == "unknown":
			own = c == Unknown
		case a.Detail == "old_trust_store":
			own = c == Expired
		}
		if own {
			details = append(details, a.Detail)
		}
	}
	return details
}

// Phrases lists by what words a detail is known.
func Phrases(detail string) (phrases []string) {
	for _, r := range rules {
		if r.detail == detail {
			phrases = append(phrases, r.phrases...)
		}
	}
	return phrases
}
