package trust

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

// registriesConf is what the clients of containers/image have read of
// registries.conf(5): one file and the drop-ins that amend it.
type registriesConf struct {
	// entries by prefix.
	entries map[string]*registryEntry
	// blockedIn is where a message about a blocked registry points to.
	blockedIn string
	// failure is what every pull says when a file is refused.
	failure  *Failure
	steps    []Step
	mistakes []Mistake
	// needs is what crpki did not read, for its size or kind.
	needs string
}

// registryEntry is one [[registry]].
type registryEntry struct {
	prefix, location         string
	insecure, blocked        bool
	digestOnly               bool
	mirrors                  []registryMirror
	place                    Place
	pullFrom                 string
	insecurePlace, blockedAt Place
}

type registryMirror struct {
	location, pullFrom string
	insecure           bool
	place              Place
}

// The document as TOML has it; the names of keys are matched in any case.
type (
	tomlRegistriesConf struct {
		Registries        []tomlRegistry    `toml:"registry"`
		Search            []string          `toml:"unqualified-search-registries"`
		CredentialHelpers []string          `toml:"credential-helpers"`
		LayerStoreHelper  string            `toml:"additional-layer-store-auth-helper"`
		ShortNameMode     string            `toml:"short-name-mode"`
		Aliases           map[string]string `toml:"aliases"`
		V1                tomlV1            `toml:"registries"`
	}
	tomlRegistry struct {
		Prefix             string       `toml:"prefix"`
		Location           string       `toml:"location"`
		Insecure           bool         `toml:"insecure"`
		PullFromMirror     string       `toml:"pull-from-mirror"`
		Mirrors            []tomlMirror `toml:"mirror"`
		Blocked            bool         `toml:"blocked"`
		MirrorByDigestOnly bool         `toml:"mirror-by-digest-only"`
	}
	tomlMirror struct {
		Location       string `toml:"location"`
		Insecure       bool   `toml:"insecure"`
		PullFromMirror string `toml:"pull-from-mirror"`
	}
	tomlV1 struct {
		Search   tomlV1List `toml:"search"`
		Insecure tomlV1List `toml:"insecure"`
		Block    tomlV1List `toml:"block"`
	}
	tomlV1List struct {
		Registries []string `toml:"registries"`
	}
)

// imageConfigPaths are where a version of containers/image looks for
// registries.conf: the first of main that is there, and the drop-ins.
type imageConfigPaths struct {
	main []string
	// must is true when the file was named by the environment: then it has to be
	// there.
	must    bool
	dropIns []string // in the order in which they are read
	// whole: drop-ins of all folders are one list, in which a name counts once;
	// the folders go from the strongest to the weakest.
	whole bool
	last  string // read behind all others, "" for none
}

// configPaths follows sysregistriesv2.newConfigWrapper up to 5.39 and
// go.podman.io/storage/pkg/configfile since 5.40.
func (c containersImage) configPaths(n *Node, v imageVersion) imageConfigPaths {
	const name = "registries.conf"
	home := path.Join(n.Getenv("HOME"), ".config/containers")
	named := c.namedConfig(n, v)
	if v < 40 {
		p := imageConfigPaths{main: []string{"/etc/containers/" + name}, dropIns: []string{"/etc/containers/" + name + ".d", path.Join(home, name+".d")}}
		switch {
		case named != "":
			p.main, p.must = []string{named}, true
		case n.Exists(path.Join(home, name)):
			p.main, p.dropIns = []string{path.Join(home, name)}, p.dropIns[1:]
		}
		return p
	}
	p := imageConfigPaths{whole: true, last: n.Getenv("CONTAINERS_REGISTRIES_CONF_OVERRIDE")}
	if named != "" {
		p.main, p.must = []string{named}, true
		return p
	}
	for _, dir := range imageConfigDirs(n) {
		p.main = append(p.main, path.Join(dir, name))
		for _, special := range imageSpecials(n, dir) {
			p.dropIns = append(p.dropIns, path.Join(dir, "registries"+special+".conf.d"+imageUIDOf(n, special)))
			if special == ".rootless" {
				p.dropIns = append(p.dropIns, path.Join(dir, "registries.rootless.conf.d"))
			}
		}
	}
	return p
}

