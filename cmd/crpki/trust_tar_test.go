package main

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The standard library reads what is written here, and the other way round.
func TestTarIsThatOfOthers(t *testing.T) {
	long := strings.Repeat("a-long-name/", 20) + "ca.crt"
	var ours bytes.Buffer
	now := time.Unix(1_700_000_000, 0)
	writeTar(&ours, tarHeader{name: "etc/", kind: tarFolder, mode: fs.ModeDir | 0o755, time: now}, nil)
	writeTar(&ours, tarHeader{name: "etc/ä", kind: tarRegular, mode: 0o644, time: now}, []byte("hello"))
	writeTar(&ours, tarHeader{name: long, kind: tarSymlink, link: "/" + long, mode: 0o777, time: now}, nil)
	endTar(&ours)
	r := tar.NewReader(bytes.NewReader(ours.Bytes()))
	for _, want := range []struct{ name, link, data string }{{"etc/", "", ""}, {"etc/ä", "", "hello"}, {long, "/" + long, ""}} {
		h, err := r.Next()
		require.NoError(t, err)
		assert.Equal(t, want.name, h.Name)
		assert.Equal(t, want.link, h.Linkname)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		assert.Equal(t, want.data, string(data))
	}
	_, err := r.Next()
	assert.ErrorIs(t, err, io.EOF)

	for _, format := range []tar.Format{tar.FormatPAX, tar.FormatGNU, tar.FormatUSTAR} {
		var theirs bytes.Buffer
		w := tar.NewWriter(&theirs)
		name := long
		if format == tar.FormatUSTAR {
			name = strings.Repeat("d/", 60) + "ca.crt"
		}
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3, Mode: 0o600, Format: format}))
		w.Write([]byte("abc"))
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: "hard", Linkname: name[:90], Format: format}))
		require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeFifo, Name: "pipe", Format: format}))
		require.NoError(t, w.Close())
		tree, err := readTar(&theirs)
		require.NoError(t, err, format)
		require.Contains(t, tree, name)
		assert.Equal(t, "abc", string(tree[name].data))
		assert.Equal(t, fs.ModeNamedPipe, tree["pipe"].mode.Type())
	}
}

func TestTarThatIsNone(t *testing.T) {
	for name, data := range map[string]string{
		"nothing": "", "text": strings.Repeat("not a tar file ", 100), "half a header": strings.Repeat("x", 100),
	} {
		_, err := readTar(strings.NewReader(data))
		assert.Error(t, err, name)
	}
	var b bytes.Buffer
	writeTar(&b, tarHeader{name: "a", kind: tarRegular, mode: 0o644}, make([]byte, 2000))
	_, err := readTar(bytes.NewReader(b.Bytes()[:1500]))
	assert.ErrorContains(t, err, "ends too early")
}

// Names in a tar file never lead out of it, whatever they are.
func FuzzReadTar(f *testing.F) {
	var b bytes.Buffer
	writeTar(&b, tarHeader{name: "../../etc/passwd", kind: tarRegular, mode: 0o644}, []byte("x"))
	writeTar(&b, tarHeader{name: "a", kind: tarSymlink, link: "../../b"}, nil)
	writeTar(&b, tarHeader{name: "a/b", kind: tarRegular}, nil)
	endTar(&b)
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := readTar(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name := range tree {
			if !fs.ValidPath(name) && strings.Contains(name, "..") {
				for part := range strings.SplitSeq(name, "/") {
					if part == ".." {
						t.Fatalf("%q", name)
					}
				}
			}
		}
	})
}
