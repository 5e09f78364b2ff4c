package serve

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Repository and Tag name the image.
const (
	Repository = "hello-world"
	Tag        = "latest"
)

// The image has Docker's media types, which clients before OCI know too.
const (
	typeIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeManifest = "application/vnd.docker.distribution.manifest.v2+json"
	typeConfig   = "application/vnd.docker.container.image.v1+json"
	typeLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

const greeting = "Hello from crpki serve! Your client trusts the certificate of this registry.\n"

// An image is what a registry has to hold of it.
type image struct {
	blobs [][]byte
	// manifests are one for each platform, and at last the index of them.
	manifests []manifest
}

type manifest struct {
	reference, mediaType string
	data                 []byte
}

type descriptor struct {
	MediaType string    `json:"mediaType"`
	Size      int       `json:"size"`
	Digest    string    `json:"digest"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
}

// newImage makes the image, of one layer with one file, for each platform: the
// same bytes each time.
func newImage() (image, error) {
	layer, diffID, err := newLayer()
	if err != nil {
		return image{}, fmt.Errorf("make the image's layer: %w", err)
	}
	img := image{blobs: [][]byte{layer}}
	var index struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []descriptor `json:"manifests"`
	}
	index.SchemaVersion, index.MediaType = 2, typeIndex
	for _, p := range []platform{
		{"linux", "amd64", ""},
		{"linux", "arm64", "v8"},
		{"linux", "arm", "v7"},
		{"linux", "ppc64le", ""},
		{"linux", "riscv64", ""},
		{"linux", "s390x", ""},
	} {
		config, m := newManifest(p, layer, diffID)
		img.blobs = append(img.blobs, config)
		img.manifests = append(img.manifests, manifest{digest(m), typeManifest, m})
		d := describe(typeManifest, m)
		d.Platform = &p
		index.Manifests = append(index.Manifests, d)
	}
	img.manifests = append(img.manifests, manifest{Tag, typeIndex, encode(index)})
	return img, nil
}

// digest is that of what a client pulls by the tag.
func (i image) digest() string { return digest(i.manifests[len(i.manifests)-1].data) }

func newLayer() (layer []byte, diffID string, err error) {
	plain := tarball("hello.txt", greeting)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), digest(plain), nil
}

// tarball is a tar archive with one file (POSIX.1-1988, ustar). It is written by
// hand since archive/tar brings os/user along, which with cgo needs a C library.
func tarball(name, content string) []byte {
	const block = 512
	header := make([]byte, block)
	copy(header[0:], name)
	copy(header[100:], "0000644\x000000000\x000000000\x00")                // mode, owner, group
	copy(header[124:], fmt.Sprintf("%011o\x00%011o\x00", len(content), 0)) // size, time
	copy(header[148:], "        ")                                         // the checksum while it is computed
	copy(header[156:], "0")                                                // a file
	copy(header[257:], "ustar\x0000")
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	archive := append(header, content...)
	padding := (block-len(content)%block)%block + 2*block // two empty blocks end it
	return append(archive, make([]byte, padding)...)
}

func newManifest(p platform, layer []byte, diffID string) (config, manifest []byte) {
	type (
		rootFS struct {
			Type    string   `json:"type"`
			DiffIDs []string `json:"diff_ids"`
		}
		configFile struct {
			platform
			Created string `json:"created"`
			RootFS  rootFS `json:"rootfs"`
		}
		manifestFile struct {
			SchemaVersion int          `json:"schemaVersion"`
			MediaType     string       `json:"mediaType"`
			Config        descriptor   `json:"config"`
			Layers        []descriptor `json:"layers"`
		}
	)
	config = encode(configFile{
		platform: p, Created: "1970-01-01T00:00:00Z",
		RootFS: rootFS{"layers", []string{diffID}},
	})
	return config, encode(manifestFile{2, typeManifest, describe(typeConfig, config), []descriptor{describe(typeLayer, layer)}})
}

func describe(mediaType string, data []byte) descriptor {
	return descriptor{MediaType: mediaType, Size: len(data), Digest: digest(data)}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// encode is for what cannot fail: structs of texts and numbers.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// push puts the image into a registry.
func (i image) push(registry http.Handler) error {
	for _, b := range i.blobs {
		target := "/v2/" + Repository + "/blobs/uploads/?digest=" + url.QueryEscape(digest(b))
		if err := put(registry, http.MethodPost, target, "application/octet-stream", b); err != nil {
			return err
		}
	}
	for _, m := range i.manifests {
		if err := put(registry, http.MethodPut, "/v2/"+Repository+"/manifests/"+m.reference, m.mediaType, m.data); err != nil {
			return err
		}
	}
	return nil
}

func put(registry http.Handler, method, target, mediaType string, body []byte) error {
	r, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	a := answer{header: http.Header{}}
	registry.ServeHTTP(&a, r)
	if a.status != http.StatusCreated {
		return fmt.Errorf("put the image into the registry: %s %s: %d %s", method, target, a.status, a.body.String())
	}
	return nil
}

// answer is what a handler answers to a request that came over no network.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(status int)      { a.status = status }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
