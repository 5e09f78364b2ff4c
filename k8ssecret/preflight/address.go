package preflight

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"

	"github.com/crpki/crpki/k8ssecret/cluster"
)

// ipFacts are what the cluster says about service.clusterIP.
type ipFacts struct {
	addr   netip.Addr
	ranges []netip.Prefix
	// from is where the ranges are known from.
	from string
	// trial is what the API server said to a Service with the address, tried
	// without making it; nil when it was not asked.
	trial *trial
}

// trial is the API server's answer.
type trial struct {
	// taken: another Service has the address. outside: it is in no range.
	ok, taken, outside bool
	err                error
}

// address reads service.clusterIP; ok is false when a check of it makes no sense.
func (p *preflight) address() (c Check, ok bool) {
	if p.plan.ClusterIP == "" {
		return failed("crpki values --cluster-ip ADDRESS", "service.clusterIP is not set: it is the address that clients dial"), false
	}
	addr, err := netip.ParseAddr(p.plan.ClusterIP)
	if err != nil || addr.Zone() != "" {
		return failed("crpki values --cluster-ip ADDRESS", "service.clusterIP %q is no IP address", p.plan.ClusterIP), false
	}
	p.ip.addr = addr.Unmap()
	return c, true
}

// ipRange: in a range of the cluster, and neither its first nor, for IPv4, its
// last address.
func (p *preflight) ipRange() Check {
	if c, ok := p.address(); !ok {
		return c
	}
	if err := p.findRanges(); err != nil {
		if t := p.tryAddress(); t.ok || t.taken {
			return passed("%s is in the range of Services (the API server says so)", p.ip.addr)
		} else if t.outside {
			return failed("choose an address of that range, and a certificate that names it", "%s", t.err)
		} else {
			return p.unseen("the range of the cluster's Services", err, t.err)
		}
	}
	for _, r := range p.ip.ranges {
		switch {
		case !r.Contains(p.ip.addr):
		case p.ip.addr == r.Addr() || p.ip.addr.Is4() && !r.Contains(p.ip.addr.Next()):
			return failed("choose another address of "+r.String(), "%s is the first or the last address of %s, which no Service gets", p.ip.addr, r)
		default:
			return passed("%s is in %s (%s)", p.ip.addr, r, p.ip.from)
		}
	}
	return failed("choose a free address of "+joinPrefixes(p.ip.ranges)+" below "+p.bandEnd()+", and a certificate that names it",
		"%s is not in %s, the range of the cluster's Services (%s)", p.ip.addr, joinPrefixes(p.ip.ranges), p.ip.from)
}

func joinPrefixes(all []netip.Prefix) string {
	var texts []string
	for _, r := range all {
		texts = append(texts, r.String())
	}
	return strings.Join(texts, ", ")
}

func (p *preflight) bandEnd() string {
	if _, end := staticBand(p.ip.ranges[0]); end.IsValid() {
		return end.String()
	}
	return "its end"
}

// findRanges asks the API for ServiceCIDRs (1.33 and newer), and where there are
// none, or they may not be seen, for what kubeadm and the API server's own pod
// have written down.
func (p *preflight) findRanges() error {
	if p.ip.ranges != nil {
		return nil
	}
	cidrs, err := cluster.List[cluster.ServiceCIDR](p.ctx, p.client, cluster.ServiceCIDRs, "", cluster.ListOptions{})
	for _, c := range cidrs {
		for _, text := range c.Spec.CIDRs {
			if r, err := netip.ParsePrefix(text); err == nil && c.Metadata.DeletionTimestamp == nil {
				p.ip.ranges = append(p.ip.ranges, r.Masked())
			}
		}
	}
	if p.ip.ranges != nil {
		p.ip.from = "ServiceCIDR " + cidrs[0].Metadata.Name
		return nil
	}
	if err != nil && !is(err, cluster.Forbidden) && !is(err, cluster.NoAPI) {
		return err
	}
	if p.kubeadmRanges() || p.podRanges() {
		return nil
	}
	if err == nil {
		err = &cluster.Error{Kind: cluster.NoAPI, Detail: "no ServiceCIDR, no kubeadm-config and no pod of the API server says it"}
	}
	return err
}

