package cluster

import (
	"encoding/base64"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// kubeconfig.go reads one kubeconfig, as client-go does
// (tools/clientcmd/api/v1/types.go and conversion.go, version 0.34.4): names
// are told apart by case, unknown ones are passed over, and a value of another
// type than it has to have, or a name that comes twice in a list, is an error.

// configFile is what a kubeconfig says, or several that were merged.
type configFile struct {
	current  string
	clusters map[string]clusterEntry
	users    map[string]userEntry
	contexts map[string]contextEntry
}

// clusterEntry says how to speak to an API server.
type clusterEntry struct {
	origin             string // the file that it stands in, "" when that has no name
	server             string
	serverName         string
	insecure           bool
	caFile             string
	caData             []byte
	proxyURL           string
	disableCompression bool
	extensions         map[string]any
}

// userEntry is who is asking, as a file says it.
type userEntry struct {
	origin string
	identity
}

// identity says who is asking.
type identity struct {
	certFile, keyFile  string
	certData, keyData  []byte
	token, tokenFile   string
	username, password string
	as, asUID          string
	asGroups           []string
	asExtra            map[string][]string
	authProvider       *string // its name
	exec               *execConfig
}

// contextEntry joins the two.
type contextEntry struct{ cluster, user, namespace string }

// parseConfig reads a kubeconfig that was found at origin.
func parseConfig(data []byte, origin string) (configFile, error) {
	c := configFile{clusters: map[string]clusterEntry{}, users: map[string]userEntry{}, contexts: map[string]contextEntry{}}
	value, err := yamlValue(data)
	if err != nil || value == nil {
		return c, err
	}
	var f fault
	top := f.object(value, "")
	f.kind(top)
	c.current = f.text(top, "current-context")
	f.extensions(f.object(top.get("preferences"), "preferences"))
	f.flag(f.object(top.get("preferences"), "preferences"), "colors")
	f.extensions(top)
	for name, o := range f.named(top, "clusters", "cluster") {
		c.clusters[name] = f.cluster(o, origin)
	}
	for name, o := range f.named(top, "users", "user") {
		c.users[name] = f.user(o, origin)
	}
	for name, o := range f.named(top, "contexts", "context") {
		f.extensions(o)
		c.contexts[name] = contextEntry{f.text(o, "cluster"), f.text(o, "user"), f.text(o, "namespace")}
	}
	return c, f.err
}

func (f *fault) cluster(o object, origin string) clusterEntry {
	return clusterEntry{
		origin: origin, server: f.text(o, "server"), serverName: f.text(o, "tls-server-name"), insecure: f.flag(o, "insecure-skip-tls-verify"),
		caFile: f.text(o, "certificate-authority"), caData: f.data(o, "certificate-authority-data"),
		proxyURL: f.text(o, "proxy-url"), disableCompression: f.flag(o, "disable-compression"), extensions: f.extensions(o),
	}
}

func (f *fault) user(o object, origin string) userEntry {
	f.extensions(o)
	return userEntry{origin, identity{
		certFile: f.text(o, "client-certificate"), certData: f.data(o, "client-certificate-data"),
		keyFile: f.text(o, "client-key"), keyData: f.data(o, "client-key-data"),
		token: f.text(o, "token"), tokenFile: f.text(o, "tokenFile"),
		username: f.text(o, "username"), password: f.text(o, "password"),
		as: f.text(o, "as"), asUID: f.text(o, "as-uid"), asGroups: f.texts(o, "as-groups"), asExtra: f.extra(o),
		authProvider: f.authProvider(o), exec: f.exec(o),
	}}
}

// kind refuses what is no kubeconfig. Without kind or version it is one. The
// case of these two names does not count (apimachinery, serializer/json/meta.go).
func (f *fault) kind(top object) {
	kind, version := f.text(top, top.folded("kind")), f.text(top, top.folded("apiVersion"))
	if f.err == nil && (kind != "" && kind != "Config" || !slices.Contains([]string{"", "/", "v1", "/v1"}, version)) {
		f.err = fmt.Errorf("it is a %s of %q, and no Config of \"v1\"", orNothing(kind), version)
	}
}

func orNothing(kind string) string {
	if kind == "" {
		return "Config"
	}
	return kind
}

// named gives the entries of a list by their names: what stands under key in
// each, or all of it without a key.
func (f *fault) named(top object, list, key string) iter.Seq2[string, object] {
	return func(yield func(string, object) bool) {
		seen := map[string]bool{}
		for i, item := range f.list(top, list) {
			path := fmt.Sprintf("%s[%d]", top.at(list), i)
			entry := f.object(item, path)
			name := f.text(entry, "name")
			if seen[name] {
				f.fail(path, "the name %q comes twice in the list", name)
			}
			seen[name] = key != "" || entry.get("extension") != nil // of extensions, those that hold something
			if key != "" {
				entry = f.object(entry.get(key), entry.at(key))
			}
			if !yield(name, entry) {
				return
			}
		}
	}
}

// extensions are values of any kind by name.
func (f *fault) extensions(o object) map[string]any {
	var all map[string]any
	for name, entry := range f.named(o, "extensions", "") {
		if all == nil {
			all = map[string]any{}
		}
		all[name] = entry.get("extension")
	}
	return all
}

func (f *fault) extra(o object) map[string][]string {
	extra := f.object(o.get("as-user-extra"), o.at("as-user-extra"))
	if extra.fields == nil {
		return nil
	}
	all := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(extra.fields)) {
		all[key] = f.texts(extra, key)
	}
	return all
}

