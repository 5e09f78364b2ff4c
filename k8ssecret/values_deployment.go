package k8ssecret

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/crpki/crpki/k8ssecret/internal/tree"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// Deployment is what the values of the connected registry's chart, or the
// settings of its extension, are going to make.
type Deployment struct {
	// Unit is what lint judges: certificate, key and CA, the faults of the file,
	// and the hosts that clients dial.
	Unit Unit
	// Azure: an extension, and no Helm chart.
	Azure bool

	ClusterIP, LoginServer string
	// ConnectionString may be shown; ConnectionFaults say what is wrong with the
	// rest of it, and with one that is missing.
	ConnectionString ConnectionString
	ConnectionFaults []string

	// Issued: cert-manager makes the certificate. Install: it comes with the chart.
	Issued, Install bool
	HTTP            bool
	// Own: certificate and key stand in the values. Secret is the name of the
	// Secret that holds them otherwise, "" when neither does.
	Own    bool
	Secret string

	StorageClass, StorageRequest string
	// HA: the chart for high availability, with so many replicas, 0 when nothing
	// says.
	HA       bool
	Replicas int
}

// azConfig is the origin of what stands behind az's --config.
const azConfig = "--az-config"

// ErrNoValues is given for a file of something else.
var ErrNoValues = errors.New("there are no values of the connected registry's chart in it, nor settings of its extension")

// ReadDeployment reads values files, of which the last counts most, and strings
// as behind helm's --set; or the settings file of an Azure extension and
// strings as behind az's --config. Positions are as for [ReadSet].
func ReadDeployment(files []Input, sets, configs []string, opt format.Options) (d Deployment, err error) {
	for _, f := range files {
		d.Azure = d.Azure || Sniff(f.Source, f.Data) == KindAzureSettings || isFlat(f.Data)
	}
	d.Azure = d.Azure || len(configs) > 0
	flag, texts := "--set", sets
	if d.Azure {
		flag, texts = azConfig, configs
		if len(sets) > 0 || len(files) > 1 {
			return d, errors.New("an Azure extension takes one file of settings and --az-config, a chart takes values files and --set")
		}
		for _, f := range files {
			if at, why := strictJSON(toUTF8(f.Data)); why != "" {
				line, column := (&tree.Source{Text: toUTF8(f.Data)}).Pos(at)
				return d, &format.Error{Origin: pki.Origin{Source: f.Source, Line: line, Column: column}, Err: fmt.Errorf("not JSON: %s", why)}
			}
		}
	}
	v, err := readSets(files, flag, texts, opt)
	if err != nil {
		return d, err
	}
	v.part()
	if !v.ours() && v.prefix == "" && !d.Azure {
		return d, ErrNoValues
	}
	if d.Azure {
		v.strings()
	}
	v.judge()
	d.Unit = v.unit
	if len(files) > 0 {
		d.Unit.Target = files[len(files)-1].Source
	}
	return d, d.read(v)
}

// isFlat tells settings, of which the connection string may be all there is,
// from values in JSON.
func isFlat(data []byte) bool {
	docs := tree.Read(&tree.Source{Text: toUTF8(data)})
	return len(docs) > 0 && docs[0].Root != nil && docs[0].Root.Kind == tree.Map && docs[0].Root.Style == tree.Flow &&
		!slices.ContainsFunc(docs[0].Root.Pairs, func(p tree.Pair) bool { return p.Value.Kind == tree.Map })
}

// part goes down to the chart's own values in those of a parent.
func (v *valuesReader) part() {
	if v.ours() || v.dotted {
		return
	}
	for _, p := range v.root.Pairs {
		below := &valuesReader{reader: v.reader, root: p.Value, prefix: p.Key}
		if p.Value.Kind == tree.Map && (below.ours() || p.Key == "connected-registry") {
			v.root, v.prefix = p.Value, p.Key
			return
		}
	}
}

// read takes the values that decide.
func (d *Deployment) read(v *valuesReader) error {
	text := func(key string) string { return strings.TrimSpace(v.get(key).Scalar()) }
	d.ClusterIP, d.LoginServer = text("service.clusterIP"), text("registryLoginServer")
	d.StorageClass, d.StorageRequest = text("pvc.storageClassName"), text("pvc.storageRequest")
	d.Secret = text("tls.secret")
	d.Own = text("tls.crt") != "" || text("tls.key") != ""
	d.HTTP = v.state("httpEnabled") == on
	d.Issued = v.state("cert-manager.enabled") != off && !d.HTTP
	d.Install = d.Issued && v.state("cert-manager.install") != off
	d.HA = slices.ContainsFunc([]string{"registry.replicas", "registry.uploadSecret"}, func(key string) bool { return v.get(key) != nil })
	d.Replicas, _ = strconv.Atoi(text("registry.replicas"))
	if n := v.get("connectionString"); n == nil || n.Text == "" {
		d.ConnectionFaults = []string{"the connection string is missing: az acr connected-registry get-settings prints it"}
	} else {
		d.ConnectionString, d.ConnectionFaults = ReadConnectionString(n.Text)
	}
	if d.ClusterIP != "" && isPlaceholder(d.ClusterIP) || d.Secret != "" && isPlaceholder(d.Secret) {
		return errors.New("it holds placeholders that nobody has filled in")
	}
	return nil
}
