package cluster

// Resource is a kind of object, as the API server files it.
type Resource struct {
	Group, Version string // Group is "" for the core group
	Name           string // in the plural, as in URLs and in RBAC
	Kind           string
	// ClusterScoped objects have no namespace.
	ClusterScoped bool
}

// The resources that crpki looks at.
var (
	Secrets         = Resource{Version: "v1", Name: "secrets", Kind: "Secret"}
	Services        = Resource{Version: "v1", Name: "services", Kind: "Service"}
	ServiceAccounts = Resource{Version: "v1", Name: "serviceaccounts", Kind: "ServiceAccount"}
	ConfigMaps      = Resource{Version: "v1", Name: "configmaps", Kind: "ConfigMap"}
	Pods            = Resource{Version: "v1", Name: "pods", Kind: "Pod"}
	Events          = Resource{Version: "v1", Name: "events", Kind: "Event"}
	Namespaces      = Resource{Version: "v1", Name: "namespaces", Kind: "Namespace", ClusterScoped: true}
	Nodes           = Resource{Version: "v1", Name: "nodes", Kind: "Node", ClusterScoped: true}

	Deployments  = Resource{Group: "apps", Version: "v1", Name: "deployments", Kind: "Deployment"}
	StatefulSets = Resource{Group: "apps", Version: "v1", Name: "statefulsets", Kind: "StatefulSet"}
	DaemonSets   = Resource{Group: "apps", Version: "v1", Name: "daemonsets", Kind: "DaemonSet"}

	ServiceCIDRs   = Resource{Group: "networking.k8s.io", Version: "v1", Name: "servicecidrs", Kind: "ServiceCIDR", ClusterScoped: true}
	IPAddresses    = Resource{Group: "networking.k8s.io", Version: "v1", Name: "ipaddresses", Kind: "IPAddress", ClusterScoped: true}
	StorageClasses = Resource{Group: "storage.k8s.io", Version: "v1", Name: "storageclasses", Kind: "StorageClass", ClusterScoped: true}
)

// APIVersion is what manifests say: "v1", "apps/v1".
func (r Resource) APIVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// String is the name that RBAC and messages use: "secrets", "deployments.apps".
func (r Resource) String() string {
	if r.Group == "" {
		return r.Name
	}
	return r.Name + "." + r.Group
}

// root is the path below which all of the resource's group lies.
func (r Resource) root() []string {
	if r.Group == "" {
		return []string{"/api", r.Version}
	}
	return []string{"/apis", r.Group, r.Version}
}

// path is that of one object, or of all when name is empty.
func (r Resource) path(namespace, name string) []string {
	p := r.root()
	if !r.ClusterScoped && namespace != "" {
		p = append(p, "namespaces", namespace)
	}
	p = append(p, r.Name)
	if name != "" {
		p = append(p, name)
	}
	return p
}
