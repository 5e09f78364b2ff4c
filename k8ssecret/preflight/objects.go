package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret"
	"github.com/crpki/crpki/k8ssecret/cluster"
	"github.com/crpki/crpki/pki"
	"github.com/crpki/crpki/pki/format"
)

// serviceNames: pods dial Services by their names.
func (p *preflight) serviceNames() Check {
	switch {
	case !p.plan.Own || p.plan.HTTP:
		return skipped("the values hold no certificate")
	case len(p.plan.Unit.Material.Certs) == 0 || p.plan.Unit.Material.Certs[0].X509 == nil:
		return skipped("the certificate cannot be read")
	}
	names := pki.NamesOf(p.plan.Unit.Material.Certs[0].X509)
	want := []string{p.serviceName(p.Release)}
	services, err := p.servicesHere()
	for _, s := range services {
		if p.ofRelease(s.Metadata) {
			want = append(want, p.serviceName(s.Metadata.Name))
		}
	}
	slices.Sort(want)
	want = slices.Compact(want)
	missing := slices.DeleteFunc(slices.Clone(want), names.Covers)
	if len(missing) > 0 {
		return warned("crpki gen "+flagsFor(p.hosts())+" --dns "+strings.Join(missing, ","),
			"the certificate does not name %s: pods that dial the Service by its name, not its address, do not trust it", strings.Join(missing, ", "))
	}
	if err != nil {
		return p.unseen("which Services the release has already", err)
	}
	return passed("the certificate names %s", strings.Join(want, ", "))
}

func (p *preflight) serviceName(service string) string {
	return service + "." + p.Namespace + ".svc.cluster.local"
}

