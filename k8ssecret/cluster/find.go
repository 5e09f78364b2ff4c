package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// find.go finds the kubeconfigs that count, and merges them (client-go 0.34.4,
// tools/clientcmd: loader.go, merge.go and merged_client_builder.go).

// find is ClientConfig and Namespace of client-go's
// DeferredLoadingClientConfig, or of its DirectClientConfig when o has a
// kubeconfig. p is where a pod finds what it has.
func (o Options) find(p pod) (access, error) {
	if o.Kubeconfig != nil {
		c, err := parseConfig(o.Kubeconfig, o.Path)
		if err != nil {
			return access{}, err
		}
		a, _, err := c.access(o.Context)
		return a, err
	}
	c, err := loadConfigs(kubeconfigPaths())
	if err != nil {
		return access{}, err
	}
	a, explicit, err := c.access(o.Context)
	switch {
	case errors.Is(err, errEmpty) && p.exists():
		return p.access()
	case err == nil && !explicit && p.exists():
		a.namespace = p.namespace()
	}
	return a, err
}

// kubeconfigPaths are the files that count: those that KUBECONFIG lists, each
// once, or the one in the home folder.
func kubeconfigPaths() []string {
	if list := os.Getenv("KUBECONFIG"); list != "" {
		var paths []string
		for _, path := range filepath.SplitList(list) {
			if path != "" && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
		return paths
	}
	return []string{filepath.Join(homeDir(), ".kube", "config")}
}

// homeDir is client-go's (util/homedir): HOME; on Windows the first of three
// folders that has a kubeconfig, or else that can be written to, or is there, or
// is named at all.
func homeDir() string {
	home := os.Getenv("HOME")
	if runtime.GOOS != "windows" {
		return home
	}
	drive, profile := "", os.Getenv("USERPROFILE")
	if d, p := os.Getenv("HOMEDRIVE"), os.Getenv("HOMEPATH"); d != "" && p != "" {
		drive = d + p
	}
	isThere := func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}
	for _, dir := range []string{home, drive, profile} {
		if dir != "" && isThere(filepath.Join(dir, ".kube", "config")) {
			return dir
		}
	}
	isWritable := func(dir string) bool {
		info, err := os.Stat(dir)
		return err == nil && info.IsDir() && info.Mode().Perm()&0o200 != 0
	}
	for _, serves := range []func(string) bool{isWritable, isThere, func(string) bool { return true }} {
		for _, dir := range []string{home, profile, drive} {
			if dir != "" && serves(dir) {
				return dir
			}
		}
	}
	return ""
}

// loadConfigs merges the files that are there. What the first of them says of a
// cluster, a user or a context, or as the current context, counts.
func loadConfigs(paths []string) (configFile, error) {
	merged, _ := parseConfig(nil, "")
	var faults []error
	for _, path := range paths {
		data, err := readFile(path)
		if os.IsNotExist(err) {
			continue
		}
		var c configFile
		if err == nil {
			c, err = parseConfig(data, path)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, withoutPath(err)))
			continue
		}
		if merged.current == "" {
			merged.current = c.current
		}
		addMissing(merged.clusters, c.clusters)
		addMissing(merged.users, c.users)
		addMissing(merged.contexts, c.contexts)
	}
	return merged, together(faults)
}

func addMissing[V any](to, from map[string]V) {
	for name, v := range from {
		if _, there := to[name]; !there {
			to[name] = v
		}
	}
}

// maxFile bounds a file that a kubeconfig names, and itself, in bytes.
const maxFile = 32 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("read %s: it is larger than %d MiB", path, maxFile>>20)
	}
	return data, err
}

// withoutPath is what is wrong with a file whose name is told already.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// together joins errors in one line.
func together(all []error) error {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	var texts []string
	for _, err := range all {
		if text := err.Error(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return errors.New(strings.Join(texts, "; "))
}

// resolved makes paths absolute: those that are relative begin in the folder of
// the file that names them. In one without a name they stay as they are.
func (c clusterEntry) resolved() clusterEntry {
	resolve(c.origin, &c.caFile)
	return c
}

func (u userEntry) resolved() userEntry {
	resolve(u.origin, &u.certFile, &u.keyFile, &u.tokenFile)
	if u.exec != nil && strings.ContainsRune(u.exec.command, filepath.Separator) { // PATH has the others
		exec := *u.exec
		resolve(u.origin, &exec.command)
		u.exec = &exec
	}
	return u
}

func resolve(origin string, paths ...*string) {
	dir, err := filepath.Abs(filepath.Dir(origin))
	if origin == "" || err != nil {
		return
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}
