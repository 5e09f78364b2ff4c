package k8ssecret

import (
	"encoding/json"
	"errors"
	"strings"
)

// strictJSON says where and why text is no JSON document, "" when it is one.
func strictJSON(text string) (offset int, why string) {
	text = strings.TrimPrefix(text, "\uFEFF")
	if json.Valid([]byte(text)) {
		return 0, ""
	}
	var v json.RawMessage
	err := json.Unmarshal([]byte(text), &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return max(0, min(int(syntax.Offset), len(text))-1), syntax.Error()
	}
	return 0, "the document is cut off"
}
