package explain

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What must not come out again: an explanation is pasted into tickets.
func TestRedact(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"signature of a blob's URL", `Get "https://x.blob.core.windows.net/a?se=2022&sig=gbvsnw7993w2&sp=r": EOF`, `Get "https://x.blob.core.windows.net/a?se=REDACTED&sig=REDACTED&sp=REDACTED": EOF`},
		{"what names the repository stays", `Get "https://auth.local/token?scope=repository:a:pull&service=reg": EOF`, `Get "https://auth.local/token?scope=repository:a:pull&service=reg": EOF`},
		{"a token alone", `https://cdn.local/x?eyJhbGciOiJSUzI1NiJ9: EOF`, `https://cdn.local/x?REDACTED: EOF`},
		{"user and password", `unable to access 'https://me:hunter2@git.local/x.git/': EOF`, `unable to access 'https://REDACTED@git.local/x.git/': EOF`},
		{"header", "Authorization: Bearer eyJhbGciOi.abc.def", "Authorization: REDACTED"},
		{"basic", "authorization: Basic bWU6aHVudGVyMg==", "authorization: REDACTED"},
		{"header in JSON", `{"Authorization":"Bearer eyJhbGciOi.abc.def","x":1}`, `{"Authorization":"REDACTED","x":1}`},
		{"bearer in a sentence", "sent Bearer eyJhbGciOi.abc.def to it", "sent Bearer REDACTED to it"},
		{"connection string", "ConnectedRegistryName=reg;SyncTokenName=t;SyncTokenPassword=abc+def==;ParentGatewayEndpoint=x", "ConnectedRegistryName=reg;SyncTokenName=t;SyncTokenPassword=REDACTED;ParentGatewayEndpoint=x"},
		{"password in JSON", `"password":"hunter2"`, `"password":"REDACTED"`},
		{"docker config", `"auth": "bWU6aHVudGVyMg=="`, `"auth": "REDACTED"`},
		{"flag", "docker login --password=hunter2 reg", "docker login --password=REDACTED reg"},
		{"words stay", "failed to fetch oauth token: unexpected status: 403 Forbidden", "failed to fetch oauth token: unexpected status: 403 Forbidden"},
		{"basic auth as words", "no basic auth credentials", "no basic auth credentials"},
		{"secret as a word", "secret regcred not found", "secret regcred not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, Redact(test.text))
		})
	}
}
