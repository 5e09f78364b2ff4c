package trust

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"time"
)

// hostsRules are the differences between releases of containerd in how they
// read a registry's directory.
type hostsRules struct {
	// tomlV1: the file is read by go-toml v1, which takes another dialect.
	tomlV1 bool
	// needsHostTable: a file without a [host] table counts as broken.
	needsHostTable bool
	// plainLocalhost: a loopback address is asked in plain HTTP, whatever its port.
	plainLocalhost bool
	// strictLocalhost: a loopback address is asked as any other.
	strictLocalhost bool
	// httpsFirst: an http endpoint that has any TLS setting is tried over HTTPS.
	httpsFirst bool
	// dialTimeout and referrers: what these words mean is known.
	dialTimeout, referrers bool
}

// hostsRulesOf says how a release reads hosts.toml.
func hostsRulesOf(r release) hostsRules {
	return hostsRules{
		tomlV1:          !r.from(2, 0, 0),
		needsHostTable:  !r.fixed(-1, 32),
		plainLocalhost:  !r.fixed(32, 16) && r.from(1, 6, 9),
		strictLocalhost: !r.from(1, 6, 9),
		httpsFirst:      r.fixed(32, 16),
		dialTimeout:     r.from(2, 1, 0),
		referrers:       r.from(2, 2, 0),
	}
}

// hostTable is what hosts.toml may say of one host.
type hostTable struct {
	Capabilities []string       `toml:"capabilities"`
	CA           any            `toml:"ca"`
	Client       any            `toml:"client"`
	SkipVerify   *bool          `toml:"skip_verify"`
	Header       map[string]any `toml:"header"`
	OverridePath bool           `toml:"override_path"`
	DialTimeout  any            `toml:"dial_timeout"`
}

// hostsFile is a whole hosts.toml.
type hostsFile struct {
	hostTable
	Server string               `toml:"server"`
	Hosts  map[string]hostTable `toml:"host"`
}

// hostEntry is one host of hosts.toml as containerd understands it. The last
// one of a file is made of the keys before the first table; its host is empty
// when there is no server.
type hostEntry struct {
	// table is the key in [host."key"], "" for the keys at the top.
	table              string
	line               int
	scheme, host, path string
	pull, resolve      bool
	ca                 []string
	client             [][2]string
	skipVerify         *bool
}

// tls is true when the entry says anything about TLS.
func (h hostEntry) tls() bool { return h.ca != nil || h.client != nil || h.skipVerify != nil }

// maxHosts bounds how many mirrors of a registry are looked at.
const maxHosts = 1000

// parseHosts reads a hosts.toml that lies in dir. An error makes containerd
// pass over the file.
func parseHosts(dir string, text []byte, rules hostsRules) ([]hostEntry, error) {
	var file hostsFile
	keys, err := decodeTOML(text, &file, rules.tomlV1)
	if err != nil {
		return nil, err
	}
	order, err := hostOrder(keys, rules)
	if err != nil {
		return nil, err
	}
	if len(order) > maxHosts {
		return nil, &tomlError{err: fmt.Errorf("%w: %d hosts", ErrTooMuch, len(order))}
	}
	var hosts []hostEntry
	for _, name := range order {
		entry, err := newHostEntry(name, dir, file.Hosts[name], rules)
		if err != nil {
			return nil, &tomlError{line: keys.line("host", name), err: err}
		}
		entry.table, entry.line = name, keys.line("host", name)
		hosts = append(hosts, entry)
	}
	last, err := newHostEntry(file.Server, dir, file.hostTable, rules)
	if err != nil {
		return nil, &tomlError{err: err}
	}
	last.line = keys.line("server")
	return append(hosts, last), nil
}

// hostOrder gives the keys of [host."…"] in the order of the file. From 2.0 on
// only tables in brackets count, so that hosts written inline or with dots are
// never tried.
func hostOrder(keys tomlKeys, rules hostsRules) ([]string, error) {
	var order []string
	seen := map[string]bool{}
	if rules.needsHostTable && keys.line("host") == 0 {
		return nil, &tomlError{err: errors.New("invalid `host` tree")}
	}
	for _, key := range keys.list {
		if len(key.path) < 2 || key.path[0] != "host" {
			continue
		}
		name := key.path[1]
		switch {
		case rules.tomlV1:
			if !seen[name] {
				order = append(order, name)
			}
			seen[name] = true
		case key.table && (len(order) == 0 || order[len(order)-1] != name):
			order = append(order, name)
		}
	}
	return order, nil
}