// imageConfigDirs are the folders of containers' configuration since 5.40, from
// the strongest.
func imageConfigDirs(n *Node) []string {
	dirs := []string{n.xdgConfig() + "/containers", "/etc/containers", "/usr/share/containers"}
	return dirs
}

// xdgConfig is XDG_CONFIG_HOME, which counts since 5.40 also when it is empty.
func (n *Node) xdgConfig() string {
	if dir, ok := n.user.Env["XDG_CONFIG_HOME"]; ok {
		return dir
	}
	return path.Join(n.Getenv("HOME"), ".config")
}

// imageSpecials are the parts of names that lie between "registries" and
// ".conf.d" in a folder, from the strongest.
func imageSpecials(n *Node, dir string) []string {
	switch {
	case dir == n.xdgConfig()+"/containers":
		return []string{""}
	case n.User().UID == 0:
		return []string{".rootful", ""}
	}
	return []string{".rootless", ""}
}

// imageUIDOf is the sub-folder of one user.
func imageUIDOf(n *Node, special string) string {
	if special == ".rootless" {
		return fmt.Sprintf("/%d", n.User().UID)
	}
	return ""
}

type registriesKey struct {
	c containersImage
	v imageVersion
}

// registries reads the configuration, once.
func (c containersImage) registries(n *Node, v imageVersion) *registriesConf {
	return Memo(n, registriesKey{c, v}, func() *registriesConf { return c.loadRegistries(n, v) })
}

func (c containersImage) loadRegistries(n *Node, v imageVersion) *registriesConf {
	p := c.configPaths(n, v)
	r := &registriesConf{entries: map[string]*registryEntry{}}
	used := r.loadMain(n, v, p)
	if r.failure != nil {
		return r
	}
	dropIns, failure := p.list(n)
	if failure != nil {
		r.failure = failure
		return r
	}
	for _, file := range dropIns {
		if r.load(n, v, file, true, v >= 34); r.failure != nil {
			return r
		}
	}
	if p.last != "" {
		r.load(n, v, p.last, true, false)
	}
	r.blockedIn = p.blockedIn(n, v, used)
	r.hidden(n, v, used)
	return r
}

// blockedIn words where a block may come from.
func (p imageConfigPaths) blockedIn(n *Node, v imageVersion, used string) string {
	if v >= 40 {
		return fmt.Sprintf("one of %q", slices.Concat(p.main, p.dropIns))
	}
	if used == "" {
		used = p.main[0]
	}
	return used + " or " + p.dropIns[len(p.dropIns)-1]
}

// loadMain reads the main file and gives its path.
func (r *registriesConf) loadMain(n *Node, v imageVersion, p imageConfigPaths) string {
	for _, file := range p.main {
		if r.load(n, v, file, false, !p.must) {
			return file
		}
		if r.failure != nil {
			return file
		}
	}
	return ""
}

// list gives the drop-ins in the order in which they are read.
func (p imageConfigPaths) list(n *Node) ([]string, *Failure) {
	if p.whole {
		return p.listWhole(n)
	}
	var files []string
	for _, dir := range p.dropIns {
		// filepath.WalkDir does not follow a link at its root.
		info, err := n.Lstat(dir)
		if err == nil && !info.IsDir() {
			continue
		}
		entries, err := n.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &Failure{Text: "reading registries.conf.d: " + err.Error(), Place: Place{File: dir}}
		}
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".conf") {
				files = append(files, path.Join(dir, e.Name()))
			}
		}
	}
	return files, nil
}

func (p imageConfigPaths) listWhole(n *Node) ([]string, *Failure) {
	byName := map[string]string{}
	for _, dir := range slices.Backward(p.dropIns) {
		entries, err := n.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, &Failure{Text: readDirAs(err, "open").Error(), Place: Place{File: dir}}
		}
		for _, e := range entries {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ".conf") {
				byName[e.Name()] = path.Join(dir, e.Name())
			}
		}
	}
	var files []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		files = append(files, byName[name])
	}
	return files, nil
}

