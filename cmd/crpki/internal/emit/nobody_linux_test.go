package emit

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const nobody = 65534

// runAsNobody changes the user of this thread for the file system, which takes
// root's capabilities there as well (capabilities(7), setfsuid(2)).
func runAsNobody(t *testing.T, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, unix.Setfsgid(nobody))
	require.NoError(t, unix.Setfsuid(nobody))
	defer func() {
		require.NoError(t, unix.Setfsuid(0))
		require.NoError(t, unix.Setfsgid(0))
	}()
	do()
}
