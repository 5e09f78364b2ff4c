package emit

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crpki/crpki/pki"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var testTime = time.Date(2026, 11, 21, 9, 15, 0, 0, time.UTC)

const testStamp = "20261121T091500Z"

// testWriter is the writer of Write, with a short patience.
var testWriter = writer{patience: 50 * time.Millisecond}

// file is one of a set: keys end in .key.
func file(path, content string) pki.File {
	mode := pki.ModePublic
	if strings.HasSuffix(path, ".key") {
		mode = pki.ModePrivate
	}
	return pki.File{Path: path, Mode: mode, Data: []byte(content)}
}

// set gives the files called names in dir, each with a content of its own and
// of that generation.
func set(dir, generation string, names ...string) []pki.File {
	var files []pki.File
	for _, name := range names {
		files = append(files, file(filepath.Join(dir, name), name+" of "+generation))
	}
	return files
}

var fourNames = []string{"ca.crt", "ca.key", "tls.crt", "tls.key"}

// put makes files as another program would.
func put(t *testing.T, files ...pki.File) {
	t.Helper()
	for _, f := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(f.Path), 0o755))
		require.NoError(t, os.WriteFile(f.Path, f.Data, f.Mode))
	}
}

// view is what a reader of the directories below root sees: path below root →
// content. Entries that lead nowhere are not there for a reader, and stages are
// not looked at.
func view(t *testing.T, root string) map[string]string {
	t.Helper()
	seen := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), stagePrefix) {
				return fs.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		rel, err := filepath.Rel(root, path)
		require.NoError(t, err)
		seen[rel] = string(data)
		return nil
	}))
	return seen
}

// live is a view without the backups.
func live(t *testing.T, root string) map[string]string {
	t.Helper()
	seen := view(t, root)
	maps.DeleteFunc(seen, func(path, _ string) bool { return strings.Contains(path, backupInfix) })
	return seen
}

// contents is what live gives when files are below root, and nothing else.
func contents(t *testing.T, root string, files ...pki.File) map[string]string {
	t.Helper()
	want := map[string]string{}
	for _, f := range files {
		rel, err := filepath.Rel(root, f.Path)
		require.NoError(t, err)
		want[rel] = string(f.Data)
	}
	return want
}

// junk is everything below root that is neither a directory nor a regular file,
// or belongs to a stage.
func junk(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if strings.HasPrefix(d.Name(), stagePrefix) || !d.IsDir() && !d.Type().IsRegular() {
			found = append(found, path)
		}
		return nil
	}))
	return found
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	require.NoError(t, err)
	return info.Mode()
}

func paths(files []pki.File) []string {
	var p []string
	for _, f := range files {
		p = append(p, f.Path)
	}
	return p
}

func TestWriteNewFiles(t *testing.T) {
	tests := map[string]struct{ exists, dir string }{
		"into a directory that does not exist":       {"", "certs"},
		"into one whose parents do not exist either": {"", "a/b/certs"},
		"into an empty directory":                    {"certs", "certs"},
		"below a directory that exists":              {"certs", "certs/registry"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			require.NoError(t, os.MkdirAll(filepath.Join(root, tt.exists), 0o755))
			files := set(filepath.Join(root, tt.dir), "one", fourNames...)

			dry, err := Write(files, Options{DryRun: true, Now: testTime})
			require.NoError(t, err)
			assert.Empty(t, view(t, root), "a dry run writes nothing")

			got, err := Write(files, Options{Now: testTime})
			require.NoError(t, err)
			assert.Equal(t, Result{Written: paths(files), Backups: map[string]string{}}, got)
			assert.Equal(t, got, dry, "a dry run tells what a run does")
			assert.Equal(t, contents(t, root, files...), view(t, root))
			assert.Empty(t, junk(t, root))
			for _, f := range files {
				assert.Equal(t, f.Mode, modeOf(t, f.Path), f.Path)
			}

			again, err := Write(files, Options{Now: testTime})
			require.NoError(t, err, "the same content is no conflict")
			assert.Equal(t, Result{Unchanged: paths(files), Backups: map[string]string{}}, again)
		})
	}
}

