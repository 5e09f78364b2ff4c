//go:build unix && !linux

package emit

import "testing"

func runAsNobody(t *testing.T, _ func()) {
	t.Helper()
	t.Skip("needs Linux, to be another user for a moment")
}
