package pki

import (
	"errors"
	"net/netip"
)

// ParseNetwork reads a network such as 10.96.0.0/16 or fd00::/8, or one address
// for a network of itself. Bits behind the prefix are cleared. IPv4 that is
// mapped into IPv6 becomes IPv4, as it does among names: clients would never
// find 10.0.0.1 in ::ffff:10.0.0.0/104.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errors.New("it is not a network such as 10.96.0.0/16 or fd00::/8")
	}
	if p.Addr().Is4In6() {
		const mapped = 96 // ::ffff:0:0/96, RFC 4291, 2.5.5.2
		if p.Bits() < mapped {
			return netip.Prefix{}, errors.New("it reaches beyond the IPv4 addresses that are mapped into IPv6: write IPv4 networks as 10.96.0.0/16")
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	return p.Masked(), nil
}