func TestWriteDoesNotOverwrite(t *testing.T) {
	for _, names := range [][]string{{"tls.key"}, fourNames} {
		t.Run(fmt.Sprintf("%d files", len(names)), func(t *testing.T) {
			root := t.TempDir()
			old := set(root, "old", names...)
			put(t, old...)
			for _, dry := range []bool{true, false} {
				_, err := Write(set(root, "new", append(names, "other.crt")...), Options{DryRun: dry})
				exists, ok := errors.AsType[*ExistsError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, paths(old), exists.Paths, "all of them are told at once")
				assert.ErrorIs(t, err, fs.ErrExist)
				assert.Equal(t, contents(t, root, old...), view(t, root))
				assert.Empty(t, junk(t, root))
			}
		})
	}
	assert.EqualError(t, &ExistsError{[]string{"a"}}, "a exists already")
	assert.EqualError(t, &ExistsError{[]string{"a", "b", "c"}}, "a, b and c exist already")
}

func TestWriteReplacesWithBackup(t *testing.T) {
	for _, names := range [][]string{{"tls.key"}, fourNames} {
		t.Run(fmt.Sprintf("%d files", len(names)), func(t *testing.T) {
			root := t.TempDir()
			old, bystander := set(root, "old", names...), file(filepath.Join(root, "sub", "README"), "mine")
			put(t, append(old, bystander)...)
			files := set(root, "new", names...)
			o := Options{Force: true, Now: testTime}

			o.DryRun = true
			dry, err := Write(files, o)
			require.NoError(t, err)
			assert.Equal(t, contents(t, root, append(old, bystander)...), view(t, root))

			o.DryRun = false
			got, err := Write(files, o)
			require.NoError(t, err)
			assert.Equal(t, dry, got)
			assert.Equal(t, contents(t, root, append(files, bystander)...), live(t, root))
			assert.Empty(t, junk(t, root))
			for i, f := range files {
				backup := f.Path + ".bak-" + testStamp
				assert.Equal(t, backup, got.Backups[f.Path])
				data, err := os.ReadFile(backup)
				require.NoError(t, err)
				assert.Equal(t, old[i].Data, data)
				assert.Equal(t, f.Mode, modeOf(t, backup))
				assert.Equal(t, f.Mode, modeOf(t, f.Path))
			}

			got, err = Write(set(root, "newer", names...), o)
			require.NoError(t, err, "twice in a second")
			assert.Equal(t, files[0].Path+".bak-"+testStamp+"-2", got.Backups[files[0].Path])
			assert.Len(t, got.Backups, len(files))
		})
	}
}

func TestWriteChangesWhatMustChange(t *testing.T) {
	root := t.TempDir()
	put(t, set(root, "old", "ca.crt", "tls.crt")...)
	files := append(set(root, "old", "ca.crt"), set(root, "new", "tls.crt", "tls.key")...)

	got, err := Write(files, Options{Force: true, Now: testTime})
	require.NoError(t, err)
	assert.Equal(t, paths(files)[1:], got.Written)
	assert.Equal(t, paths(files)[:1], got.Unchanged)
	assert.Len(t, got.Backups, 1)
	assert.Equal(t, contents(t, root, files...), live(t, root))
}

func TestWriteAcrossDirectories(t *testing.T) {
	root := t.TempDir()
	names := []string{"a/tls.crt", "b/tls.key", "b/deep/ca.crt", "a/ca.crt"}
	put(t, set(root, "old", "a/tls.crt", "b/tls.key")...)
	files := set(root, "new", names...)

	got, err := Write(files, Options{Force: true, Now: testTime})
	require.NoError(t, err)
	assert.Equal(t, paths(files), got.Written)
	assert.Equal(t, contents(t, root, files...), live(t, root))
	assert.Empty(t, junk(t, root))

	t.Run("all or nothing", func(t *testing.T) {
		before := view(t, root)
		require.NoError(t, os.Mkdir(filepath.Join(root, "b", "dir.crt"), 0o755))
		_, err := Write(set(root, "newer", "a/tls.crt", "b/dir.crt", "c/d/e.crt"), Options{Force: true})
		require.Error(t, err)
		assert.Equal(t, before, view(t, root))
		assert.NoFileExists(t, filepath.Join(root, "c"), "directories made in vain are removed")
	})
}

