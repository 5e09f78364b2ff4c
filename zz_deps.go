//go:build deps

package keep

import (
	_ "github.com/cloudflare/cfssl/csr"
	_ "github.com/cloudflare/cfssl/helpers"
	_ "github.com/goccy/go-yaml"
	_ "github.com/google/go-containerregistry/pkg/registry"
	_ "github.com/google/go-containerregistry/pkg/v1/random"
	_ "github.com/google/go-containerregistry/pkg/v1/remote"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/stretchr/testify/assert"
	_ "github.com/stretchr/testify/require"
	_ "github.com/urfave/cli/v2"
	_ "github.com/youmark/pkcs8"
	_ "golang.org/x/crypto/cryptobyte"
	_ "golang.org/x/net/idna"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/sync/errgroup"
	_ "software.sslmate.com/src/go-pkcs12"
)
