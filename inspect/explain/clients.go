package explain

// A mark is what a client's messages are known by. The table is read from top
// to bottom, and the first mark found names the client: those stand first that
// only one client prints.
type mark struct {
	client  string
	phrases []string
}

var marks = []mark{
	{"azure arc", []string{
		"InnerError", "k8s-extension", "ExtensionOperationFailed", "Microsoft.ContainerRegistry.ConnectedRegistry",
		"connected registry", "connected-registry", "ALREADY_ACTIVATED",
	}},
	{"helm", []string{
		"INSTALLATION FAILED:", "UPGRADE FAILED:", "helm.go:", "helm pull", "helm.sh/helm", "chart repository or cannot be reached",
		"failed in download the chart", "failed to perform FetchReference on source", "failed to do request: Head * helm",
		"Helm installation failed", "Error: failed to authorize: failed to fetch",
	}},
	{"buildkit", []string{
		"failed to solve:", "failed to load metadata for", "load metadata for", "buildkitd", "failed to solve with frontend", "buildx",
		"failed to copy: httpReadSeeker: failed open: unexpected status from GET * buildkit",
	}},
	{"docker", []string{
		"Error response from daemon", "docker: Error", "dockerd[", "error pulling image configuration", "v2 ping attempt failed",
		"v1 ping attempt failed", "dockerd ", "unable to ping registry endpoint", "Handler for POST /v1.",
		"Not continuing with pull after error", "Attempting next endpoint for pull after error", "Head * denied: requested access",
		"pull access denied for * repository does not exist or may require 'docker login'", "server error - Get",
		"/etc/docker/certs.d", "docker daemon", "no matching manifest for * in the manifest list entries",
		"Cannot connect to the Docker", "docker login", "Docker Desktop", "trying to pull repository", "failed to register layer",
	}},
	{"nerdctl", []string{"nerdctl pull", "nerdctl:", "failed to resolve reference * error=", "hosts_dir"}},
	{"ctr", []string{"ctr: "}},
	{"cri-o", []string{
		"unable to pull image or OCI artifact", "pull image err:", "artifact err:", "crio[", "unable to retrieve auth token",
		"short name mode is enforcing", "crio/", "Error reading manifest * in * crio", "unable to pull image: ",
	}},
	{"buildah", []string{
		"creating build container", "buildah pull", "buildah bud", "buildah build", "buildah from", "buildah[",
		"error building at STEP", "Error: building at STEP",
	}},
	{"skopeo", []string{
		"skopeo copy", "skopeo inspect", "skopeo sync", "skopeo login", "skopeo list-tags", "skopeo[", "Error parsing image name",
		"level=fatal msg=\"Error initializing source", "error initializing source docker://",
		"Error determining manifest MIME type for docker://", "Error trying to reuse blob", "FATA[* Error parsing image name",
		"copying system image from manifest list", "Invalid destination name docker://", "Error determining repository tags",
	}},
	{"podman", []string{
		"unable to copy from source docker://", "initializing source docker://", "Error: error authenticating creds for",
		"authenticating creds for", "pinging container registry", "pinging docker registry", "trying to reuse blob", "Trying to pull",
		"podman pull", "podman run", "podman login", "podman push", "podman[", "Error: error pulling image",
		"Error: copying system image", "short-name resolution enforced", "did not resolve to an alias", "logging into",
		"internal error: unable to copy from source", "writing blob: ", "choosing image instance", "Source image rejected",
		"reading manifest * in ",
	}},
	{"knative", []string{
		"Unable to fetch image * failed to resolve image to digest", "failed to resolve image to digest",
	}},
	{"containerd", []string{
		"failed to pull and unpack image", "failed to resolve reference", "failed to resolve image", "no available registry endpoint",
		"failed to do request: Head", "failed to fetch anonymous token", "failed to fetch oauth token", "failed to authorize:",
		"httpReadSeeker", "containerd[", "containerd/", "PullImage from image service failed", "unexpected status from HEAD request",
		"failed to get sandbox image", "server message: insufficient_scope", "failed to extract layer", "failed commit on ref",
		"no match for platform in manifest", "failed to copy: ", "failed size validation", "failed to prepare extraction snapshot",
	}},
	{"crictl", []string{"pulling image: rpc error", "pulling image failed: rpc error", "crictl"}},
	{"kaniko", []string{
		"kaniko:", "error building image: ", "error pushing image: failed to push", "checking push permissions",
		"error checking push permissions", "error resolving source context",
	}},
	{"ko", []string{"failed to publish images", "ko build", "ko apply", "error processing import paths", "ko: "}},
	{"crane", []string{
		"Error: fetching manifest", "Error: pulling", "crane pull", "crane manifest", "crane digest", "crane push", "crane copy",
		"go-containerregistry", "Error: pushing image", "Error: getting catalog", "Error: listing tags for", "Error: computing digest",
		"no child with platform",
	}},
	{"oras", []string{
		"oras pull", "oras push", "oras copy", "oras manifest", "oras login", "Error: failed to resolve",
		"Error response from registry", "Error: failed to perform",
	}},
	{"harbor", []string{
		"[/controller/replication", "replication", "harbor-core", "goharbor", "jobservice", "failed to fetch artifacts",
		"failed to ping registry", "[ERROR] [/server",
	}},
	{"karbon", []string{"PrivateRegistryConnectivityCheck", "Karbon", "karbon_core", "karbonctl"}},
	{"flux", []string{"source-controller", "failed to pull artifact", "OCIRepository", "failed to get remote ref"}},
	{"argocd", []string{"ComparisonError", "argocd", "rpc error * failed to fetch chart", "repo-server"}},
	{"git", []string{"fatal: unable to access", "fatal: Unable to access"}},
	{"curl", []string{"curl: (", "curl failed to verify", "curl failed", "curl/"}},
	{"wget", []string{
		"Unable to establish SSL connection", "To connect to * insecurely, use `--no-check-certificate", "wget:",
		"--no-check-certificate", "ERROR: cannot verify", "ERROR: The certificate of",
		"ERROR: no certificate subject alternative name", "ERROR: certificate common name", "wget: unable",
		"HTTP request sent, awaiting response", "certificate's owner does not match",
	}},
	{"openssl", []string{
		"verify error:num=", "Verify return code:", "depth lookup:", "s_client", "BIO_connect",
		"connect:errno=", "Verification error:", "BIO_lookup_ex",
	}},
	{"gnutls", []string{
		"Fatal error: The TLS connection", "Fatal error: Error in the certificate", "gnutls_handshake",
		"PKI verification of server certificate failed", "The certificate is NOT trusted", "gnutls-cli",
		"Processed * CA certificate(s)",
	}},
	{"python", []string{
		"HTTPSConnectionPool", "HTTPConnectionPool", "requests.exceptions", "urllib3", "_ssl.c:", "ssl.SSLError",
		"ssl.SSLCertVerificationError", "urlopen error", "Traceback (most recent call last)", "pip._vendor", "aiohttp", "httpx.",
		"SSLCertVerificationError", "CertificateError", "socket.gaierror", "http.client.", "[Errno ",
	}},
	{"java", []string{
		"PKIX path", "sun.security", "javax.net.ssl", "java.net.", "java.security", "Caused by: ", "org.apache.http", "okhttp",
		"SSLHandshakeException", "jib", "java.io.", "io.netty.",
	}},
	{"node", []string{
		"SELF_SIGNED_CERT_IN_CHAIN", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "DEPTH_ZERO_SELF_SIGNED_CERT",
		"UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "ERR_TLS_CERT_ALTNAME_INVALID", "CERT_HAS_EXPIRED", "npm ERR!", "npm error",
		"getaddrinfo ENOTFOUND", "getaddrinfo EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "socket hang up", "EPROTO",
		"TypeError: fetch failed", "node:internal", "Node.js v", "FetchError", "AxiosError",
	}},
	{".net", []string{
		"System.Net.", "System.Security.Authentication", "AuthenticationException", "HttpRequestException",
		"RemoteCertificateNameMismatch", "RemoteCertificateChainErrors", "RemoteCertificateValidationCallback",
		"remote certificate is invalid", "Microsoft.NET.Build.Containers", "CONTAINER1", "The SSL connection could not be established",
	}},
	{"rust", []string{
		"invalid peer certificate", "reqwest::", "error sending request for url", "client error (Connect)", "hyper::", "rustls",
		"oci_distribution", "oci-distribution", "InvalidCertificate(", "error trying to connect", "tcp connect error",
	}},
	{"ruby", []string{"OpenSSL::SSL::SSLError", "Net::HTTP", "Faraday::", "SSL_connect returned=1"}},
	{"php", []string{"failed to open stream", "cURL error ", "stream_socket_client()", "GuzzleHttp"}},
	{"envoy", []string{
		"upstream connect error or disconnect", "OPENSSL_internal", "TLS_error:", "transport failure reason",
	}},
	{"haproxy", []string{"haproxy[", "Layer4 ", "Layer6 ", "Layer7 ", "SSL handshake failure"}},
	{"nginx", []string{
		"while reading client request headers",
		"while SSL handshaking", "upstream SSL certificate", "while connecting to upstream",
		"while reading response header from upstream", "host not found in upstream", "nginx[",
	}},
	{"go server", []string{"http: TLS handshake error from"}},
	{"windows", []string{
		"schannel", "SEC_E_", "CERT_E_", "CRYPT_E_", "The underlying connection was closed", "Invoke-WebRequest",
	}},
	{"kubelet", []string{
		"Failed to pull image", "Back-off pulling image", "ErrImagePull", "ImagePullBackOff", "kubelet[", "kubelet ",
		"FailedCreatePodSandBox", "FailedToRetrieveImagePullSecret", "ErrImageNeverPull", "is not present with pull policy of Never",
		"InvalidImageName", "Failed to apply default image tag",
	}},
	{"go", []string{
		"x509: ", "http: server gave HTTP response to HTTPS client", "net/http: ", "dial tcp", "remote error: tls:", "Get \"https://",
		"Get https://", "Head \"https://", "Head https://", "Post \"https://", "tls: failed to",
	}},
}