// authProvider is the name of one, nil when there is none.
func (f *fault) authProvider(o object) *string {
	provider := f.object(o.get("auth-provider"), o.at("auth-provider"))
	if provider.fields == nil {
		return nil
	}
	config := f.object(provider.get("config"), provider.at("config"))
	for _, key := range slices.Sorted(maps.Keys(config.fields)) {
		f.text(config, key)
	}
	name := f.text(provider, "name")
	return &name
}

// fault keeps the first value that has another type than it has to have.
type fault struct{ err error }

func (f *fault) fail(path, format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...))
	}
}

// object is a mapping, and the path that leads to it.
type object struct {
	path   string
	fields map[string]any
}

func (o object) get(key string) any { return o.fields[key] }

func (o object) at(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// folded finds a key of any case. Of several, the last in the order of their
// bytes counts, which is the one in lower case.
func (o object) folded(key string) string {
	found := ""
	for k := range o.fields {
		if strings.EqualFold(k, key) && k > found {
			found = k
		}
	}
	if found == "" {
		return key
	}
	return found
}

func (f *fault) object(v any, path string) object {
	switch v := v.(type) {
	case nil:
	case map[string]any:
		return object{path, v}
	default:
		f.fail(orTop(path), "%s where a mapping has to stand", typeOf(v))
	}
	return object{path: path}
}

func orTop(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}

func (f *fault) list(o object, key string) []any {
	switch v := o.get(key).(type) {
	case nil:
	case []any:
		return v
	default:
		f.fail(o.at(key), "%s where a list has to stand", typeOf(v))
	}
	return nil
}

func (f *fault) text(o object, key string) string {
	switch v := o.get(key).(type) {
	case nil:
	case string:
		return v
	default:
		f.fail(o.at(key), "%s where a text has to stand: put it between quotes", typeOf(v))
	}
	return ""
}

func (f *fault) texts(o object, key string) []string {
	var all []string
	for i, v := range f.list(o, key) {
		all = append(all, f.text(object{o.at(key), map[string]any{fmt.Sprint(i): v}}, fmt.Sprint(i)))
	}
	return all
}

func (f *fault) flag(o object, key string) bool {
	switch v := o.get(key).(type) {
	case nil:
	case bool:
		return v
	default:
		f.fail(o.at(key), "%s where true or false has to stand", typeOf(v))
	}
	return false
}

// data is a text in base64.
func (f *fault) data(o object, key string) []byte {
	if o.get(key) == nil {
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(f.text(o, key))
	if err != nil {
		f.fail(o.at(key), "no base64")
	}
	return data
}

func typeOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a mapping"
	}
	return "a number"
}