// newHostEntry gives the meaning of a table; server is its URL.
func newHostEntry(server, dir string, t hostTable, rules hostsRules) (hostEntry, error) {
	h := hostEntry{skipVerify: t.SkipVerify}
	if server != "" {
		if err := h.setURL(server, t.OverridePath); err != nil {
			return h, err
		}
	}
	if err := h.setCapabilities(t.Capabilities, rules); err != nil {
		return h, err
	}
	abs := func(p string) string {
		if path.IsAbs(p) {
			return p
		}
		return path.Join(dir, p)
	}
	var err error
	if h.ca, err = caFiles(t.CA, abs); err != nil {
		return h, err
	}
	if h.client, err = clientPairs(t.Client, abs); err != nil {
		return h, err
	}
	for key, value := range t.Header {
		if list, ok := value.([]any); ok {
			_, err = stringsOf(list, nil)
		} else if _, ok := value.(string); !ok {
			err = fmt.Errorf("invalid type %v for header %q", value, key)
		}
		if err != nil {
			return h, err
		}
	}
	if rules.dialTimeout && t.DialTimeout != nil {
		text, ok := t.DialTimeout.(string)
		if !ok {
			return h, errors.New("dial_timeout is no string")
		}
		if text != "" {
			if _, err := time.ParseDuration(text); err != nil {
				return h, err
			}
		}
	}
	return h, nil
}

// setURL takes a server's URL apart. A name that begins with the letters http
// is taken for a URL, and then has no host.
func (h *hostEntry) setURL(server string, overridePath bool) error {
	if !strings.HasPrefix(server, "http") {
		server = "https://" + server
	}
	u, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("unable to parse server %v: %w", server, err)
	}
	h.scheme, h.host, h.path = u.Scheme, u.Host, u.Path
	if h.path != "" {
		h.path = path.Clean(h.path)
	}
	if !overridePath && !strings.HasSuffix(h.path, "/v2") {
		h.path += "/v2"
	}
	return nil
}

func (h *hostEntry) setCapabilities(words []string, rules hostsRules) error {
	if len(words) == 0 {
		h.pull, h.resolve = true, true
		return nil
	}
	for _, word := range words {
		switch w := strings.ToLower(word); {
		case w == "pull":
			h.pull = true
		case w == "resolve":
			h.resolve = true
		case w == "push", w == "referrers" && rules.referrers:
		default:
			return fmt.Errorf("unknown capability %v", word)
		}
	}
	return nil
}

func caFiles(value any, abs func(string) string) ([]string, error) {
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{abs(v)}, nil
	case []any:
		return stringsOf(v, abs)
	}
	return nil, fmt.Errorf("invalid type %v for \"ca\"", value)
}

// clientPairs reads "client": one file, files that each hold certificate and
// key, or pairs of files.
func clientPairs(value any, abs func(string) string) ([][2]string, error) {
	var list []any
	switch v := value.(type) {
	case nil:
		return nil, nil
	case string:
		return [][2]string{{abs(v), ""}}, nil
	case []any:
		list = v
	default:
		return nil, fmt.Errorf("invalid type %v for \"client\"", value)
	}
	var pairs [][2]string
	for _, item := range list {
		switch v := item.(type) {
		case string:
			pairs = append(pairs, [2]string{abs(v), ""})
		case []any:
			files, err := stringsOf(v, abs)
			if err != nil {
				return nil, err
			}
			if len(files) != 2 {
				return nil, fmt.Errorf("invalid pair %v for \"client\"", v)
			}
			pairs = append(pairs, [2]string(files))
		default:
			return nil, fmt.Errorf("invalid type %T for \"client\"", v)
		}
	}
	return pairs, nil
}

// stringsOf is never nil, for an empty list is a setting too.
func stringsOf(list []any, f func(string) string) ([]string, error) {
	out := make([]string, len(list))
	for i, value := range list {
		s, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("unable to cast %v to string", value)
		}
		if f != nil {
			s = f(s)
		}
		out[i] = s
	}
	return out, nil
}