// kubeadmRanges reads networking.serviceSubnet of kubeadm's ClusterConfiguration.
func (p *preflight) kubeadmRanges() bool {
	config, err := cluster.Get[cluster.ConfigMap](p.ctx, p.client, cluster.ConfigMaps, "kube-system", "kubeadm-config")
	if err != nil {
		return false
	}
	for line := range strings.Lines(config.Data["ClusterConfiguration"]) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "serviceSubnet:"); ok {
			return p.takeRanges(strings.Trim(strings.TrimSpace(text), `"'`), "kubeadm-config")
		}
	}
	return false
}

// apiServerPod are the fields of a static pod that say how a program was started.
type apiServerPod struct {
	Spec struct {
		Containers []struct {
			Command []string `json:"command"`
			Args    []string `json:"args"`
		} `json:"containers"`
	} `json:"spec"`
}

// podRanges reads the flag of the API server's own pod.
func (p *preflight) podRanges() bool {
	pods, err := cluster.List[apiServerPod](p.ctx, p.client, cluster.Pods, "kube-system", cluster.ListOptions{Labels: "component=kube-apiserver"})
	if err != nil {
		return false
	}
	for _, pod := range pods {
		for _, c := range pod.Spec.Containers {
			for _, word := range append(c.Command, c.Args...) {
				if text, ok := strings.CutPrefix(word, "--service-cluster-ip-range="); ok && p.takeRanges(text, "the flags of kube-apiserver") {
					return true
				}
			}
		}
	}
	return false
}

func (p *preflight) takeRanges(text, from string) bool {
	for part := range strings.SplitSeq(text, ",") {
		if r, err := netip.ParsePrefix(strings.TrimSpace(part)); err == nil {
			p.ip.ranges, p.ip.from = append(p.ip.ranges, r.Masked()), from
		}
	}
	return p.ip.ranges != nil
}

// tryAddress lets the API server say whether a Service may have the address,
// without making it (a dry run). It is the way where its lists may not be read.
func (p *preflight) tryAddress() *trial {
	if p.ip.trial != nil {
		return p.ip.trial
	}
	t := &trial{}
	p.ip.trial = t
	manifest := map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]string{"generateName": "crpki-preflight-"},
		"spec": map[string]any{"clusterIP": p.ip.addr.String(), "ports": []map[string]any{{"name": "https", "port": 443}}},
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		t.err = err
		return t
	}
	_, t.err = p.client.Create(p.ctx, cluster.Services, p.Namespace, data, cluster.ApplyOptions{DryRun: true})
	if is(t.err, cluster.NotFound) { // of the namespace, which helm is to make
		_, t.err = p.client.Create(p.ctx, cluster.Services, "default", data, cluster.ApplyOptions{DryRun: true})
	}
	t.ok = t.err == nil
	if is(t.err, cluster.Invalid) {
		text := t.err.Error()
		t.taken = strings.Contains(text, "already allocated")
		t.outside = !t.taken && strings.Contains(text, "not in the valid range")
		if _, words, ok := strings.Cut(text, "failed to allocate IP "); ok && t.outside {
			t.err = fmt.Errorf("%s", words)
		}
	}
	return t
}

// ipFree: nobody has the address but the release itself, whose Service cannot
// change it.
func (p *preflight) ipFree() Check {
	if c, ok := p.address(); !ok {
		c.Verdict = Skip
		c.Fix = ""
		return c
	}
	own, unseen := p.ownService()
	if s := own; s != nil && s.Spec.ClusterIP != p.ip.addr.String() && s.Spec.ClusterIP != "" {
		return failed(fmt.Sprintf("keep %s, or kubectl delete service %s -n %s first", s.Spec.ClusterIP, s.Metadata.Name, p.Namespace),
			"the Service %s/%s has %s, and the address of a Service cannot change", p.Namespace, s.Metadata.Name, s.Spec.ClusterIP)
	}
	owner, found, err := p.owner()
	switch {
	case err != nil:
		// A dry run may say that it is taken (before 1.33); that it is free, never:
		// the API server of 1.34 does not look.
		t := p.tryAddress()
		switch {
		case t.ok:
			return p.unseen("whether "+p.ip.addr.String()+" is free", nonNil(err, unseen)...)
		case t.taken && p.hasAlready():
			return passed("%s is the release's own already", p.ip.addr)
		case t.taken:
			return failed("choose another address, and a certificate that names it", "%s is taken by another Service", p.ip.addr)
		}
		return p.unseen("whether "+p.ip.addr.String()+" is free", nonNil(err, unseen, t.err)...)
	case !found && unseen != nil:
		return p.unseen(p.ip.addr.String()+" is free, but whether the release has a Service with another address", unseen)
	case !found:
		return passed("%s is free", p.ip.addr)
	case p.isOurs(owner):
		return passed("%s is that of the Service %s/%s, which is the release's own", p.ip.addr, owner.namespace, owner.name)
	}
	return failed("choose another address, and a certificate that names it", "%s is taken by the Service %s/%s", p.ip.addr, owner.namespace, owner.name)
}

