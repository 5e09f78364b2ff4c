package k8ssecret

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/crpki/crpki/pki/format"
)

func TestMergeValuesKeepsTheRest(t *testing.T) {
	set := func(pairs ...any) (c Change) {
		for i := 0; i < len(pairs); i += 2 {
			c.Set = append(c.Set, value(pairs[i].(string), pairs[i+1]))
		}
		return c
	}
	drop := func(keys ...string) (c Change) {
		for _, key := range keys {
			c.Drop = append(c.Drop, strings.Split(key, "."))
		}
		return c
	}
	tests := map[string]struct {
		text   string
		change Change
		want   string
	}{
		"nothing yet":              {"", set("tls.crt", "abc", "tls.key", "def"), "tls:\n  crt: abc\n  key: def\n"},
		"comments alone":           {"# ours\n", set("a", "b"), "# ours\na: b\n"},
		"a marker alone":           {"---\n", set("a", "b"), "---\na: b\n"},
		"beside others":            {"tls:\n  crt: old # here\nz: 1\n", set("tls.crt", "new", "tls.key", "k"), "tls:\n  crt: new # here\n  key: k\nz: 1\n"},
		"its own indentation":      {"tls:\n    crt: old\nz: 1", set("tls.key", "k"), "tls:\n    crt: old\n    key: k\nz: 1"},
		"no line break at the end": {"a: 1", set("b.c", "x"), "a: 1\nb:\n  c: x"},
		"CRLF":                     {"a: 1\r\nb: 2\r\n", set("a", "x", "c.d", "w"), "a: x\r\nb: 2\r\nc:\r\n  d: w\r\n"},
		"a byte-order mark":        {"\uFEFFtls:\n  crt: a\n", set("tls.key", "k", "b", "x"), "\uFEFFtls:\n  crt: a\n  key: k\nb: x\n"},
		"a mark, and no value yet": {"\uFEFFtls:\nz: 1\n", set("tls.crt", "x"), "\uFEFFtls:\n  crt: x\nz: 1\n"},
		"dropped behind a mark":    {"\uFEFFtls: a\nz: 1\n", drop("tls"), "\uFEFFz: 1\n"},
		"behind a nested mapping":  {"tls:\n  more:\n    deep: 1\n  # below\nz: 1\n", set("tls.key", "k"), "tls:\n  more:\n    deep: 1\n  key: k\n  # below\nz: 1\n"},
		"behind a list":            {"tls:\n  names:\n  - a\n  - b # last\nz: 1\n", set("tls.key", "k"), "tls:\n  names:\n  - a\n  - b # last\n  key: k\nz: 1\n"},
		"behind a block of text":   {"tls:\n  note: |\n    one\n\n    two\nz: 1\n", set("tls.key", "k"), "tls:\n  note: |\n    one\n\n    two\n  key: k\nz: 1\n"},
		"a block becomes a line":   {"tls:\n  crt: | # PEM\n    one\n    two\n  key: k\n", set("tls.crt", "new"), "tls:\n  crt: new # PEM\n  key: k\n"},
		"no value yet":             {"tls: # later\nz: 1\n", set("tls.crt", "x"), "tls: # later\n  crt: x\nz: 1\n"},
		"null":                     {"tls: ~ # later\nz: 1\n", set("tls.crt", "x"), "tls:  # later\n  crt: x\nz: 1\n"},
		"an empty scalar":          {"tls:\n  crt:   # fill in\n", set("tls.crt", "x"), "tls:\n  crt: x   # fill in\n"},
		"an empty mapping":         {"tls: {}\n", set("tls.crt", "x"), "tls: {\"crt\": \"x\"}\n"},
		"in brackets":              {"tls: {crt: old, n: 1} # c\n", set("tls.crt", "new", "tls.key", "k"), "tls: {crt: \"new\", n: 1, \"key\": \"k\"} # c\n"},
		"JSON":                     {"{\n  \"a\": 1\n}\n", set("tls.crt", "x", "b", true), "{\n  \"a\": 1,\n  \"tls\": {\"crt\": \"x\"},\n  \"b\": true\n}\n"},
		"quotation marks stay":     {"a: 'old'\nb: \"old\"\n", set("a", "new", "b", "new"), "a: 'new'\nb: \"new\"\n"},
		"a boolean in quotes":      {"httpEnabled: \"false\"\n", set("httpEnabled", false), "httpEnabled: false\n"},
		"what it says already":     {"a:   \"x\"  # kept\n", set("a", "x"), "a:   \"x\"  # kept\n"},
		"the last of two":          {"a: 1\na: 2\n", set("a", "x"), "a: 1\na: x\n"},
		"an alias":                 {"base: &b old\na: *b\n", set("a", "x"), "base: &b old\na: x\n"},
		"an anchor stays":          {"a: &b old\nc: *b\n", Change{Set: []Value{value("d", "x")}}, "a: &b old\nc: *b\nd: x\n"},
		"dropped":                  {"tls:\n  # old\n  crt: a\n  key: |\n    b\n    c\n  secret: s\nz: 1\n", drop("tls.crt", "tls.key"), "tls:\n  # old\n  secret: s\nz: 1\n"},
		"dropped with its mapping": {"a: 1\ntls:\n  secret: s # bye\nz: 1\n", drop("tls.secret"), "a: 1\nz: 1\n"},
		"dropped in brackets":      {"tls: {crt: a, key: b, secret: s}\n", drop("tls.crt", "tls.secret"), "tls: {key: b}\n"},
		"dropped at the end":       {"a: 1\ntls:\n  secret: s", drop("tls.secret"), "a: 1\n"},
		"reset what is there":      {"httpEnabled: true\n", Change{Reset: []Value{value("httpEnabled", false), value("cert-manager.install", true)}}, "httpEnabled: false\n"},
		"one in place of another":  {"tls:\n  secret: s\n", Change{Set: []Value{value("tls.crt", "x")}, Drop: [][]string{{"tls", "secret"}}}, "tls:\n  crt: x\n"},
		"words that are none":      {"", set("a", "yes", "b", "1e3", "c", "", "d", "a: b", "e", "~", "f", "0x1F", "g", "null"), "a: \"yes\"\nb: \"1e3\"\nc: \"\"\nd: \"a: b\"\ne: \"~\"\nf: \"0x1F\"\ng: \"null\"\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := MergeValues("v.yaml", []byte(test.text), test.change)
			require.NoError(t, err)
			assert.Equal(t, test.want, string(m.After))
			again, err := MergeValues("v.yaml", m.After, test.change)
			require.NoError(t, err)
			assert.Equal(t, test.want, string(again.After), "a second time changes nothing")
		})
	}
}