func TestWriteRefuses(t *testing.T) {
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	put(t, file(at("real.crt"), "real"), file(at("plain"), "plain"))
	require.NoError(t, os.Symlink("real.crt", at("link.crt")))
	require.NoError(t, os.Symlink("nowhere", at("dangling.crt")))
	require.NoError(t, os.Symlink("nowhere", at("danglingdir")))
	require.NoError(t, os.Mkdir(at("dir.crt"), 0o755))
	before := view(t, root)

	tests := map[string]struct{ path, want string }{
		"a symbolic link":                   {at("link.crt"), "it is a symbolic link to real.crt"},
		"a symbolic link to nothing":        {at("dangling.crt"), "it is a symbolic link to nowhere"},
		"a directory":                       {at("dir.crt"), "it is a directory, not a file"},
		"a device":                          {"/dev/null", "it is a device, not a file"},
		"a file used as a directory":        {at("plain/tls.crt"), "plain is not a directory"},
		"a file used as a parent directory": {at("plain/a/tls.crt"), "is not a directory"},
		"a directory that is a broken link": {at("danglingdir/tls.crt"), "is a symbolic link to nowhere, which does not exist"},
		"a path that ends in a slash":       {at("certs") + "/", "that is not the name of a file"},
		"an empty path":                     {"", "that is not the name of a file"},
		"a directory's name":                {at("certs") + "/..", "that is not the name of a file"},
		"a name kept for staging":           {at(".crpki-x"), "kept for staging"},
		"a name that is too long":           {at(strings.Repeat("n", 300)), "file name too long"},
		"a name with a zero byte":           {at("a\x00b"), "invalid argument"},
		"a name too long for its backup":    {at(strings.Repeat("b", 250)), "file name too long"},
	}
	put(t, file(at(strings.Repeat("b", 250)), "there"))
	before[strings.Repeat("b", 250)] = "there"
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for _, o := range []Options{{Force: true}, {Force: true, DryRun: true}} {
				files := append(set(root, "new", "new.crt", "new.key"), file(tt.path, "SECRET"))
				if !strings.Contains(name, "long") && !strings.Contains(name, "zero") || !o.DryRun { // found out by writing
					_, err := Write(files, o)
					require.ErrorContains(t, err, tt.want)
				}
				_, err := Write(files[2:], Options{Force: true})
				require.ErrorContains(t, err, tt.want)
				assert.NotContains(t, err.Error(), "SECRET")
				assert.NotContains(t, err.Error(), stagePrefix+"2", "no staging paths")
				assert.Equal(t, before, view(t, root))
			}
		})
	}
	t.Run("the same file twice", func(t *testing.T) {
		require.NoError(t, os.Symlink(".", at("here")))
		_, err := Write([]pki.File{file(at("x.crt"), "1"), file(at("here/x.crt"), "2")}, Options{})
		assert.ErrorContains(t, err, "written twice")
	})
	t.Run("all that is wrong is told", func(t *testing.T) {
		_, err := Write([]pki.File{file(at("real.crt"), "1"), file(at("dir.crt"), "1"), file(at("link.crt"), "1")}, Options{})
		assert.ErrorContains(t, err, "real.crt exists already")
		assert.ErrorContains(t, err, "dir.crt: it is a directory")
		assert.ErrorContains(t, err, "link.crt: it is a symbolic link")
	})
}

func TestWriteThroughLinkedDirectory(t *testing.T) {
	root := t.TempDir()
	real, linked := filepath.Join(root, "real"), filepath.Join(root, "linked")
	put(t, set(real, "old", "tls.crt", "tls.key")...)
	require.NoError(t, os.Symlink("real", linked))

	files := set(linked, "new", "tls.crt", "tls.key")
	got, err := Write(files, Options{Force: true, Now: testTime})
	require.NoError(t, err)
	assert.Equal(t, paths(files), got.Written, "spelled as given")
	assert.Equal(t, contents(t, real, set(real, "new", "tls.crt", "tls.key")...), live(t, real))
	assert.Equal(t, fs.ModeSymlink, modeOf(t, linked).Type())
}

