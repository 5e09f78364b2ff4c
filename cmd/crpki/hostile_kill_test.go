//go:build unix

package main

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// killedRuns are the commands that are killed, 200 times each.
var killedRuns = []struct {
	shows string
	args  string
	// changes are the files that a run that gets through makes anew.
	changes []string
	// fresh runs find no folder.
	fresh bool
}{
	{shows: "gen", args: "gen --ip 10.96.0.50 --at 2026-06-01", changes: setNames, fresh: true},
	{shows: "gen --force", args: "gen --ip 10.96.0.50 --force --at 2026-06-01", changes: setNames},
	{shows: "renew", args: "renew certs/tls.crt --at 2026-06-01", changes: []string{"tls.crt", "tls.key"}},
}

var setNames = []string{"ca.crt", "ca.key", "tls.crt", "tls.key"}

// TestKill9 ends the real program with kill -9, at a random moment, again and
// again. Each time the old set is there or the new one: keys match their
// certificates, and the chain verifies. The next run that gets through leaves
// nothing behind of those that did not, and a backup of each set that was
// replaced.
func TestKill9(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 20
	}
	for _, k := range killedRuns {
		t.Run(k.shows, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir() // on a disk, where fsync gives kills time to hit
			certs := filepath.Join(dir, "certs")
			args := strings.Fields(k.args)
			mustRun(t, dir, "gen", "--ip", "10.96.0.50", "--at", "2026-06-01")
			took := mustRun(t, dir, strings.Fields("gen --ip 10.96.0.50 --force --at 2026-06-01")...).elapsed

			var replaced []map[string]string // since all was cleaned up
			var kept, renewed, interrupted int
			for range runs {
				if k.fresh {
					require.NoError(t, os.RemoveAll(certs))
				}
				before := readSet(t, certs)
				cmd := command(t, dir, args...)
				require.NoError(t, cmd.Start())
				time.Sleep(rand.N(took))
				require.NoError(t, cmd.Process.Kill())
				_ = cmd.Wait() // it may have been faster

				after := readSet(t, certs)
				requireWhole(t, after, k.fresh)
				if maps.Equal(before, after) {
					kept++
				} else {
					renewed++
					require.Equal(t, k.changes, differing(before, after))
					replaced = append(replaced, before)
				}
				if len(leftovers(t, dir)) > 0 {
					interrupted++
				}
				// Every other time the next run finds what this one left.
				if rand.IntN(2) == 0 {
					continue
				}
				if k.fresh {
					require.NoError(t, os.RemoveAll(certs))
				}
				before = readSet(t, certs)
				started := time.Now()
				mustRun(t, dir, args...)
				took = (3*took + time.Since(started)) / 4 // other tests come and go
				after = readSet(t, certs)
				requireWhole(t, after, false)
				require.Equal(t, k.changes, differing(before, after))
				require.Empty(t, leftovers(t, dir), "the next run leaves nothing behind")
				if !k.fresh {
					requireBackups(t, certs, append(replaced, before), k.changes)
				}
				replaced = nil
			}
			assert.Positive(t, kept, "old sets")
			assert.Positive(t, renewed, "new sets")
			t.Logf("of %d kills: old set %d times, new set %d times, in the middle of the writing %d times; a run takes %v", runs, kept, renewed, interrupted, took)
		})
	}
}

// readSet is what a reader finds, by name.
func readSet(t *testing.T, dir string) map[string]string {
	t.Helper()
	set := map[string]string{}
	for _, name := range setNames {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if !os.IsNotExist(err) {
			require.NoError(t, err)
			set[name] = string(data)
		}
	}
	return set
}

// requireWhole demands a set that serves and that clients accept, or none.
func requireWhole(t *testing.T, set map[string]string, orNone bool) {
	t.Helper()
	if orNone && len(set) == 0 {
		return
	}
	require.Equal(t, setNames, slices.Sorted(maps.Keys(set)))
	served, err := tls.X509KeyPair([]byte(set["tls.crt"]), []byte(set["tls.key"]))
	require.NoError(t, err)
	ca, err := tls.X509KeyPair([]byte(set["ca.crt"]), []byte(set["ca.key"]))
	require.NoError(t, err)
	trusted := x509.NewCertPool()
	trusted.AddCert(ca.Leaf)
	_, err = served.Leaf.Verify(x509.VerifyOptions{Roots: trusted, DNSName: "10.96.0.50", CurrentTime: time.Date(2026, 6, 2, 0, 0, 0, 0, time.UTC)})
	require.NoError(t, err)
}

func differing(a, b map[string]string) []string {
	return slices.DeleteFunc(slices.Clone(setNames), func(name string) bool { return a[name] == b[name] })
}

// leftovers are all names below dir but those of the set and of its backups.
func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	var left []string
	for path, what := range snapshot(t, dir) {
		name, _, _ := strings.Cut(filepath.Base(path), ".bak-")
		if path != "" && path != "/certs" && (!slices.Contains(setNames, name) || !strings.HasPrefix(what, "-")) {
			left = append(left, path)
		}
	}
	return left
}

// requireBackups demands a backup of each of the sets: files of one set bear the
// same stamp. No more than a few are kept.
func requireBackups(t *testing.T, dir string, sets []map[string]string, names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	backups := map[string]map[string]string{} // by stamp
	for _, e := range entries {
		name, stamp, ok := strings.Cut(e.Name(), ".bak-")
		if !ok {
			continue
		}
		if backups[stamp] == nil {
			backups[stamp] = map[string]string{}
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		backups[stamp][name] = string(data)
	}
	const keptBackups = 5
	require.LessOrEqual(t, len(backups), keptBackups+1, "one set is of before the renewals")
	for i, set := range sets {
		if len(sets)-i > keptBackups {
			continue // too long ago
		}
		want := maps.Clone(set)
		maps.DeleteFunc(want, func(name, _ string) bool { return !slices.Contains(names, name) })
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Values(backups)), func(b map[string]string) bool { return maps.Equal(b, want) }),
			"no backup of set %d of %d", i, len(sets))
	}
}