func TestMergeRefusesWhatItCannotKeep(t *testing.T) {
	tests := map[string]struct {
		text, says string
		settings   bool
	}{
		"not YAML":             {text: "a: [1\n", says: "bracket"},
		"two documents":        {text: "a: 1\n---\nb: 1\n", says: "several documents"},
		"a list":               {text: "- a\n", says: "a list and no mapping"},
		"a text":               {text: "hello\n", says: "a string and no mapping"},
		"a text where tls is":  {text: "tls: hello\n", says: "tls is a string"},
		"a mapping where crt":  {text: "tls:\n  crt:\n    a: 1\n", says: "it is a mapping"},
		"an alias above":       {text: "base: &b {a: 1}\ntls: *b\n", says: "an alias"},
		"merged":               {text: "base: &b {tls: {a: 1}}\n<<: *b\n", says: "comes from another place"},
		"a block that keeps":   {text: "tls:\n  note: |+\n    one\n\nz: 1\n", says: "another value"},
		"settings, not JSON":   {text: "{\"a\": $B}", says: "not JSON", settings: true},
		"settings, a list":     {text: "[1]", says: "no mapping", settings: true},
		"settings, odd quotes": {text: "{“a”: 1}", says: "invalid character '“'", settings: true},
		"settings, two values": {text: "{}{}", says: "not JSON", settings: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			merge := MergeValues
			if test.settings {
				merge = MergeSettings
			}
			m, err := merge("v.yaml", []byte(test.text), Change{Set: []Value{value("tls.crt", "x")}})
			require.ErrorContains(t, err, test.says)
			assert.Equal(t, test.text, string(m.After))
		})
	}
}

