package k8ssecret

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// connectionKeys are the keys of a connection string. The token's two are those
// of a sync token; a managed identity (preview) has its own in their place.
var connectionKeys = [...]string{"ConnectedRegistryName", "SyncTokenName", "SyncTokenPassword", "ManagedIdentityClientId", "ParentGatewayEndpoint", "ParentEndpointProtocol"}

// ConnectionString is what may be said of a connection string: all but the
// token and its password.
type ConnectionString struct {
	Registry string
	Gateway  string
	// HTTP: the parent is dialled without TLS.
	HTTP bool
	// ManagedIdentity: there is no password in it.
	ManagedIdentity bool
}

// ReadConnectionString reads what "az acr connected-registry get-settings"
// prints (azure-cli, connected_registry.py), and says what is wrong with it. The
// sentences hold no value but the host of the gateway and the registry's name.
func ReadConnectionString(text string) (c ConnectionString, faults []string) {
	r := connectionReader{}
	if trimmed := strings.TrimSpace(text); trimmed != text {
		r.say("has blanks or line breaks around it")
		text = trimmed
	}
	if text != "" && (text[0] == '"' || text[0] == '\'') {
		r.say("has quotation marks around it")
		text = strings.Trim(text, text[:1])
	}
	if rest, ok := strings.CutPrefix(text, "ACR_REGISTRY_CONNECTION_STRING="); ok {
		r.say("has the name of its variable before it: ACR_REGISTRY_CONNECTION_STRING= does not belong to it")
		text = rest
	}
	if q := typographicQuote(text); q != "" {
		r.say("holds the typographic quotation mark %s", q)
	}
	if strings.ContainsAny(text, "\r\n") {
		r.say("goes over several lines")
	}
	if isPlaceholder(text) {
		r.say("is a placeholder that nobody has filled in")
		return c, r.faults
	}
	r.pairs(text)
	r.judge()
	return r.c, r.faults
}

type connectionReader struct {
	c      ConnectionString
	values map[string]string
	faults []string
}

func (r *connectionReader) say(format string, args ...any) {
	r.faults = append(r.faults, "the connection string "+fmt.Sprintf(format, args...))
}

// pairs takes the string apart. What is in it may be a password, and is not
// shown even where it stands for a key.
func (r *connectionReader) pairs(text string) {
	r.values = map[string]string{}
	unknown := 0
	for pair := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(pair, "=") // a password may end in =
		switch {
		case pair == "":
		case !ok || !slices.Contains(connectionKeys[:], key):
			if i := slices.IndexFunc(connectionKeys[:], func(k string) bool { return strings.EqualFold(k, strings.TrimSpace(key)) }); ok && i >= 0 {
				r.say("spells %s otherwise: capitals count, and blanks do", connectionKeys[i])
				r.values[connectionKeys[i]] = value
				continue
			}
			unknown++
		default:
			if _, twice := r.values[key]; twice {
				r.say("has %s twice", key)
			}
			r.values[key] = value
		}
	}
	if unknown > 0 {
		r.say("has %s, as ConnectedRegistryName=… is", map[bool]string{true: "a part that is no pair", false: fmt.Sprintf("%d parts that are no pairs", unknown)}[unknown == 1])
	}
}

func (r *connectionReader) judge() {
	_, token := r.values["SyncTokenName"]
	_, password := r.values["SyncTokenPassword"]
	_, identity := r.values["ManagedIdentityClientId"]
	want := []string{"ConnectedRegistryName", "SyncTokenName", "SyncTokenPassword", "ParentGatewayEndpoint", "ParentEndpointProtocol"}
	if r.c.ManagedIdentity = identity; identity {
		want = []string{"ConnectedRegistryName", "ManagedIdentityClientId", "ParentGatewayEndpoint", "ParentEndpointProtocol"}
	}
	if identity && (token || password) {
		r.say("has both a sync token and a managed identity: one of them")
	}
	var missing []string
	for _, key := range want {
		if strings.TrimSpace(r.values[key]) == "" {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		r.say("lacks %s", list(missing))
	}
	if p := r.values["SyncTokenPassword"]; isPlaceholder(p) || strings.ContainsAny(p, "<> ") {
		r.say("has a placeholder for the password: az acr connected-registry get-settings gives one with --generate-password 1")
	}
	r.name(r.values["ConnectedRegistryName"])
	r.gateway(r.values["ParentGatewayEndpoint"])
	switch protocol := r.values["ParentEndpointProtocol"]; protocol {
	case "", "https":
	case "http":
		r.c.HTTP = true
	default:
		r.say("has a ParentEndpointProtocol that is neither https nor http")
	}
}

// name judges the registry's name by the strictest of the rules that there are:
// the documents', the CLI's and ARM's schema.
func (r *connectionReader) name(name string) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if name == "" {
		return
	}
	if strings.Trim(name, letters+"0123456789") != "" || !isLetter(name[0]) || len(name) < 5 || len(name) > 40 {
		r.say("has a ConnectedRegistryName that is none: 5 to 40 letters and digits, the first a letter")
		return
	}
	r.c.Registry = name
}

func (r *connectionReader) gateway(host string) {
	if host == "" {
		return
	}
	n, _, err := pki.ParseName(host)
	if _, notIP := netip.ParseAddr(host); err != nil || notIP != nil && (n.Kind != pki.DNS || !strings.Contains(host, ".") || strings.ContainsAny(host, "/:* ")) {
		r.say("has a ParentGatewayEndpoint that is no host: <registry>.<region>.data.azurecr.io, or the address of the parent, without https://")
		return
	}
	r.c.Gateway = host
}
