package main

import (
	"github.com/urfave/cli/v2"

	"github.com/crpki/crpki/inspect"
	"github.com/crpki/crpki/k8ssecret"
)

// helmSetFlag is helm's own, for values that stand in no file.
func helmSetFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "set", Usage: "judge `KEY=VALUE` as helm --set has it, over the values files that are named"}
}

// withSets makes the job of what --set gives, over the values files among
// paths, and returns the paths that are left. These files are not judged by
// themselves: what is missing there may be what --set gives.
func (l *linter) withSets(paths []string) (set []job, left []string) {
	sets := l.c.StringSlice("set")
	if len(sets) == 0 {
		return nil, paths
	}
	var files []k8ssecret.Input
	for _, path := range paths {
		data := l.valuesFile(path)
		if data == nil {
			left = append(left, path)
			continue
		}
		files = append(files, k8ssecret.Input{Source: path, Data: data})
	}
	judge := func() []inspect.TargetReport {
		u, err := k8ssecret.ReadSet(files, sets, l.formatOptions())
		if err != nil {
			return failed("--set", err)
		}
		r := l.unit(u.Target, u)
		r.Certificates = len(u.Material.Certs) + len(u.Material.Anchors)
		return []inspect.TargetReport{r}
	}
	return []job{judge}, left
}

// valuesFile gives the content of a file with Helm values, nil for all others:
// those are read, and told of, where they are judged.
func (l *linter) valuesFile(path string) []byte {
	if path == "-" || !isTextName(path) || large(path) {
		return nil
	}
	data, err := l.read(path)
	if err != nil || k8ssecret.Sniff(path, data) != k8ssecret.KindHelmValues {
		return nil
	}
	return data
}