// A release says which releases print a phrase, letter by letter. Quotes tell:
// Go writes the URL in them since 1.14.
type release struct {
	of      string // the client, or "go"
	phrase  string
	without string // and not this one
	says    string
}

// releases are read from top to bottom; for each client the first that holds
// counts.
var releases = []release{
	{"go", "tls: failed to verify certificate: x509", "", ">= 1.20"},
	{"go", "temporarily override with GODEBUG=x509sha1=1", "", "1.18 to 1.23"},
	{"go", "x509: negative serial number", "", ">= 1.23"},
	{"go", "keys are insecure", "", ">= 1.24"},
	{"go", "use SANs or temporarily enable Common Name matching", "", "1.15 to 1.16"},
	{"go", "getsockopt: connection refused", "", "<= 1.10"},
	{"go", "Get http", "tls: failed to", "<= 1.13"},
	{"go", "Head http", "tls: failed to", "<= 1.13"},
	{"go", "Post http", "tls: failed to", "<= 1.13"},
	{"go", ": x509: certificate relies on legacy", "tls: failed to verify", "1.15 to 1.19"},
	{"go", "\": x509: ", "tls: failed to", "1.14 to 1.19"},
	{"go", "Get \"http", "", ">= 1.14"},
	{"go", "Head \"http", "", ">= 1.14"},
	{"go", "Post \"http", "", ">= 1.14"},

	{"containerd", "no available registry endpoint", "", "< 1.4"},
	{"containerd", "failed to resolve image: ", "", ">= 2.1"},
	{"cri-o", "unable to pull image or OCI artifact", "", ">= 1.34"},
	{"cri-o", "artifact err:", "", ">= 1.34"},
	{"podman", "unable to copy from source docker://", "", ">= 5"},
	{"podman", "pinging docker registry returned", "", "<= 2"},
	{"docker", "Error response from daemon: failed to resolve reference", "", ">= 28"},
	{"kubelet", "ErrImagePull: ", "Failed to pull image", ">= 1.32"},
	{"kubelet", "rpc error: code = Unknown desc = ", "FATA[", "<= 1.27"},
	{"kubelet", "Failed to pull image \"", "rpc error: ", ">= 1.28"},
}