// load reads one file into r and is true when it was there. A file that is not
// there is passed over when optional is true.
func (r *registriesConf) load(n *Node, v imageVersion, file string, dropIn, optional bool) bool {
	data, err := n.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && optional {
		r.steps = append(r.steps, Step{Place: Place{File: file}, Why: "is not there"})
		return false
	}
	if notReadHere(err) {
		r.needs = notRead(file, err)
		r.steps = append(r.steps, Step{Place: Place{File: file}, Why: reason(err)})
		return true
	}
	line := 0
	if err == nil {
		var entries []*registryEntry
		entries, line, err = parseRegistries(file, data, v, dropIn)
		if err == nil {
			r.merge(entries)
			r.steps = append(r.steps, Step{Place: Place{File: file}, Used: true, Why: "holds " + counted(len(entries), "registry entry")})
			return true
		}
	}
	text := fmt.Sprintf("loading registries configuration %q: %v", file, err)
	if p, ok := errors.AsType[*fs.PathError](err); v >= 40 && ok && p.Op == "open" {
		text = err.Error()
	}
	if v < 40 && dropIn {
		text = fmt.Sprintf("loading drop-in registries configuration %q: %v", file, err)
	}
	place := Place{File: file, Line: line}
	r.failure = &Failure{Text: text, Place: place}
	r.mistakes = append(r.mistakes, Mistake{
		ID: "registries-conf-refused", Place: place, Severity: severityError,
		Text: "no image can be pulled while this file is refused: " + err.Error(),
		Fix:  "edit " + file,
	})
	return false
}

func (r *registriesConf) merge(entries []*registryEntry) {
	for _, e := range entries {
		r.entries[e.prefix] = e
	}
}

// find gives the entry with the longest prefix that matches a name, nil for
// none.
func (r *registriesConf) find(name string) *registryEntry {
	var best *registryEntry
	for _, prefix := range slices.Sorted(maps.Keys(r.entries)) {
		if matchPrefix(name, prefix) >= 0 && (best == nil || len(prefix) > len(best.prefix)) {
			best = r.entries[prefix]
		}
	}
	return best
}

// matchPrefix is the length of what prefix covers of a reference, -1 when it
// does not. A prefix "host" covers "host:5000" too, which is documented as not
// intended.
func matchPrefix(ref, prefix string) int {
	end := len(prefix)
	if suffix, ok := strings.CutPrefix(prefix, "*."); ok {
		i := strings.Index(ref, "."+suffix)
		if i < 0 || strings.Contains(ref[:i], "/") {
			return -1
		}
		end = i + 1 + len(suffix)
	} else if !strings.HasPrefix(ref, prefix) {
		return -1
	}
	if end == len(ref) || strings.IndexByte(":/@", ref[end]) >= 0 {
		return end
	}
	return -1
}

// parseRegistries reads one file. The error is worded as the library words it;
// line is where the file is at fault, 0 when it is not known.
func parseRegistries(file string, data []byte, v imageVersion, dropIn bool) (entries []*registryEntry, line int, err error) {
	var doc tomlRegistriesConf
	if v < 26 && bytes.HasPrefix(data, []byte("\ufeff")) { // toml before 1.3
		return nil, 1, errors.New("toml: line 1: expected '.' or '=', but got '\\ufeff' instead")
	}
	if _, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, tomlLine(err), errors.New(tomlText(err, v))
	}
	lines := linesOf(data)
	if doc.V1.set(v) {
		return doc.convertV1(file, lines, v, dropIn)
	}
	for i, t := range doc.Registries {
		entries = append(entries, t.entry(file, lines, i))
	}
	if err := validateRegistries(entries, v); err != nil {
		return nil, err.line, errors.New(err.text)
	}
	if err := validateSearch(doc.Search, lines); err != nil {
		return nil, err.line, errors.New(err.text)
	}
	entries = firstOfPrefix(entries)
	if doc.ShortNameMode != "" && !slices.Contains([]string{"disabled", "enforcing", "permissive"}, doc.ShortNameMode) {
		return nil, lines.of("short-name-mode", 1), fmt.Errorf("invalid short-name mode: %q", doc.ShortNameMode)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.prefix, "*.") && strings.ContainsAny(e.prefix, "/@:") {
			return nil, e.place.Line, fmt.Errorf("Wildcarded prefix should be in the format: *.example.com. Current prefix %q is incorrectly formatted", e.prefix) //nolint:staticcheck // the library's words
		}
	}
	if err := validateAliases(doc.Aliases); err != nil {
		return nil, lines.of("[aliases]", 1), err
	}
	return entries, 0, nil
}

