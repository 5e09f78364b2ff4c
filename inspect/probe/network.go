package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// maxNetwork bounds the addresses of one network: those of a /16 of IPv4.
const maxNetwork = 1 << 16

// ParseTargets reads a target, or a network with all of its addresses:
// 10.0.0.0/30, 10.0.0.0/30:5000, [fd00::/120]:5000. Of more than most targets
// it gives an error.
func ParseTargets(text string, most int) ([]Target, error) {
	network, port, ok, err := cutNetwork(text)
	if err != nil {
		return nil, err
	}
	if !ok {
		t, err := ParseTarget(text)
		if err == nil && most < 1 {
			err = errors.New("there are too many targets")
		}
		return []Target{t}, err
	}
	bits := network.Addr().BitLen() - network.Bits()
	if most = min(most, maxNetwork); bits >= 32 || 1<<bits > most {
		return nil, fmt.Errorf("a network of 2^%d addresses: at most %d can be looked at", bits, most)
	}
	all := make([]Target, 0, 1<<bits)
	for addr := network.Addr(); network.Contains(addr); addr = addr.Next() {
		host := addr.String()
		if addr.Is6() {
			host = "[" + host + "]"
		}
		t, err := ParseTarget(host + port)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// cutNetwork takes a network and what follows it apart. ok is false for what is
// none.
func cutNetwork(text string) (network netip.Prefix, port string, ok bool, err error) {
	inner := text
	if rest, isOpen := strings.CutPrefix(text, "["); isOpen {
		var closed bool
		if inner, port, closed = strings.Cut(rest, "]"); !closed {
			return network, "", false, nil
		}
	} else if slash := strings.IndexByte(text, '/'); slash >= 0 {
		if colon := strings.IndexByte(text[slash:], ':'); colon >= 0 {
			inner, port = text[:slash+colon], text[slash+colon:]
		}
	}
	network, perr := netip.ParsePrefix(inner)
	if perr != nil {
		host, bits, _ := strings.Cut(inner, "/")
		if addr, err := netip.ParseAddr(host); err == nil && bits != "" && strings.Trim(bits, "0123456789") == "" {
			return network, "", false, fmt.Errorf("a network of %s has 0 to %d bits, not %s", addr, addr.BitLen(), bits)
		}
		return network, "", false, nil
	}
	if strings.Contains(port, "/") {
		return network, "", false, errors.New("a network with a path: leave out what follows the port")
	}
	if network != network.Masked() {
		return network, "", false, fmt.Errorf("%s has an address within the network: write %s", inner, network.Masked())
	}
	return network, port, true, nil
}