func TestWriteToRelativePaths(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	for _, generation := range []string{"one", "two"} {
		files := set("certs", generation, fourNames...)
		got, err := Write(files, Options{Force: true, Now: testTime})
		require.NoError(t, err)
		assert.Equal(t, paths(files), got.Written)
	}
	_, err := Write(set(".", "one", "tls.crt"), Options{})
	require.NoError(t, err)
	_, err = Write([]pki.File{file("plain.crt", "x"), file("./other.crt", "y")}, Options{})
	require.NoError(t, err)
	assert.Len(t, view(t, root), 4+4+1+2)
}

func TestWriteNothing(t *testing.T) {
	got, err := Write(nil, Options{})
	require.NoError(t, err)
	assert.Empty(t, got.Written)
}

func TestBackupsArePruned(t *testing.T) {
	root := t.TempDir()
	others := []pki.File{
		file(filepath.Join(root, "tls.crt.bak"), "mine"),
		file(filepath.Join(root, "tls.crt.bak-yesterday"), "mine"),
		file(filepath.Join(root, "tls.crt.bak-20200101T000000Z-x"), "mine"),
		file(filepath.Join(root, "ca.crt.bak-20200101T000000Z"), "of a file that does not change"),
	}
	put(t, others...)
	var pruned []string
	for i := range 12 {
		got, err := Write(set(root, fmt.Sprint(i), "tls.crt", "tls.key"), Options{Force: true, Now: testTime})
		require.NoError(t, err)
		pruned = append(pruned, got.Pruned...)
	}
	seen := view(t, root)
	for _, name := range []string{"tls.crt", "tls.key"} {
		assert.Equal(t, name+" of 11", seen[name])
		for n := 7; n <= 11; n++ { // backup n holds what generation n-1 was
			assert.Equal(t, fmt.Sprintf("%s of %d", name, n-1), seen[fmt.Sprintf("%s.bak-%s-%d", name, testStamp, n)])
		}
	}
	assert.Len(t, seen, 2+2*KeptBackups+len(others))
	assert.Len(t, pruned, 2*(11-KeptBackups))
	assert.Contains(t, pruned, filepath.Join(root, "tls.key.bak-"+testStamp))

	t.Run("never the one just made", func(t *testing.T) {
		got, err := Write(set(root, "past", "tls.crt"), Options{Force: true, Now: testTime.AddDate(-5, 0, 0)})
		require.NoError(t, err)
		assert.FileExists(t, got.Backups[filepath.Join(root, "tls.crt")])
		assert.Len(t, got.Pruned, 1)
	})
}

func TestWritersWaitForEachOther(t *testing.T) {
	// As Write, which gives up where a slow disk makes the last of them wait long.
	patient := writer{patience: 5 * time.Minute, grace: readerGrace}
	for _, missing := range []bool{true, false} {
		t.Run(fmt.Sprintf("directory missing: %v", missing), func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, "certs")
			if !missing {
				require.NoError(t, os.Mkdir(dir, 0o755))
			}
			const writers = 12
			results := make(chan error, writers)
			for i := range writers {
				go func() {
					_, err := patient.write(set(dir, fmt.Sprint(i), fourNames...), Options{Force: true, Now: testTime})
					results <- err
				}()
			}
			for range writers {
				assert.NoError(t, <-results)
			}
			got := live(t, root)
			winner := strings.TrimPrefix(got["certs/tls.key"], "tls.key of ")
			assert.Equal(t, contents(t, root, set(dir, winner, fourNames...)...), got)
			assert.Empty(t, junk(t, root))
		})
	}
	t.Run("without force one wins", func(t *testing.T) {
		root := t.TempDir()
		dir := filepath.Join(root, "certs")
		const writers = 12
		results := make(chan error, writers)
		for i := range writers {
			go func() {
				_, err := patient.write(set(dir, fmt.Sprint(i), fourNames...), Options{})
				results <- err
			}()
		}
		var won int
		for range writers {
			err := <-results
			if err == nil {
				won++
				continue
			}
			exists, ok := errors.AsType[*ExistsError](err)
			require.True(t, ok, "%v", err)
			assert.Len(t, exists.Paths, 4)
		}
		assert.Equal(t, 1, won)
	})
}