// set is true when the file is in the first version's format. Up to 5.23 an
// empty list was no list.
func (t tomlV1) set(v imageVersion) bool {
	for _, l := range []tomlV1List{t.Search, t.Insecure, t.Block} {
		if len(l.Registries) > 0 || v >= 24 && l.Registries != nil {
			return true
		}
	}
	return false
}

// hasV2 is true when a setting of the second version's format is there too.
func (t *tomlRegistriesConf) hasV2(v imageVersion) bool {
	if len(t.Registries)+len(t.Search)+len(t.CredentialHelpers)+len(t.Aliases) > 0 || t.ShortNameMode != "" || t.LayerStoreHelper != "" {
		return true
	}
	return v >= 24 && (t.Registries != nil || t.Search != nil || t.CredentialHelpers != nil)
}

func (t *tomlRegistriesConf) convertV1(file string, lines fileLines, v imageVersion, dropIn bool) ([]*registryEntry, int, error) {
	line := max(lines.of("[registries.insecure]", 1), lines.of("[registries.block]", 1), lines.of("[registries.search]", 1))
	switch {
	case v >= 40:
		return nil, line, errors.New("registries.conf must be in v2 format but is in v1")
	case dropIn:
		return nil, line, errors.New("registry must be in v2 format but is in v1")
	case t.hasV2(v) && v >= 24: // the whole document in Go's notation follows
		return nil, line, errors.New("mixing sysregistry v1/v2 is not supported: sysregistriesv2.tomlConfig{…}")
	case t.hasV2(v):
		return nil, line, errors.New("mixing sysregistry v1/v2 is not supported")
	}
	byLocation := map[string]*registryEntry{}
	var entries []*registryEntry
	get := func(location, table string) (*registryEntry, error) {
		location, err := trimLocation(location)
		if err != nil {
			return nil, err
		}
		e, ok := byLocation[location]
		if !ok {
			e = &registryEntry{prefix: location, location: location, place: Place{File: file, Line: lines.of(table, 1), Key: strings.Trim(table, "[]")}}
			byLocation[location] = e
			entries = append(entries, e)
		}
		return e, nil
	}
	for _, l := range t.V1.Block.Registries {
		e, err := get(l, "[registries.block]")
		if err != nil {
			return nil, line, err
		}
		e.blocked, e.blockedAt = true, e.place
	}
	for _, l := range t.V1.Insecure.Registries {
		e, err := get(l, "[registries.insecure]")
		if err != nil {
			return nil, line, err
		}
		e.insecure = true
		e.insecurePlace = Place{File: file, Line: lines.of("[registries.insecure]", 1), Key: "registries.insecure"}
	}
	if err := validateRegistries(entries, v); err != nil {
		return nil, line, errors.New(err.text)
	}
	if err := validateSearch(t.V1.Search.Registries, lines); err != nil {
		return nil, line, errors.New(err.text)
	}
	return firstOfPrefix(entries), 0, nil
}

// entry is the i-th [[registry]].
func (t tomlRegistry) entry(file string, lines fileLines, i int) *registryEntry {
	at := lines.of("[[registry]]", i+1)
	end := lines.of("[[registry]]", i+2)
	place := Place{File: file, Line: at, Key: "registry"}
	within := func(key string) Place {
		p := Place{File: file, Line: lines.key(key, at, end), Key: "registry." + key}
		if p.Line == 0 {
			p.Line = at
		}
		return p
	}
	e := &registryEntry{
		prefix: t.Prefix, location: t.Location, insecure: t.Insecure, blocked: t.Blocked, digestOnly: t.MirrorByDigestOnly,
		place: place, pullFrom: t.PullFromMirror, insecurePlace: within("insecure"), blockedAt: within("blocked"),
	}
	mirrors := 0
	for _, m := range t.Mirrors {
		mirrors++
		line := lines.ofAfter("[[registry.mirror]]", at, mirrors)
		e.mirrors = append(e.mirrors, registryMirror{
			location: m.Location, insecure: m.Insecure, pullFrom: m.PullFromMirror,
			place: Place{File: file, Line: line, Key: "registry.mirror"},
		})
	}
	return e
}

