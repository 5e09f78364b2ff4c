package probe

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/crpki/crpki/pki"
)

// Challenge says how a client has to log in (RFC 9110, 11.6.1).
type Challenge struct {
	// Scheme is "Basic" or "Bearer".
	Scheme string `json:"scheme"`
	// Realm is where a token comes from, for Bearer a URL.
	Realm   string `json:"realm,omitempty"`
	Service string `json:"service,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

// Login tells how a client logs in. Passwords and tokens are not in here.
type Login struct {
	// User is who logs in, empty for nobody; Source says where the password is
	// from.
	User   string `json:"user,omitempty"`
	Source string `json:"source,omitempty"`
	// SentTo are the hosts that got the credentials, or for a nobody were asked
	// for a token.
	SentTo []string `json:"sentTo"`
	// OK is true when a token was given, the password taken, or nobody asked for
	// one.
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Credentials are what to log in with. They do not print themselves.
type Credentials struct {
	// Username and Password are for Basic and for Bearer.
	Username, Password string
	// IdentityToken takes their place where tokens are given (OAuth 2),
	// RegistryToken is such a token itself.
	IdentityToken, RegistryToken string
	// Source says in words where they are from.
	Source string
}

func (c Credentials) empty() bool {
	return c.Username == "" && c.Password == "" && c.IdentityToken == "" && c.RegistryToken == ""
}

// String names the user and the source alone.
func (c Credentials) String() string { return c.Username + " (from " + c.Source + ")" }

// GoString is that of %#v.
func (c Credentials) GoString() string { return c.String() }

// secrets are what must not be shown when a server sends it back.
func (c Credentials) secrets() []string {
	return []string{c.Password, c.IdentityToken, c.RegistryToken, base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))}
}

// bestChallenge takes Bearer before Basic, as clients do.
func bestChallenge(values []string) *Challenge {
	var best *Challenge
	for _, v := range values {
		c := parseChallenge(v)
		switch {
		case c == nil:
		case strings.EqualFold(c.Scheme, "bearer"):
			c.Scheme = "Bearer"
			return c
		case strings.EqualFold(c.Scheme, "basic") && best == nil:
			c.Scheme = "Basic"
			best = c
		}
	}
	return best
}

// parseChallenge reads one challenge as clients do (distribution's auth/challenge,
// and what containerd and containers/image have made of it): a scheme, then
// name="value" pairs with a comma between. What follows the first fault is left out.
func parseChallenge(text string) *Challenge {
	const space = " \t\r\n"
	scheme, rest := cutToken(text[:min(len(text), maxBody)])
	if scheme == "" || strings.HasPrefix(rest, "=") {
		return nil
	}
	c := &Challenge{Scheme: scheme}
	for more := true; more; rest, more = strings.CutPrefix(strings.TrimLeft(rest, space), ",") {
		name, after := cutToken(strings.TrimLeft(rest, space))
		after, ok := strings.CutPrefix(after, "=")
		if name == "" || !ok {
			return c
		}
		var value string
		value, rest = challengeValue(after)
		value = pki.Printable(value)
		switch strings.ToLower(name) {
		case "realm":
			c.Realm = value
		case "service":
			c.Service = value
		case "scope":
			c.Scope = value
		}
	}
	return c
}

// cutToken takes a token off s (RFC 9110, 5.6.2), which no URL is.
func cutToken(s string) (token, rest string) {
	i := strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"(),/:;<=>?@[]\\{}", c) })
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:]
}

// challengeValue takes a token or a quoted string off s (RFC 9110, 5.6.4).
func challengeValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		return cutToken(s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
			fallthrough
		default:
			b.WriteByte(s[i])
		}
	}
	return "", ""
}

// maxToken bounds the answer of a token realm, in bytes.
const maxToken = 1 << 20

// realm is where a token for the challenge comes from.
func (v *visit) realm(c *Challenge) (*url.URL, error) {
	u, err := url.Parse(c.Realm)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("the realm of its challenge is no URL")
	}
	u.User, u.Fragment = nil, ""
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && v.o.elsewhere(v.r.Address).forbids(addr) {
		return nil, fmt.Errorf("the realm of its challenge is %s, an address of this machine or of its link, as a cloud's metadata has: nobody should log in there", addr)
	}
	if u.Scheme == "http" {
		return nil, errors.New("the realm of its challenge is plain HTTP: credentials would be sent in clear")
	}
	return u, nil
}

// logIn answers the challenge of GET /v2/, as docker login does.
func (v *visit) logIn() {
	c := v.r.Registry.Challenge
	if c == nil {
		return // nobody asks for a password
	}
	if err := v.authorize(c); err != nil {
		return
	}
	login := v.r.Registry.Login
	a, _, err := v.fetch(call{url: v.base.JoinPath("v2/"), limit: maxBody, role: "redirect"})
	switch {
	case err != nil:
		login.OK, login.Error = false, v.clean(err)
	case a.status != http.StatusOK:
		login.OK, login.Error = false, "the registry does not take it: "+v.describe(a)
	}
}

// authorize gets what opens the registry for a pull, and notes how. Nobody's
// credentials go to a server whose TLS is not verified.
func (v *visit) authorize(c *Challenge) error {
	login := &Login{SentTo: []string{}}
	v.r.Registry.Login = login
	withheld, err := v.askCredentials()
	switch {
	case err != nil:
	case c.Scheme == "Basic" && withheld != nil:
		err = withheld
	case c.Scheme == "Basic" && v.credentials.empty():
		err = errors.New("the registry wants a password, and there is none for it")
	case c.Scheme == "Basic":
		v.authorization, v.secret = "Basic "+v.basic(), true
		login.SentTo = append(login.SentTo, dialKey(v.base))
	case v.credentials.RegistryToken != "":
		v.authorization, v.secret = "Bearer "+v.credentials.RegistryToken, true
		login.SentTo = append(login.SentTo, dialKey(v.base))
	default:
		var token string
		if token, err = v.token(c, withheld != nil); err == nil {
			v.authorization, v.secret = "Bearer "+token, !v.credentials.empty()
			v.secrets = append(v.secrets, token)
		}
	}
	if login.OK = err == nil; err != nil {
		login.Error = v.clean(err)
	}
	if withheld != nil && login.Error == "" {
		login.Error = withheld.Error()
	}
	return err
}

// askCredentials asks for credentials once. withheld says why they may not be
// sent, in which case none were asked for.
func (v *visit) askCredentials() (withheld, err error) {
	if v.o.Credentials == nil {
		return nil, nil
	}
	if !v.trusted && !v.o.Insecure {
		return errors.New("no password is sent, since the server's TLS is not trusted"), nil
	}
	if !v.asked {
		v.asked = true
		v.credentials, err = v.o.Credentials(v.ctx, dialName(v.t), v.t.Repository)
		if err != nil {
			return nil, err
		}
		for _, s := range v.credentials.secrets() {
			if len(s) > 3 {
				v.secrets = append(v.secrets, s)
			}
		}
	}
	v.r.Registry.Login.User = pki.Printable(v.credentials.Username)
	if !v.credentials.empty() {
		v.r.Registry.Login.Source = pki.Printable(v.credentials.Source)
	}
	return nil, nil
}

func (v *visit) basic() string {
	return base64.StdEncoding.EncodeToString([]byte(v.credentials.Username + ":" + v.credentials.Password))
}

// token asks the realm for a token: with the credentials where there are some,
// as nobody otherwise (distribution's token and OAuth 2 specifications). The
// scope is ours, whatever the registry would like to have.
func (v *visit) token(c *Challenge, asNobody bool) (string, error) {
	realm, err := v.realm(c)
	if err != nil {
		return "", err
	}
	form := url.Values{}
	if c.Service != "" {
		form.Set("service", c.Service)
	}
	if v.t.Repository != "" {
		form.Set("scope", "repository:"+v.t.Repository+":pull")
	}
	ask := call{url: realm, limit: maxToken, role: "token realm", stay: true}
	creds := v.credentials
	switch {
	case asNobody || creds.empty():
	case creds.IdentityToken != "":
		form.Set("grant_type", "refresh_token")
		form.Set("client_id", "crpki")
		form.Set("refresh_token", creds.IdentityToken)
		ask.form, ask.secret = form.Encode(), true
	default:
		form.Set("account", creds.Username)
		ask.authorization, ask.secret = "Basic "+v.basic(), true
	}
	if ask.form == "" {
		query := realm.Query()
		for name, values := range form {
			query[name] = values
		}
		realm.RawQuery = query.Encode()
	}
	a, _, err := v.fetch(ask)
	if a.status != 0 || err == nil {
		v.r.Registry.Login.SentTo = append(v.r.Registry.Login.SentTo, dialKey(realm))
	}
	if err != nil {
		return "", fmt.Errorf("token realm %s: %w", dialKey(realm), err)
	}
	if a.status != http.StatusOK {
		return "", fmt.Errorf("token realm %s: %s", dialKey(realm), v.describe(a))
	}
	var given struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		// These only keep clients from reading it.
		ExpiresIn int       `json:"expires_in"`
		IssuedAt  time.Time `json:"issued_at"`
	}
	if err := json.Unmarshal(a.body, &given); err != nil {
		reason := "is no JSON"
		switch wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); {
		case ok && wrong.Field != "":
			reason = fmt.Sprintf("has a %s in %s, and clients read none of it", wrong.Value, wrong.Field)
		case ok:
			reason = "is no JSON object"
		case json.Valid(a.body):
			reason = "has no time in issued_at, and clients read none of it"
		}
		return "", fmt.Errorf("token realm %s: its answer %s", dialKey(realm), reason)
	}
	if given.Token == "" {
		given.Token = given.AccessToken
	}
	if given.Token == "" || strings.ContainsFunc(given.Token, unicode.IsControl) {
		return "", fmt.Errorf("token realm %s: its answer holds no token", dialKey(realm))
	}
	return given.Token, nil
}

// clean is an error as it can be shown: a server may send back what it got.
func (v *visit) clean(err error) string {
	text := printable(err)
	for _, secret := range v.secrets {
		text = strings.ReplaceAll(text, secret, "(hidden)")
	}
	return text
}

// describe says what a registry answers: its status, and the first error in its
// words (OCI distribution specification, error codes).
func (v *visit) describe(a answer) string {
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	var body struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(a.body, &body) == nil && len(body.Errors) > 0 {
		first := body.Errors[0]
		text += ": " + strings.TrimSuffix(first.Code+": "+first.Message, ": ")
	}
	const most = 300
	return v.clean(errors.New(strings.ToValidUTF8(text[:min(len(text), most)], "")))
}