func nonNil(errs ...error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

type objectName struct{ namespace, name string }

func (p *preflight) isOurs(o objectName) bool {
	own, err := p.ownService()
	return err == nil && own != nil && o == objectName{p.Namespace, own.Metadata.Name}
}

// hasAlready: the release's own Service has the address.
func (p *preflight) hasAlready() bool {
	own, err := p.ownService()
	return err == nil && own != nil && own.Spec.ClusterIP == p.ip.addr.String()
}

// ownService finds the release's own Service, by its name or by what Helm has
// written on the one with the address; nil when there is none.
func (p *preflight) ownService() (*cluster.Service, error) {
	services, err := p.servicesHere()
	for i, s := range services {
		if s.Metadata.Name == p.Release || p.ofRelease(s.Metadata) && s.Spec.ClusterIP == p.ip.addr.String() {
			return &services[i], nil
		}
	}
	return nil, err
}

// owner is the Service that has the address: by the IPAddress of that name, or
// from a list of all Services where there are none.
func (p *preflight) owner() (owner objectName, found bool, err error) {
	ip, err := cluster.Get[cluster.IPAddress](p.ctx, p.client, cluster.IPAddresses, "", p.ip.addr.String())
	switch {
	case err == nil:
		return objectName{ip.Spec.ParentRef.Namespace, ip.Spec.ParentRef.Name}, true, nil
	case is(err, cluster.NotFound):
		return owner, false, nil
	case !is(err, cluster.Forbidden) && !is(err, cluster.NoAPI):
		return owner, false, err
	}
	for s, err := range cluster.Each[cluster.Service](p.ctx, p.client, cluster.Services, "", cluster.ListOptions{}) {
		if err != nil {
			return owner, false, err
		}
		for _, text := range append(s.Spec.ClusterIPs, s.Spec.ClusterIP) {
			if a, err := netip.ParseAddr(text); err == nil && a.Unmap() == p.ip.addr {
				return objectName{s.Metadata.Namespace, s.Metadata.Name}, true, nil
			}
		}
	}
	return owner, false, nil
}

// ipBand: addresses given out by themselves come from behind the band first.
func (p *preflight) ipBand() Check {
	if c, ok := p.address(); !ok {
		c.Verdict, c.Fix = Skip, ""
		return c
	}
	if err := p.findRanges(); err != nil {
		return p.unseen("the range of the cluster's Services", err)
	}
	for _, r := range p.ip.ranges {
		if !r.Contains(p.ip.addr) {
			continue
		}
		first, last := staticBand(r)
		switch {
		case !last.IsValid():
			return skipped("%s is so small that it has no such band", r)
		case p.ip.addr.Compare(first) >= 0 && p.ip.addr.Compare(last) <= 0:
			return passed("%s is between %s and %s, where no Service gets an address by itself", p.ip.addr, first, last)
		case p.hasAlready():
			return passed("%s is above %s, but the release has it already", p.ip.addr, last)
		}
		return warned(fmt.Sprintf("choose one between %s and %s, and a certificate that names it", first, last),
			"any new Service may get %s before this one does: it is above %s", p.ip.addr, last)
	}
	return skipped("%s is not in the range", p.ip.addr)
}

// staticBand gives the addresses that the API server gives out by itself only
// when the others are used up: min(max(16, size/16), 256) of them from the first
// usable one, and none in ranges of 16 or less (k8s.io/kubernetes
// pkg/registry/core/service/ipallocator, calculateRangeOffset).
func staticBand(r netip.Prefix) (first, last netip.Addr) {
	const least, most, step = 16, 256, 16
	bits := r.Addr().BitLen() - r.Bits()
	size := int64(1) << 62
	if bits < 62 {
		size = int64(1) << bits
	}
	if size <= least {
		return first, last
	}
	n := min(max(least, size/step), most)
	first = r.Masked().Addr().Next()
	sum := new(big.Int).SetBytes(first.AsSlice())
	sum.Add(sum, big.NewInt(n-1))
	last, _ = netip.AddrFromSlice(sum.FillBytes(make([]byte, len(first.AsSlice()))))
	return first, last
}