// secret: the one of tls.secret is there, of the type that its readers look for,
// with all keys, and what is in it is right.
func (p *preflight) secret() Check {
	name := p.plan.Secret
	if name == "" || p.plan.HTTP {
		return skipped("the values name none")
	}
	make := fmt.Sprintf("crpki secret %s --from certs --namespace %s --create-namespace --apply", name, p.Namespace)
	s, err := cluster.Get[cluster.Secret](p.ctx, p.client, cluster.Secrets, p.Namespace, name)
	switch {
	case is(err, cluster.NotFound):
		return failed(make, "the Secret %s/%s is not there", p.Namespace, name)
	case is(err, cluster.Invalid):
		return failed(make, "%q is no name that a Secret can have", pki.Printable(name))
	case err != nil:
		return p.unseen("the Secret "+p.Namespace+"/"+name, err)
	case s.Type != k8ssecret.TypeTLS:
		return failed(fmt.Sprintf("kubectl delete secret %s -n %s, for its type cannot change, and then %s", name, p.Namespace, make),
			"the Secret %s/%s is of the type %s, and not %s", p.Namespace, name, s.Type, k8ssecret.TypeTLS)
	}
	var missing []string
	for _, key := range []string{k8ssecret.FieldCert, k8ssecret.FieldKey, k8ssecret.FieldCA} {
		if len(s.Data[key]) == 0 {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return failed(make, "the Secret %s/%s lacks %s", p.Namespace, name, strings.Join(missing, ", "))
	}
	return p.secretContent(s, make)
}

// secretContent judges what is in the Secret as lint judges a manifest.
func (p *preflight) secretContent(s cluster.Secret, fix string) Check {
	where := "secret/" + p.Namespace + "/" + s.Metadata.Name
	manifest, err := k8ssecret.Secret{Name: s.Metadata.Name, Namespace: p.Namespace, Type: s.Type, Data: s.Data}.Manifest()
	if err != nil {
		return failed(fix, "%s: %v", where, err)
	}
	units, err := k8ssecret.Read(where+".json", manifest, format.Options{})
	if err != nil || len(units) == 0 {
		return failed(fix, "%s holds nothing that can be read as a certificate", where)
	}
	for i := range units {
		units[i].Hosts = append(units[i].Hosts, p.hosts()...)
	}
	if c, clean := p.lint(units); !clean {
		c.Message = where + ": " + c.Message
		return c
	}
	return p.covers(units[0].Material, "the certificate in "+where)
}

// isDefaultClass is what marks the storage class that claims without one get.
const isDefaultClass = "storageclass.kubernetes.io/is-default-class"

// storageClass: the one that the values name is there, or a default one.
func (p *preflight) storageClass() Check {
	if size := p.plan.StorageRequest; size != "" && !isQuantity(size) {
		return failed("crpki values --storage-request 250Gi", "pvc.storageRequest %q is no quantity that Kubernetes knows", pki.Printable(size))
	}
	class, c, ok := p.class()
	switch {
	case !ok:
		return c
	case p.plan.StorageClass == "":
		return passed("%s is the default (%s)", class.Metadata.Name, class.Provisioner)
	}
	return passed("%s is there (%s)", class.Metadata.Name, class.Provisioner)
}

// class finds the storage class; c says why there is none.
func (p *preflight) class() (class cluster.StorageClass, c Check, ok bool) {
	if name := p.plan.StorageClass; name != "" {
		class, err := cluster.Get[cluster.StorageClass](p.ctx, p.client, cluster.StorageClasses, "", name)
		switch {
		case is(err, cluster.NotFound):
			return class, failed("kubectl get storageclass", "there is no storage class %s%s", name, p.otherClasses()), false
		case is(err, cluster.Invalid):
			return class, failed("kubectl get storageclass", "%q is no name that a storage class can have", pki.Printable(name)), false
		case err != nil:
			return class, p.unseen("the storage class "+name, err), false
		}
		return class, c, true
	}
	classes, err := cluster.List[cluster.StorageClass](p.ctx, p.client, cluster.StorageClasses, "", cluster.ListOptions{})
	if err != nil {
		return class, p.unseen("whether there is a default storage class", err), false
	}
	found := slices.DeleteFunc(classes, func(s cluster.StorageClass) bool { return s.Metadata.Annotations[isDefaultClass] != "true" })
	if len(found) == 0 {
		return class, failed("crpki values --storage-class NAME", "pvc.storageClassName is not set, and the cluster has no default storage class: the volume stays Pending"), false
	}
	// Of several, the newest counts (k8s.io/kubernetes pkg/volume/util, GetDefaultClass).
	newest := slices.MaxFunc(found, func(a, b cluster.StorageClass) int {
		return a.Metadata.CreationTimestamp.Compare(b.Metadata.CreationTimestamp)
	})
	return newest, c, true
}

// otherClasses lists the classes that there are.
func (p *preflight) otherClasses() string {
	classes, err := cluster.List[cluster.StorageClass](p.ctx, p.client, cluster.StorageClasses, "", cluster.ListOptions{})
	if err != nil || len(classes) == 0 {
		return ""
	}
	var names []string
	for _, s := range classes {
		names = append(names, s.Metadata.Name)
	}
	return "; there is " + strings.Join(names, ", ")
}

// isQuantity tells what Kubernetes takes for a size: 250Gi, 1.5T, 1e12.
func isQuantity(text string) bool {
	number := strings.TrimRight(text, "EPTGMKkimun")
	switch suffix := text[len(number):]; suffix {
	case "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "k", "M", "G", "T", "P", "E":
	default:
		return false
	}
	mantissa, exponent, ok := strings.Cut(strings.ToLower(number), "e")
	if ok && (exponent == "" || strings.Trim(exponent, "0123456789") != "") {
		return false
	}
	return strings.Trim(mantissa, "0123456789.") == "" && strings.Count(mantissa, ".") <= 1 && strings.Trim(mantissa, "0.") != ""
}

// Provisioners whose volumes several nodes can, or cannot, write to at a time,
// by their documents. Of others the volumes that there are may tell.
var (
	manyWriters = [...]string{
		"file.csi.azure.com", "kubernetes.io/azure-file", "efs.csi.aws.com", "filestore.csi.storage.gke.io", "nfs.csi.k8s.io", "smb.csi.k8s.io",
		"driver.longhorn.io", ".cephfs.csi.ceph.com", "-nfs-subdir-external-provisioner", "k8s-sigs.io/nfs-subdir-external-provisioner",
	}
	oneWriter = [...]string{
		"disk.csi.azure.com", "kubernetes.io/azure-disk", "ebs.csi.aws.com", "kubernetes.io/aws-ebs", "pd.csi.storage.gke.io", "kubernetes.io/gce-pd",
		"rancher.io/local-path", "k8s.io/minikube-hostpath", "microk8s.io/hostpath", "docker.io/hostpath", ".rbd.csi.ceph.com",
		"cinder.csi.openstack.org", "kubernetes.io/cinder", "topolvm.io", "local.csi.openebs.io", "openebs.io/local",
	}
	volumes = cluster.Resource{Version: "v1", Name: "persistentvolumes", Kind: "PersistentVolume", ClusterScoped: true}
)

// volume is a PersistentVolume.
type volume struct {
	Spec struct {
		StorageClassName string   `json:"storageClassName"`
		AccessModes      []string `json:"accessModes"`
	} `json:"spec"`
}

// storageAccess: replicas on several nodes write to the same volume.
func (p *preflight) storageAccess() Check {
	if !p.plan.HA {
		return skipped("one replica needs no volume that several nodes write to")
	}
	class, c, ok := p.class()
	if !ok {
		if c.Verdict == Fail {
			c = skipped("there is no storage class to judge")
		}
		return c
	}
	const fix = "crpki values --storage-class NAME, of a class that can do ReadWriteMany: Azure Files, NFS, CephFS, Longhorn"
	is := func(known []string) bool {
		return slices.ContainsFunc(known, func(k string) bool {
			return class.Provisioner == k || (k[0] == '.' || k[0] == '-') && strings.HasSuffix(class.Provisioner, k)
		})
	}
	switch {
	case is(manyWriters[:]) || class.Provisioner == "csi.nutanix.com" && class.Parameters["storageType"] == "NutanixFiles":
		return passed("volumes of %s (%s) can be ReadWriteMany", class.Metadata.Name, class.Provisioner)
	case is(oneWriter[:]) || class.Provisioner == "csi.nutanix.com" && class.Parameters["storageType"] == "NutanixVolumes":
		return failed(fix, "volumes of %s (%s) are ReadWriteOnce: the replicas on other nodes stay Pending", class.Metadata.Name, class.Provisioner)
	}
	return p.volumesOf(class, fix)
}

// volumesOf looks at the volumes that a class has made: one that is
// ReadWriteMany tells that it can.
func (p *preflight) volumesOf(class cluster.StorageClass, fix string) Check {
	for v, err := range cluster.Each[volume](p.ctx, p.client, volumes, "", cluster.ListOptions{}) {
		if err != nil {
			return p.unseen(fmt.Sprintf("whether %s (%s), which is not known here, makes volumes that are ReadWriteMany", class.Metadata.Name, class.Provisioner), err)
		}
		if v.Spec.StorageClassName == class.Metadata.Name && slices.Contains(v.Spec.AccessModes, "ReadWriteMany") {
			return passed("%s (%s) has made volumes that are ReadWriteMany", class.Metadata.Name, class.Provisioner)
		}
	}
	return warned(fix, "%s (%s) is not known here: see in its documents whether its volumes can be ReadWriteMany", class.Metadata.Name, class.Provisioner)
}

// What cert-manager brings.
var (
	certificates = cluster.Resource{Group: "cert-manager.io", Version: "v1", Name: "certificates", Kind: "Certificate"}
	definitions  = cluster.Resource{Group: "apiextensions.k8s.io", Version: "v1", Name: "customresourcedefinitions", Kind: "CustomResourceDefinition", ClusterScoped: true}
)

// certManager: there when the values count on it, and not there when they bring
// another.
func (p *preflight) certManager() Check {
	if !p.plan.Issued {
		return skipped("the values do not use it")
	}
	there, err := p.client.Serves(p.ctx, certificates)
	switch {
	case err != nil:
		return p.unseen("whether the cluster has cert-manager", err)
	case p.plan.Install && there:
		return p.secondCertManager()
	case p.plan.Install:
		return passed("the cluster has none, and the chart brings it")
	case !there:
		return failed("install cert-manager first, or leave cert-manager.install at true", "cert-manager.install is false, and the cluster has no cert-manager: nobody would issue the certificate, and the registry stays Pending")
	}
	return passed("the cluster has it, and the values count on that")
}

// secondCertManager: the one that is there may be the release's own, of an
// earlier installation.
func (p *preflight) secondCertManager() Check {
	const fix = "crpki values --mode cert-manager, or cert-manager.install=false"
	crd, err := cluster.Get[cluster.Object](p.ctx, p.client, definitions, "", "certificates.cert-manager.io")
	switch {
	case err != nil && !is(err, cluster.Forbidden):
		p.fatal = err
		return Check{}
	case err != nil:
		c := p.unseen("the cluster has a cert-manager, and the values install one: whether it is this release's own", err)
		c.Fix = fix + ", if it is not"
		return c
	}
	name, namespace := crd.Metadata.Annotations["meta.helm.sh/release-name"], crd.Metadata.Annotations["meta.helm.sh/release-namespace"]
	if name == p.Release && namespace == p.Namespace {
		return passed("the cluster has it from this release")
	}
	whose := "somebody has installed it without Helm"
	if name != "" {
		whose = fmt.Sprintf("the release %s in %s has brought it", name, namespace)
	}
	return failed(fix, "the values install cert-manager, and the cluster has one (%s): two of them fight over their resources", whose)
}

// deployment is what runs cert-manager.
type deployment struct {
	Metadata cluster.Meta `json:"metadata"`
	Status   struct {
		ReadyReplicas int `json:"readyReplicas"`
	} `json:"status"`
}

// certManagerReady: resources alone issue nothing.
func (p *preflight) certManagerReady() Check {
	if !p.plan.Issued || p.plan.Install {
		return skipped("the values do not count on one that runs")
	}
	if there, err := p.client.Serves(p.ctx, certificates); err == nil && !there {
		return skipped("the cluster has none")
	}
	all, err := cluster.List[deployment](p.ctx, p.client, cluster.Deployments, "", cluster.ListOptions{Labels: "app.kubernetes.io/name=cert-manager"})
	if err != nil {
		return p.unseen("whether cert-manager's controller runs", err)
	}
	for _, d := range all {
		if d.Status.ReadyReplicas > 0 {
			return passed("%s/%s runs", d.Metadata.Namespace, d.Metadata.Name)
		}
	}
	if len(all) == 0 {
		return warned("kubectl get deployments -A -l app.kubernetes.io/name=cert-manager", "the cluster has cert-manager's resources, and no Deployment with its label: does anything issue certificates?")
	}
	return failed(fmt.Sprintf("kubectl describe deployment %s -n %s", all[0].Metadata.Name, all[0].Metadata.Namespace), "cert-manager's controller does not run: %s/%s has no pod that is ready", all[0].Metadata.Namespace, all[0].Metadata.Name)
}
