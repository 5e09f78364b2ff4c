package cluster

import (
	"encoding/json"
	"time"
)

// The fields of objects that crpki looks at, named as in the API. What is not
// here is not decoded.

// Meta is the metadata of an object.
type Meta struct {
	Name              string            `json:"name,omitempty"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	CreationTimestamp time.Time         `json:"creationTimestamp,omitzero"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp,omitempty"`
	OwnerReferences   []OwnerReference  `json:"ownerReferences,omitempty"`
	ManagedFields     []ManagedField    `json:"managedFields,omitempty"`
}

// OwnerReference names the object that another one belongs to.
type OwnerReference struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

// ManagedField says which fields a manager owns.
type ManagedField struct {
	Manager   string          `json:"manager"`
	Operation string          `json:"operation"` // Apply, Update
	FieldsV1  json.RawMessage `json:"fieldsV1,omitempty"`
}

// Object is an object of any kind, of which only the metadata counts.
type Object struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Metadata   Meta   `json:"metadata"`
}

// Secret holds values by key; they come and go as base64.
type Secret struct {
	Metadata  Meta              `json:"metadata"`
	Type      string            `json:"type"`
	Immutable bool              `json:"immutable,omitempty"`
	Data      map[string][]byte `json:"data"`
}

// ConfigMap holds texts, and bytes that are none, by key.
type ConfigMap struct {
	Metadata   Meta              `json:"metadata"`
	Immutable  bool              `json:"immutable,omitempty"`
	Data       map[string]string `json:"data"`
	BinaryData map[string][]byte `json:"binaryData"`
}

// Service gives a name and addresses to pods.
type Service struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		Type string `json:"type"` // ClusterIP, NodePort, LoadBalancer, ExternalName
		// ClusterIP is "None" for a headless Service, "" for ExternalName.
		ClusterIP    string            `json:"clusterIP"`
		ClusterIPs   []string          `json:"clusterIPs"`
		ExternalIPs  []string          `json:"externalIPs"`
		ExternalName string            `json:"externalName"`
		IPFamilies   []string          `json:"ipFamilies"`
		Selector     map[string]string `json:"selector"`
		Ports        []ServicePort     `json:"ports"`
	} `json:"spec"`
	Status struct {
		LoadBalancer struct {
			Ingress []struct {
				IP       string `json:"ip"`
				Hostname string `json:"hostname"`
			} `json:"ingress"`
		} `json:"loadBalancer"`
	} `json:"status"`
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
	NodePort int    `json:"nodePort"`
}

// ServiceAccount is whom pods run as.
type ServiceAccount struct {
	Metadata         Meta              `json:"metadata"`
	ImagePullSecrets []LocalObjectName `json:"imagePullSecrets"`
}

// LocalObjectName names an object of the same namespace.
type LocalObjectName struct {
	Name string `json:"name"`
}

// Namespace separates objects.
type Namespace struct {
	Metadata Meta `json:"metadata"`
	Status   struct {
		Phase string `json:"phase"` // Active, Terminating
	} `json:"status"`
}

// ServiceCIDR is a range from which Services get their addresses.
type ServiceCIDR struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		CIDRs []string `json:"cidrs"`
	} `json:"spec"`
	Status struct {
		Conditions []Condition `json:"conditions"`
	} `json:"status"`
}

// IPAddress is the mark that an address, its name, is taken.
type IPAddress struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		ParentRef ObjectReference `json:"parentRef"`
	} `json:"spec"`
}

// ObjectReference names an object anywhere.
type ObjectReference struct {
	Group     string `json:"group,omitempty"`
	Resource  string `json:"resource,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	FieldPath string `json:"fieldPath,omitempty"`
}

// StorageClass is a kind of volume that can be asked for.
type StorageClass struct {
	Metadata             Meta              `json:"metadata"`
	Provisioner          string            `json:"provisioner"`
	Parameters           map[string]string `json:"parameters"`
	AllowVolumeExpansion *bool             `json:"allowVolumeExpansion"`
	VolumeBindingMode    string            `json:"volumeBindingMode"`
}

// Condition is a statement about an object's state.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"` // True, False, Unknown
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Pod runs containers.
type Pod struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		NodeName           string            `json:"nodeName"`
		ServiceAccountName string            `json:"serviceAccountName"`
		ImagePullSecrets   []LocalObjectName `json:"imagePullSecrets"`
		InitContainers     []Container       `json:"initContainers"`
		Containers         []Container       `json:"containers"`
		Ephemeral          []Container       `json:"ephemeralContainers"`
	} `json:"spec"`
	Status struct {
		Phase                      string            `json:"phase"`
		Reason                     string            `json:"reason"`
		Message                    string            `json:"message"`
		HostIP                     string            `json:"hostIP"`
		Conditions                 []Condition       `json:"conditions"`
		InitContainerStatuses      []ContainerStatus `json:"initContainerStatuses"`
		ContainerStatuses          []ContainerStatus `json:"containerStatuses"`
		EphemeralContainerStatuses []ContainerStatus `json:"ephemeralContainerStatuses"`
	} `json:"status"`
}

// Container is what a pod is to run.
type Container struct {
	Name            string `json:"name"`
	Image           string `json:"image"`
	ImagePullPolicy string `json:"imagePullPolicy"`
}

// ContainerStatus is how a container does.
type ContainerStatus struct {
	Name         string         `json:"name"`
	Image        string         `json:"image"`
	ImageID      string         `json:"imageID"`
	Ready        bool           `json:"ready"`
	RestartCount int            `json:"restartCount"`
	State        ContainerState `json:"state"`
	LastState    ContainerState `json:"lastState"`
}

// ContainerState is one of three; the others are nil.
type ContainerState struct {
	Waiting *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"waiting"`
	Running *struct {
		StartedAt time.Time `json:"startedAt"`
	} `json:"running"`
	Terminated *struct {
		Reason   string `json:"reason"`
		Message  string `json:"message"`
		ExitCode int    `json:"exitCode"`
	} `json:"terminated"`
}

// Event tells what happened to an object.
type Event struct {
	Metadata       Meta            `json:"metadata"`
	InvolvedObject ObjectReference `json:"involvedObject"`
	Type           string          `json:"type"` // Normal, Warning
	Reason         string          `json:"reason"`
	Message        string          `json:"message"`
	Count          int             `json:"count"`
	FirstTimestamp *time.Time      `json:"firstTimestamp"`
	LastTimestamp  *time.Time      `json:"lastTimestamp"`
	EventTime      *time.Time      `json:"eventTime"`
	Source         struct {
		Component string `json:"component"`
		Host      string `json:"host"`
	} `json:"source"`
	ReportingComponent string `json:"reportingComponent"`
	ReportingInstance  string `json:"reportingInstance"`
}

// Node is a machine that runs pods.
type Node struct {
	Metadata Meta `json:"metadata"`
	Status   struct {
		NodeInfo struct {
			KubeletVersion          string `json:"kubeletVersion"`
			ContainerRuntimeVersion string `json:"containerRuntimeVersion"`
			OSImage                 string `json:"osImage"`
		} `json:"nodeInfo"`
	} `json:"status"`
}
