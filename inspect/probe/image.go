package probe

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/crpki/crpki/pki"
)

// Image is what a pull of an image meets, up to the first octet of a layer.
type Image struct {
	// Name is that of the image at the registry: "team/app:1.2".
	Name string `json:"name"`
	// OK is true when a client could go on to the end.
	OK bool `json:"ok"`
	// Digest and MediaType are those of what the reference names.
	Digest    string `json:"digest,omitempty"`
	MediaType string `json:"mediaType,omitempty"`
	// Platform is the one that was taken of an index, Manifest the digest of its
	// manifest.
	Platform string `json:"platform,omitempty"`
	Manifest string `json:"manifest,omitempty"`
	// Layers counts them.
	Layers int `json:"layers"`
	// Blob is the one that was asked for: the first layer.
	Blob *Blob `json:"blob,omitempty"`
	// Error says what keeps a client from pulling.
	Error string `json:"error,omitempty"`

	status Status
}

// Blob is a layer, of which the first octet was asked for.
type Blob struct {
	Digest string `json:"digest"`
	// Size is the one in the manifest, in bytes.
	Size int64 `json:"size"`
	// URL is where it comes from, Redirects are the URLs that led there, without
	// what follows a question mark.
	URL       string   `json:"url"`
	Redirects []string `json:"redirects,omitempty"`
	Status    int      `json:"status"`
}

// maxManifest bounds a manifest, in bytes: registries and clients have 4 MiB.
const maxManifest = 4 << 20

// Types of manifests.
const (
	typeOCIIndex    = "application/vnd.oci.image.index.v1+json"
	typeOCIManifest = "application/vnd.oci.image.manifest.v1+json"
	typeList        = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeManifest    = "application/vnd.docker.distribution.manifest.v2+json"
)

// manifest is an index or a manifest, whichever of it is there.
type manifest struct {
	MediaType string       `json:"mediaType"`
	Manifests []descriptor `json:"manifests"`
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
}

type descriptor struct {
	Digest   string `json:"digest"`
	Size     int64  `json:"size"`
	Platform struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	} `json:"platform"`
}

func (d descriptor) platform() string {
	return strings.TrimSuffix(d.Platform.OS+"/"+d.Platform.Architecture+"/"+d.Platform.Variant, "/")
}

// image is its name at the registry.
func (t Target) image() string {
	if strings.Contains(t.Reference, ":") {
		return t.Repository + "@" + t.Reference
	}
	return t.Repository + ":" + t.Reference
}

// pull asks for the manifest, and for the first octet of a layer.
func (v *visit) pull() {
	i := &Image{Name: v.t.image()}
	v.r.Image = i
	if err := v.pullInto(i); err != nil {
		i.Error, i.status = v.clean(err), statusOf(err)
		return
	}
	i.OK = true
}

func (v *visit) pullInto(i *Image) error {
	if c := v.r.Registry.Challenge; c != nil {
		if err := v.authorize(c); err != nil {
			return unusable("%v", err)
		}
	}
	m, mediaType, digest, err := v.manifest(v.t.Reference)
	if err != nil {
		return err
	}
	i.Digest, i.MediaType = digest, mediaType
	if len(m.Manifests) > 0 {
		one := pickPlatform(m.Manifests, v.o.Platform)
		i.Platform = pki.Printable(one.platform())
		if !isDigest(one.Digest) {
			return unusable("its index names no manifest by a digest of SHA-256")
		}
		i.Manifest = one.Digest
		if m, _, _, err = v.manifest(one.Digest); err != nil {
			return err
		}
	}
	i.Layers = len(m.Layers)
	blob := m.Config
	if len(m.Layers) > 0 {
		blob = m.Layers[0]
	}
	if !isDigest(blob.Digest) {
		return unusable("its manifest names neither layers nor a configuration by a digest of SHA-256")
	}
	return v.blob(i, blob)
}

// pickPlatform takes the one that is wanted, else the first, as there has to be
// one.
func pickPlatform(all []descriptor, wanted string) descriptor {
	i := slices.IndexFunc(all, func(d descriptor) bool {
		return d.platform() == wanted || strings.HasPrefix(d.platform(), wanted+"/")
	})
	return all[max(i, 0)]
}

// manifest gets a manifest by tag or digest, and verifies the digest. Who is
// asked for a login that /v2/ did not demand, or for more of it, logs in once.
func (v *visit) manifest(reference string) (m manifest, mediaType, digest string, err error) {
	ask := call{
		url: v.base.JoinPath("v2", v.t.Repository, "manifests", reference), limit: maxManifest, role: "manifest redirect",
		accept: strings.Join([]string{typeOCIIndex, typeList, typeOCIManifest, typeManifest}, ", "),
	}
	a, way, err := v.fetch(ask)
	if c := bestChallenge(a.header.Values("WWW-Authenticate")); err == nil && a.status == http.StatusUnauthorized && c != nil && v.authorization == "" {
		v.trusted = v.trusted && way.trusted
		if err := v.authorize(c); err != nil {
			return m, "", "", unusable("%v", err)
		}
		a, _, err = v.fetch(ask)
	}
	if err != nil {
		return m, "", "", err
	}
	if login := v.r.Registry.Login; login != nil && a.status == http.StatusUnauthorized {
		login.OK, login.Error = false, "the registry does not take it"
	}
	if a.status != http.StatusOK {
		return m, "", "", unusable("its manifest does not come: %s", v.describe(a))
	}
	sum := sha256.Sum256(a.body)
	digest = "sha256:" + hex.EncodeToString(sum[:])
	if isDigest(reference) && reference != digest {
		return m, "", "", unusable("what comes for its manifest %s is %s", reference, digest)
	}
	if json.Unmarshal(a.body, &m) != nil {
		return m, "", "", unusable("its manifest is no JSON: no registry, or a proxy in front of it")
	}
	mediaType, _, _ = strings.Cut(headerText(a.header, "Content-Type"), ";")
	if len(m.Manifests) == 0 && m.Config.Digest == "" {
		return m, "", "", unusable("its manifest, %s, is of a kind that clients do not pull", mediaType)
	}
	return m, mediaType, digest, nil
}

func isDigest(s string) bool {
	h, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(h) == 2*sha256.Size && strings.Trim(h, "0123456789abcdef") == ""
}

// blob asks for the first octet of a blob, with GET: addresses that are signed
// for a client are good for its method alone.
func (v *visit) blob(i *Image, d descriptor) error {
	b := &Blob{Digest: d.Digest, Size: d.Size}
	i.Blob = b
	a, way, err := v.fetch(call{
		url: v.base.JoinPath("v2", v.t.Repository, "blobs", d.Digest), limit: 0, role: "blob redirect", firstOctet: true,
	})
	b.URL, b.Redirects, b.Status = way.last(), way.hops, a.status
	if err != nil {
		return fmt.Errorf("its layer %s: %w", d.Digest, err)
	}
	if a.status != http.StatusOK && a.status != http.StatusPartialContent {
		return unusable("its layer %s does not come from %s: %s", d.Digest, way.at.Host, v.describe(a))
	}
	if size, ok := a.size(); ok && size != d.Size {
		return unusable("its layer %s has %d bytes, and should have %d", d.Digest, size, d.Size)
	}
	return nil
}

// size is that of the whole of which a part came.
func (a answer) size() (int64, bool) {
	text := a.header.Get("Content-Length")
	if a.status == http.StatusPartialContent {
		_, text, _ = strings.Cut(a.header.Get("Content-Range"), "/")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}
