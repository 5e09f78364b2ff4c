package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdRegistry is `registry VARIABLE FOLDER [SETTING…]`: a registry on a free
// port of loopback until the script ends, with the certificate and key in
// FOLDER, and writable, so that it can be filled. The variable holds its
// address. Settings are
//
//	basic=USER:PASSWORD   asks for this password
//	tokens=ADDRESS        sends clients for tokens to another registry
//	gives=USER:PASSWORD   gives tokens to whom has the password
//	blobs=ADDRESS         sends clients for blobs to another registry
func cmdRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: registry VARIABLE FOLDER [SETTING…]")
	}
	settings := map[string]string{}
	for _, arg := range args[2:] {
		name, value, _ := strings.Cut(arg, "=")
		settings[name] = value
	}
	server, err := startRegistry(ts.MkAbs(args[1]), settings)
	ts.Check(err)
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.Listener.Addr().String())
}

// startRegistry is one with the certificate and key in a folder.
func startRegistry(dir string, settings map[string]string) (*httptest.Server, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		return nil, err
	}
	s := httptest.NewUnstartedServer(scriptRegistry(settings))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	return s, nil
}

// scriptToken opens the registry that sends for tokens.
const scriptToken = "a.script.token"

func scriptRegistry(settings map[string]string) http.Handler {
	images := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	images.ServeHTTP(httptest.NewRecorder(), scriptUpload("POST", "/v2/team/app/blobs/uploads/?digest="+scriptDigest("{}"), "{}"))
	manifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` +
		scriptDigest("{}") + `","size":2},"layers":[]}`
	images.ServeHTTP(httptest.NewRecorder(), scriptUpload("PUT", "/v2/team/app/manifests/1.2", manifest))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		given := user + ":" + password
		challenge := ""
		switch {
		case r.URL.Path == "/token":
			if want := settings["gives"]; want != "" && given != want {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			json.NewEncoder(w).Encode(map[string]string{"token": scriptToken})
			return
		case settings["basic"] != "" && given != settings["basic"]:
			challenge = `Basic realm="script"`
		case settings["tokens"] != "" && r.Header.Get("Authorization") != "Bearer "+scriptToken:
			challenge = `Bearer realm="https://` + settings["tokens"] + `/token",service="script"`
		}
		switch {
		case challenge != "":
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
		case settings["blobs"] != "" && strings.Contains(r.URL.Path, "/blobs/"):
			http.Redirect(w, r, "https://"+settings["blobs"]+r.URL.Path+"?signature=open-sesame", http.StatusTemporaryRedirect)
		case r.Header.Get("Authorization") != "" && settings["basic"] == "" && settings["tokens"] == "":
			w.WriteHeader(http.StatusBadRequest) // as stores do, to which a password goes along
		default:
			images.ServeHTTP(w, r)
		}
	})
}

func scriptUpload(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	return r
}

func scriptDigest(body string) string {
	sum := sha256.Sum256([]byte(body))
	return fmt.Sprintf("sha256:%x", sum)
}