func TestMergeSettings(t *testing.T) {
	secret := value("connectionString", "a=b;c=\"d\"")
	c := Change{Set: []Value{secret, value("tls.crt", "x"), value("registry.replicas", 3), value("httpEnabled", true)}, Drop: [][]string{{"tls", "secret"}}}
	for text, want := range map[string]string{
		"":   "{\n  \"connectionString\": \"a=b;c=\\\"d\\\"\",\n  \"tls.crt\": \"x\",\n  \"registry.replicas\": \"3\",\n  \"httpEnabled\": \"true\"\n}\n",
		"{}": "{\n  \"connectionString\": \"a=b;c=\\\"d\\\"\",\n  \"tls.crt\": \"x\",\n  \"registry.replicas\": \"3\",\n  \"httpEnabled\": \"true\"\n}",
		"{\n    \"other\": \"1\",\n    \"tls.secret\": \"s\"\n}\n": "{\n    \"other\": \"1\",\n    \"connectionString\": \"a=b;c=\\\"d\\\"\",\n    \"tls.crt\": \"x\",\n    \"registry.replicas\": \"3\",\n    \"httpEnabled\": \"true\"\n}\n",
	} {
		m, err := MergeSettings("s.json", []byte(text), c)
		require.NoError(t, err, text)
		assert.Equal(t, want, string(m.After))
		var read map[string]string // every setting is a string
		require.NoError(t, json.Unmarshal(m.After, &read))
		assert.Equal(t, `a=b;c="d"`, read["connectionString"])
	}
}