// confError is an error of the library with the line that is at fault.
type confError struct {
	line int
	text string
}

// trimLocation trims a location, and refuses a scheme.
func trimLocation(text string) (string, error) {
	trimmed := strings.TrimRight(text, "/")
	if strings.HasPrefix(trimmed, "http://") || strings.HasPrefix(trimmed, "https://") {
		return "", fmt.Errorf("invalid location '%s': URI schemes are not supported", text)
	}
	return trimmed, nil
}

// validateRegistries checks the entries of one file in the library's order, and
// gives each a prefix.
func validateRegistries(entries []*registryEntry, v imageVersion) *confError {
	for _, e := range entries {
		if err := e.validate(v); err != nil {
			return err
		}
	}
	for _, e := range entries {
		for _, other := range entries {
			if e.where() != other.where() {
				continue
			}
			for setting, differs := range []bool{e.insecure != other.insecure, e.blocked != other.blocked} {
				if differs {
					return &confError{e.place.Line, fmt.Sprintf("registry '%s' is defined multiple times with conflicting '%s' setting", e.location, [...]string{"insecure", "blocked"}[setting])}
				}
			}
		}
	}
	return nil
}

// where two entries must agree.
func (e *registryEntry) where() string {
	if e.location == "" {
		return e.prefix
	}
	return e.location
}

func (e *registryEntry) validate(v imageVersion) *confError {
	fault := func(format string, args ...any) *confError {
		return &confError{e.place.Line, fmt.Sprintf(format, args...)}
	}
	var err error
	if e.location, err = trimLocation(e.location); err != nil {
		return fault("%v", err)
	}
	switch {
	case e.prefix == "" && e.location == "":
		return fault("invalid condition: both location and prefix are unset")
	case e.prefix == "":
		e.prefix = e.location
	default:
		if e.prefix, err = trimLocation(e.prefix); err != nil {
			return fault("%v", err)
		}
		if !strings.HasPrefix(e.prefix, "*.") && e.location == "" {
			return fault("invalid condition: location is unset and prefix is not in the format: *.example.com")
		}
	}
	if e.pullFrom != "" {
		return fault("pull-from-mirror must not be set for a non-mirror registry %q", e.prefix)
	}
	for i := range e.mirrors {
		m := &e.mirrors[i]
		trimmed, err := trimLocation(m.location)
		switch {
		case err != nil:
			return fault("%v", err)
		case trimmed == "":
			return fault("invalid condition: mirror location is unset")
		case e.digestOnly && m.pullFrom != "":
			return fault("cannot set mirror usage mirror-by-digest-only for the registry (%q) and pull-from-mirror for per-mirror (%q) at the same time", e.prefix, trimmed)
		case !slices.Contains([]string{"", "all", "digest-only", "tag-only"}, m.pullFrom):
			return fault("unsupported pull-from-mirror value %q for mirror %q", m.pullFrom, trimmed)
		}
		if v >= 35 { // older ones trim a copy
			m.location = trimmed
		}
	}
	return nil
}

// firstOfPrefix drops all but the first entry of a prefix.
func firstOfPrefix(entries []*registryEntry) []*registryEntry {
	seen := map[string]bool{}
	return slices.DeleteFunc(entries, func(e *registryEntry) bool {
		again := seen[e.prefix]
		seen[e.prefix] = true
		return again
	})
}

var domainPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(?:` + refHost + `)$`) })

func validateSearch(names []string, lines fileLines) *confError {
	for _, name := range names {
		trimmed, err := trimLocation(name)
		if err == nil && !domainPattern().MatchString(trimmed) {
			err = fmt.Errorf("Invalid unqualified-search-registries entry %#v", trimmed) //nolint:staticcheck // the library's words
		}
		if err != nil {
			return &confError{lines.of("unqualified-search-registries", 1), err.Error()}
		}
	}
	return nil
}

// validateAliases checks short names, which are no part of a decision for a
// reference that names its registry, but whose faults stop every pull.
func validateAliases(aliases map[string]string) error {
	var joined error
	add := func(err error) {
		if err != nil && joined != nil {
			err = fmt.Errorf("%w\n: %w", err, joined)
		}
		if err != nil {
			joined = err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		add(validateShortName(name))
		if value := aliases[name]; value != "" {
			add(validateAlias(value))
		}
	}
	if joined != nil {
		return fmt.Errorf("validating short-name aliases: %w", joined)
	}
	return nil
}

func validateShortName(name string) error {
	r, err := parseRef(name)
	switch {
	case err != nil:
		return fmt.Errorf("cannot parse short name: %q: %w", name, err)
	case r.digest != "":
		return fmt.Errorf("invalid short name %q: must not contain digest", name)
	case r.tag != "":
		return fmt.Errorf("invalid short name %q: must not contain tag", name)
	case strings.ContainsAny(r.domain, ".:") || r.domain == "localhost":
		return fmt.Errorf("invalid short name %q: must not contain registry", name)
	}
	return nil
}

func validateAlias(value string) error {
	r, err := parseRef(value)
	switch {
	case err != nil:
		return fmt.Errorf("parsing alias %q: %w", value, err)
	case r.digest != "":
		return fmt.Errorf("invalid alias %q: must not contain digest", value)
	case r.tag != "":
		return fmt.Errorf("invalid alias %q: must not contain tag", value)
	case !strings.ContainsAny(r.domain, ".:") && r.domain != "localhost":
		return fmt.Errorf("invalid alias %q: must contain registry and repository", value)
	}
	return nil
}

// tomlText is the decoder's message with the library's names for the types, and
// in the words of the decoder that the version has.
func tomlText(err error, v imageVersion) string {
	text := strings.NewReplacer(
		"trust.tomlV1List", "sysregistriesv2.V1TOMLregistries",
		"trust.tomlV1", "sysregistriesv2.V1TOMLConfig",
		"trust.tomlRegistry", "sysregistriesv2.Registry",
		"trust.tomlMirror", "sysregistriesv2.Endpoint",
	).Replace(err.Error())
	if v < 32 { // toml before 1.4
		text = strings.ReplaceAll(text, "map[string]any", "map[string]interface {}")
	}
	if after, ok := strings.CutPrefix(text, fmt.Sprintf("toml: line %d", tomlLine(err))); ok && v < 36 && strings.HasSuffix(text, `found '\n' instead`) {
		text = fmt.Sprintf("toml: line %d%s", tomlLine(err)+1, after) // toml before 1.5
	}
	return text
}

func tomlLine(err error) int {
	if p, ok := errors.AsType[toml.ParseError](err); ok {
		return p.Position.Line
	}
	var line int
	if _, after, ok := strings.Cut(err.Error(), "toml: line "); ok {
		fmt.Sscanf(after, "%d", &line) //nolint:errcheck // 0 is "not known"
	}
	return line
}

// fileLines finds settings in the text of a file, for messages that point to
// them.
type fileLines []string

func linesOf(data []byte) fileLines {
	return strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n")
}

// of is the line of the nth one that begins with a text, blanks aside; 0 for
// none.
func (l fileLines) of(begin string, nth int) int { return l.ofAfter(begin, 0, nth) }

func (l fileLines) ofAfter(begin string, after, nth int) int {
	squeeze := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
	begin = squeeze(begin)
	for i := after; i < len(l); i++ {
		if strings.HasPrefix(squeeze(strings.TrimSpace(l[i])), begin) {
			if nth--; nth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// key is the line of a key between two lines.
func (l fileLines) key(key string, from, to int) int {
	if from == 0 {
		return 0
	}
	if to == 0 {
		to = len(l) + 1
	}
	for i := from; i < to-1 && i < len(l); i++ {
		name, _, ok := strings.Cut(l[i], "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), key) {
			return i + 1
		}
		if strings.HasPrefix(strings.TrimSpace(l[i]), "[") {
			return 0
		}
	}
	return 0
}

// sortedEntries are the entries by prefix.
func sortedEntries(r *registriesConf) []*registryEntry {
	var all []*registryEntry
	for _, prefix := range slices.Sorted(maps.Keys(r.entries)) {
		all = append(all, r.entries[prefix])
	}
	return all
}