// TestReadersFindWholeFiles reads without a pause what a writer replaces: a file
// is always there, and never older than one read before. Only whom the machine
// stops on the way from a link to the file, for longer than a reader is given,
// may find nothing.
func TestReadersFindWholeFiles(t *testing.T) {
	root := scratch(t)
	write := func(generation int) {
		_, err := Write(set(root, fmt.Sprint(generation), fourNames...), Options{Force: true})
		require.NoError(t, err)
	}
	write(0)
	const readers, generations = 3, 200
	stop, failures := make(chan struct{}), make(chan error, readers)
	for range readers {
		go func() { failures <- readUntil(stop, root) }()
	}
	for i := range generations {
		write(i + 1)
	}
	close(stop)
	for range readers {
		assert.NoError(t, <-failures)
	}
}

func readUntil(stop <-chan struct{}, root string) error {
	for last := 0; ; {
		for _, name := range fourNames {
			begin := time.Now()
			data, err := os.ReadFile(filepath.Join(root, name))
			if errors.Is(err, fs.ErrNotExist) && time.Since(begin) >= readerGrace {
				continue
			}
			if err != nil {
				return err
			}
			var generation int
			if _, err := fmt.Sscanf(string(data), name+" of %d", &generation); err != nil {
				return fmt.Errorf("%q: %w", data, err)
			}
			if generation < last {
				return fmt.Errorf("%s of %d after one of %d", name, generation, last)
			}
			last = generation
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

func TestLockIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	d, err := testWriter.open(dir)
	require.NoError(t, err)
	unlock, err := tryLock(d)
	require.NoError(t, err)
	_, err = testWriter.write(set(dir, "new", "tls.crt"), Options{})
	assert.ErrorContains(t, err, "another process is writing there, and was not done after 50ms")
	assert.ErrorIs(t, err, errBusy)
	unlock()
	_, err = testWriter.write(set(dir, "new", "tls.crt"), Options{})
	assert.NoError(t, err)
}

func TestRecoverWithoutNeed(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, ".crpki-mine"), 0o755))
	put(t, file(filepath.Join(root, ".crpki-20261121T091500Z-abcdef01"), "a file"))
	assert.NoError(t, Recover(root))
	assert.NoError(t, Recover(filepath.Join(root, "missing", "too")))
	assert.Len(t, slices.Collect(maps.Keys(view(t, root))), 1)
	assert.DirExists(t, filepath.Join(root, ".crpki-mine"), "not a name that we give")
}

func TestStampsAreOrdered(t *testing.T) {
	sorted := []string{"20251231T235959Z", "20261121T091500Z", "20261121T091500Z-2", "20261121T091500Z-10", "20261121T091501Z"}
	shuffled := slices.Clone(sorted)
	slices.Sort(shuffled)
	slices.SortFunc(shuffled, compareStamps)
	assert.Equal(t, sorted, shuffled)
	for _, s := range []string{"", "-2", "20261121T091500Z-", "20261121T091500Z-1", "20261121T091500Z-x", "2026"} {
		assert.False(t, isStamp(s), s)
	}
}

func BenchmarkWrite(b *testing.B) {
	fresh := func(dir string, i int) string { return filepath.Join(dir, fmt.Sprint(i)) }
	same := func(dir string, _ int) string { return dir }
	for name, bench := range map[string]struct {
		dir   func(string, int) string
		names []string
	}{
		"4 files, new directory":       {fresh, fourNames},
		"4 files, replaced":            {same, fourNames},
		"1 file, replaced":             {same, fourNames[:1]},
		"4 files in 2 dirs, replaced":  {same, []string{"a/tls.crt", "a/ca.crt", "b/tls.key", "b/ca.key"}},
		"1 file in each of 40 folders": {fresh, folders(40)},
	} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			for i := range b.N {
				_, err := Write(set(bench.dir(dir, i), fmt.Sprint(i), bench.names...), Options{Force: true, Now: testTime})
				require.NoError(b, err)
			}
		})
	}
}

func folders(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("server-%d/tls.crt", i))
	}
	return names
}