func TestParseValue(t *testing.T) {
	for text, want := range map[string]Value{
		"a.b=x":               {Path: []string{"a", "b"}, Value: "x"},
		`a\.b=x`:              {Path: []string{"a.b"}, Value: "x"},
		"a=true":              {Path: []string{"a"}, Value: true},
		"a=True":              {Path: []string{"a"}, Value: "True"},
		"a=12":                {Path: []string{"a"}, Value: 12},
		"a=012":               {Path: []string{"a"}, Value: "012"},
		"a=":                  {Path: []string{"a"}, Value: ""},
		"a=b=c,{d":            {Path: []string{"a"}, Value: "b=c,{d"},
		"registry.password=x": {Path: []string{"registry", "password"}, Value: "x", Secret: true},
		"registry.password=1": {Path: []string{"registry", "password"}, Value: "1", Secret: true},
		"auth.enabled=false":  {Path: []string{"auth", "enabled"}, Value: false},
		"auth.port=5000":      {Path: []string{"auth", "port"}, Value: 5000},
	} {
		got, err := ParseValue(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"a", "=x", ".a=x", "a.=x", "a b=x", "a[0]=x", "a=\x00", "a=\xff"} {
		_, err := ParseValue(text)
		assert.Error(t, err, text)
	}
}

func TestConnectionString(t *testing.T) {
	const good = "ConnectedRegistryName=edge01;SyncTokenName=edge01;SyncTokenPassword=Pa55==;ParentGatewayEndpoint=acme.westeurope.data.azurecr.io;ParentEndpointProtocol=https"
	const identity = "ConnectedRegistryName=edge01;ManagedIdentityClientId=0000;ParentGatewayEndpoint=acme.westeurope.data.azurecr.io;ParentEndpointProtocol=https"
	tests := map[string]struct {
		text   string
		faults []string
	}{
		"good":               {good, nil},
		"managed identity":   {identity, nil},
		"the parent's IP":    {strings.Replace(good, "acme.westeurope.data.azurecr.io", "10.96.0.50", 1), nil},
		"http":               {strings.Replace(good, "=https", "=http", 1), nil},
		"a final semicolon":  {good + ";", nil},
		"both":               {identity + ";SyncTokenName=a;SyncTokenPassword=b", []string{"both a sync token and a managed identity"}},
		"no password":        {strings.Replace(good, "SyncTokenPassword=Pa55==;", "", 1), []string{"lacks SyncTokenPassword"}},
		"placeholder":        {strings.Replace(good, "Pa55==", "<password>", 1), []string{"a placeholder for the password"}},
		"with its variable":  {"ACR_REGISTRY_CONNECTION_STRING=" + good, []string{"the name of its variable"}},
		"in quotes":          {`"` + good + `"`, []string{"quotation marks around it"}},
		"typographic":        {"“" + good + "”", []string{"typographic"}},
		"two lines":          {strings.Replace(good, ";Parent", ";\nParent", 1), []string{"several lines", "spells ParentGatewayEndpoint otherwise"}},
		"other capitals":     {strings.Replace(good, "SyncTokenName", "synctokenname", 1), []string{"spells SyncTokenName otherwise"}},
		"a URL":              {strings.Replace(good, "acme.", "https://acme.", 1), []string{"ParentGatewayEndpoint that is no host"}},
		"the registry's URL": {"acme.azurecr.io", []string{"a part that is no pair", "lacks ConnectedRegistryName"}},
		"a bad name":         {strings.Replace(good, "edge01;", "my-edge;", 1), []string{"5 to 40 letters and digits"}},
		"a short name":       {strings.Replace(good, "edge01;", "edge;", 1), []string{"5 to 40 letters and digits"}},
		"ftp":                {strings.Replace(good, "=https", "=ftp", 1), []string{"neither https nor http"}},
		"the guide's own":    {"[connection string here]", []string{"a placeholder that nobody has filled in"}},
		"a variable":         {"$CONNECTION_STRING", []string{"a placeholder that nobody has filled in"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, faults := ReadConnectionString(test.text)
			all := strings.Join(faults, "; ")
			for _, says := range test.faults {
				assert.Contains(t, all, says)
			}
			if test.faults == nil {
				assert.Empty(t, faults)
				assert.Equal(t, "edge01", c.Registry)
			}
			assert.NotContains(t, all, "Pa55")
		})
	}
}

func TestModesSayWhatTheyLack(t *testing.T) {
	pem := []byte("x")
	tests := map[string]struct {
		plan Plan
		says string
	}{
		"byoc without":            {Plan{Mode: ModeOwn}, "needs the certificate"},
		"byoc and a Secret":       {Plan{Mode: ModeOwn, Crt: pem, Key: pem, Secret: "s"}, "one of them"},
		"secret without":          {Plan{Mode: ModeSecret}, "needs the name of the Secret"},
		"own-trust without":       {Plan{Mode: ModeTrust}, "needs a certificate of one's own"},
		"default with":            {Plan{Mode: ModeDefault, Crt: pem, Key: pem}, "cert-manager issues"},
		"http with":               {Plan{Mode: ModeHTTP, Secret: "s"}, "there is no certificate"},
		"no key":                  {Plan{Crt: pem}, "no private key"},
		"no certificate":          {Plan{Key: pem}, "no certificate"},
		"a bad name":              {Plan{Mode: ModeSecret, Secret: "My_Secret"}, "no name that a Secret can have"},
		"a range for the address": {Plan{Mode: ModeDefault, ClusterIP: "10.96.0.0/16"}, "no address that a Service can have"},
		"the loopback":            {Plan{Mode: ModeDefault, ClusterIP: "127.0.0.1"}, "no address that a Service can have"},
		"another mode":            {Plan{Mode: "tls"}, "no mode"},
		"a bad string":            {Plan{Mode: ModeDefault, ConnectionString: "a"}, "lacks ConnectedRegistryName"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := test.plan.Change()
			assert.ErrorContains(t, err, test.says)
		})
	}
}

