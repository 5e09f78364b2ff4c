package k8ssecret

import (
	"os"
	"strings"
	"testing"

	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// sources are names by which a text is read in each of the ways.
var sources = []string{"x.yaml", "x.json", "values.yaml", "protected-settings.json", ".env", "x.sh", "x.md", "x"}

// FuzzRead reads any text in every way: nothing panics, and every place is one
// in the text.
func FuzzRead(f *testing.F) {
	p := registry()
	f.Add(fill(goodSecret, p))
	f.Add(fill(goodValues, p))
	f.Add("{\"connectionString\": \"ConnectedRegistryName=a\", \"tls.crt\": $A, “tls.key”: 1}")
	f.Add("kind: List\nitems:\n- kind: Secret\n  type: tls\n  stringData: {tls.crt: \"-----BEGIN CERTIFICATE-----\"}\n")
	f.Add("export TLS_CRT=\"LS0t\nLS0t\"\nTLS_KEY='x'\nLS0t\n")
	f.Add("apiVersion: cert-manager.io/v1\nkind: Certificate\nspec: {dnsNames: [a.b.svc], duration: 90d, privateKey: {size: 1}}\n")
	f.Add("cat <<-'A' | kubectl apply -f -\n\tkind: Secret\n\tmetadata: {type: kubernetes.io/tls}\n\tA\nopenssl req -x509 -addext subjectAltName=DNS:a,IP:b \\ \n -addext 'subjectAltName=$(c)'\n")
	f.Add("helm install connected-registry x --set tls\\.crt={a,b},cert-manager.enabled=false --set-string httpEnabled=true\naz k8s-extension create --config tls.secret=“a”\n")
	if doc, err := os.ReadFile("testdata/broken.md"); err == nil {
		f.Add(string(doc))
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := 1 + strings.Count(text, "\n")
		inside := func(o pki.Origin) {
			if o.Line < 0 || o.Line > lines || o.Column < 0 {
				t.Fatalf("%v points to line %d, column %d of %d lines", o, o.Line, o.Column, lines)
			}
		}
		for _, source := range sources {
			units, _ := Read(source, []byte(text), format.Options{})
			for _, u := range units {
				inside(u.Origin)
				for _, n := range u.Material.Notes {
					inside(n.Origin)
					if n.Rule == "" || strings.ContainsAny(n.Detail, "\n\x1b") {
						t.Fatalf("note %q: %q", n.Rule, n.Detail)
					}
				}
				for _, c := range u.Material.Certs {
					inside(c.Origin)
				}
			}
		}
	})
}

// FuzzReaders hands any text to each reader, past what Sniff lets through.
func FuzzReaders(f *testing.F) {
	f.Add("kind: Secret\ndata: {tls.crt: a}\n")
	f.Add("A=\"b\\\"\nc\"\n")
	f.Add("a $(b `c` <<D\n$(e)\nD\n) 'f")
	f.Fuzz(func(_ *testing.T, text string) {
		for _, read := range []func(*reader){(*reader).manifests, (*reader).valuesFile, (*reader).settingsFile, (*reader).envFile, (*reader).script} {
			read(newReader("x", text, format.Options{}))
			read(newReader("x.md", text, format.Options{}))
		}
	})
}

// FuzzSniff: what Sniff says nothing about, Read finds nothing in.
func FuzzSniff(f *testing.F) {
	for i, name := range sources {
		f.Add(name, []byte{byte(i), 'k', 'i', 'n', 'd', ':'})
	}
	f.Add("x.yaml", []byte("\xFF\xFEk\x00:\x00"))
	f.Add("x", []byte("kind: Secret\ntls.crt"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if Sniff(name, data) != "" {
			return
		}
		if units, err := Read(name, data, format.Options{}); len(units) > 0 || err != nil {
			t.Fatalf("%d units, %v", len(units), err)
		}
	})
}

// FuzzReadSet reads any --set string above any values file.
func FuzzReadSet(f *testing.F) {
	f.Add("tls: {secret: a}", `tls\.crt=a,b={c,d},e[0].f=g,h`)
	f.Add("a: b", "service.clusterIP=10.0.0.1,x")
	f.Fuzz(func(t *testing.T, file, set string) {
		u, err := ReadSet([]Input{{"values.yaml", []byte(file)}}, []string{set, "a=b"}, format.Options{})
		if err == nil && u.Kind != KindSet {
			t.Fatal(u.Kind)
		}
	})
}
