package preflight

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStaticBand(t *testing.T) {
	for text, want := range map[string]string{
		"10.96.0.0/16":  "10.96.0.1-10.96.1.0",
		"10.96.0.0/12":  "10.96.0.1-10.96.1.0",
		"10.96.0.0/20":  "10.96.0.1-10.96.1.0",
		"10.96.0.0/24":  "10.96.0.1-10.96.0.16",
		"10.96.0.0/22":  "10.96.0.1-10.96.0.64",
		"10.96.0.0/27":  "10.96.0.1-10.96.0.16",
		"10.96.0.0/28":  "none",
		"10.96.0.0/32":  "none",
		"fd00:1::/112":  "fd00:1::1-fd00:1::100",
		"fd00:1::/64":   "fd00:1::1-fd00:1::100",
		"fd00:1::/124":  "none",
		"10.96.0.16/28": "none",
	} {
		first, last := staticBand(netip.MustParsePrefix(text))
		got := "none"
		if last.IsValid() {
			got = first.String() + "-" + last.String()
		}
		assert.Equal(t, want, got, text)
	}
}

func TestIsQuantity(t *testing.T) {
	for _, text := range []string{"250Gi", "1", "1.5T", "1e12", "500M", "1Ei", "0.5Gi"} {
		assert.True(t, isQuantity(text), text)
	}
	for _, text := range []string{"250GB", "250 Gi", "Gi", "", "0", "1.2.3Gi", "-1Gi", "1e", "250gi", "x"} {
		assert.False(t, isQuantity(text), text)
	}
}