// What lint would say of values that a mode writes: nothing, for each mode.
func TestModesPleaseTheirOwnReader(t *testing.T) {
	for _, m := range Modes() {
		p := Plan{Mode: m.Mode, ClusterIP: "10.96.0.50", ConnectionString: "ConnectedRegistryName=edge01;SyncTokenName=edge01;SyncTokenPassword=x;ParentGatewayEndpoint=a.b.data.azurecr.io;ParentEndpointProtocol=https"}
		switch m.Mode {
		case ModeSecret, ModeTrust:
			p.Secret = "registry-tls"
		case ModeOwn:
			continue // with a real certificate in values_*.txtar
		}
		c, err := p.Change()
		require.NoError(t, err)
		merged, err := MergeValues("v.yaml", nil, c)
		require.NoError(t, err)
		units, err := Read("v.yaml", merged.After, format.Options{})
		require.NoError(t, err)
		require.Len(t, units, 1, "%s\n%s", m.Mode, merged.After)
		assert.Empty(t, units[0].Material.Notes, "%s\n%s", m.Mode, merged.After)
	}
}

// FuzzMergeValues: whatever the file, the change is in it, another YAML library
// agrees that nothing else is another, or the file stays as it is.
func FuzzMergeValues(f *testing.F) {
	for _, text := range []string{"", "a: b\n", "tls:\n  crt: |\n    x\n# c\n", "{a: b}", "tls: {crt: x}\n", "---\ntls:\n- a\n", "a: &x [1]\nb: *x\n", "\"tls\" : \n  'crt' : >-\n   x\n\n\nz: 1"} {
		f.Add(text)
	}
	c := Change{
		Set:   []Value{value("tls.crt", "LS0t"), value("cert-manager.enabled", false)},
		Reset: []Value{value("httpEnabled", false)}, Drop: [][]string{{"tls", "secret"}},
	}
	f.Fuzz(func(t *testing.T, text string) {
		var before map[string]any
		known := yaml.Unmarshal([]byte(text), &before) == nil
		m, err := MergeValues("v.yaml", []byte(text), c)
		if err != nil {
			if string(m.After) != text {
				t.Fatal("changed in spite of the error")
			}
			return
		}
		var after map[string]any
		if err := yaml.Unmarshal(m.After, &after); err != nil {
			if known {
				t.Fatalf("%q was read before, and %q is not: %v", text, m.After, err)
			}
			return
		}
		if tls, _ := after["tls"].(map[string]any); tls["crt"] != "LS0t" || tls["secret"] != nil {
			t.Fatalf("%q → %q", text, m.After)
		}
		if !known {
			return
		}
		for key, v := range before {
			if key == "tls" || key == "cert-manager" || key == "httpEnabled" {
				continue
			}
			was, _ := json.Marshal(v)
			is, _ := json.Marshal(after[key])
			if string(was) != string(is) {
				t.Fatalf("%q: %q was %s and is %s in %q", text, key, was, is, m.After)
			}
		}
	})
}

// FuzzReadConnectionString: nothing of a password is ever said.
func FuzzReadConnectionString(f *testing.F) {
	f.Add("ConnectedRegistryName=edge01;SyncTokenPassword=", ";ParentEndpointProtocol=https")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		const password = "Zq7-never-said"
		_, faults := ReadConnectionString(before + password + after)
		if strings.Contains(before, "Endpoint") || strings.Contains(before, "Name=") && !strings.Contains(before, "Password=") {
			return // a host and a name may be shown
		}
		for _, fault := range faults {
			if strings.Contains(fault, password) {
				t.Fatal(fault)
			}
		}
	})
}
