package format

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pemCase is a way to spoil a file of two certificates.
type pemCase struct {
	name string
	// certs is how many certificates the text has for a person, found how many
	// of them we parse.
	certs, found int
	// lost are the blocks that Go's encoding/pem does not see.
	lost []int
	// rules are all notes but those on lost blocks.
	rules []string
	text  string
}

func pemCases(w *world) []pemCase {
	two := w.bundle()
	one, other := string(EncodeCerts(w.leaf)), string(EncodeCerts(w.ca))
	raw := base64.StdEncoding.EncodeToString(w.leaf.Raw)
	both := []int{1, 2}
	replace := func(old, new string) string { return strings.ReplaceAll(two, old, new) }
	lines := func(text string, f func(int, string) string) string {
		in := strings.SplitAfter(text, "\n")
		for i := range in {
			in[i] = f(i, in[i])
		}
		return strings.Join(in, "")
	}
	body := func(columns int) string {
		out := "-----BEGIN CERTIFICATE-----\n"
		for chunk := range slices.Chunk([]byte(raw), columns) {
			out += string(chunk) + "\n"
		}
		return out + "-----END CERTIFICATE-----\n"
	}
	cr := []byte(two)
	units := utf16.Encode([]rune(two))
	utf16LE, utf16BE := []byte("\xFF\xFE"), []byte("\xFE\xFF")
	for _, u := range units {
		utf16LE = append(utf16LE, byte(u), byte(u>>8))
		utf16BE = append(utf16BE, byte(u>>8), byte(u))
	}

	return []pemCase{
		{"as it should be", 2, 2, nil, nil, two},
		{"Windows line ends", 2, 2, nil, []string{NoteCRLF}, replace("\n", "\r\n")},
		{"old Mac line ends", 2, 2, both, []string{NoteCROnly}, strings.ReplaceAll(string(cr), "\n", "\r")},
		{"byte-order mark", 2, 2, []int{1}, []string{NoteByteOrderMark}, byteOrderMark + two},
		{"byte-order mark of the second file", 2, 2, []int{2}, []string{NoteByteOrderMark}, one + byteOrderMark + other},
		{"UTF-16 little", 2, 2, both, []string{NoteUTF16}, string(utf16LE)},
		{"UTF-16 big", 2, 2, both, []string{NoteUTF16}, string(utf16BE)},
		{"UTF-16 without its mark", 2, 2, both, []string{NoteUTF16}, string(utf16LE[2:])},
		{"text before", 2, 2, nil, []string{NoteTextBefore}, "the CA of the factory:\n" + two},
		{"text between", 2, 2, nil, []string{NoteTextBetween}, one + "the CA:\n" + other},
		{"text after", 2, 2, nil, []string{NoteTextAfter}, two + "# end\n"},
		{"blank lines around", 2, 2, nil, nil, "\n\n" + one + "\n\n" + other + "\n"},
		{"YAML document marks around", 2, 2, nil, nil, "---\n" + one + "---\n" + other},
		{"no line break between", 2, 2, both, []string{NoteNoNewlineBetween}, strings.TrimSuffix(one, "\n") + other},
		{"blanks in place of the line break", 2, 2, both, []string{NoteNoNewlineBetween}, strings.TrimSuffix(one, "\n") + "  " + other},
		{"no final line break", 2, 2, nil, []string{NoteNoFinalNewline}, strings.TrimSuffix(two, "\n")},
		{"indented", 2, 2, both, []string{NoteIndented, NoteIndented}, lines(two, func(_ int, l string) string { return "    " + l })[:len(two)+4*strings.Count(two, "\n")]},
		{"quoted as in a mail", 2, 2, both, []string{NoteTextBeforeBegin, NoteTextBeforeBegin}, strings.TrimSuffix(lines(two, func(_ int, l string) string { return "> " + l }), "> ")},
		{"only the base64 indented", 2, 2, nil, []string{NoteIndented, NoteIndented}, lines(two, func(_ int, l string) string {
			if l == "" || l[0] == '-' {
				return l
			}
			return "\t" + l
		})},
		{"blanks at the ends", 2, 2, nil, []string{NoteTrailingBlanks}, replace("\n", " \t\n")},
		{"blanks inside", 1, 1, nil, []string{NoteBlanksInBody}, strings.Replace(one, "MIIB", "MI IB", 1)},
		{"body in one line", 1, 1, nil, []string{NoteLineLength}, body(len(raw))},
		{"76 columns", 1, 1, nil, []string{NoteLineLength}, body(76)},
		{"48 columns", 1, 1, nil, []string{NoteLineLength}, body(48)},
		{"all in one line", 1, 1, []int{1}, []string{NoteOneLine, NoteLineLength}, "-----BEGIN CERTIFICATE-----" + raw + "-----END CERTIFICATE-----\n"},
		{"all in one line, with blanks", 2, 2, both, []string{NoteOneLine, NoteNoNewlineBetween, NoteOneLine, NoteBlanksInBody, NoteBlanksInBody, NoteLineLength}, strings.ReplaceAll(two, "\n", " ") + "\n"},
		{"literal \\n", 2, 2, both, []string{NoteLiteralNewline, NoteLiteralNewline}, strings.ReplaceAll(two, "\n", `\n`) + "\n"},
		{"literal \\\\n", 2, 2, both, []string{NoteLiteralNewline, NoteLiteralNewline}, strings.ReplaceAll(two, "\n", `\\n`) + "\n"},
		{"JSON of cfssl", 2, 2, both, []string{NoteQuoted, NoteLiteralNewline, NoteQuoted, NoteLiteralNewline}, `{"cert":"` + strings.ReplaceAll(one, "\n", `\n`) + `","ca":"` + strings.ReplaceAll(other, "\n", `\n`) + "\"}\n"},
		{"in quotation marks", 2, 2, both, []string{NoteQuoted, NoteQuoted}, `"` + strings.TrimSuffix(two, "\n") + "\"\n"},
		{"string of a program", 1, 1, []int{1}, []string{NoteQuoted}, strings.TrimSuffix(lines(one, func(_ int, l string) string { return `"` + strings.TrimSuffix(l, "\n") + "\",\n" }), "\"\",\n")},
		{"old label", 2, 2, both, []string{NoteOldLabel, NoteOldLabel}, replace(" CERTIFICATE", " X509 CERTIFICATE")},
		{"trusted label without trust", 2, 2, both, []string{NoteTrustedLabel, NoteTrustedLabel}, replace(" CERTIFICATE", " TRUSTED CERTIFICATE")},
		{"four dashes before BEGIN", 2, 2, []int{1}, []string{NoteDashCount}, strings.TrimPrefix(two, "-")},
		{"six dashes after END", 2, 2, []int{2}, []string{NoteDashCount}, strings.TrimSuffix(two, "\n") + "-\n"},
		{"no dashes after BEGIN", 2, 2, []int{1}, []string{NoteDashCount}, strings.Replace(two, "CERTIFICATE-----", "CERTIFICATE", 1)},
		{"missing END", 2, 2, []int{1}, []string{NoteMissingEnd}, strings.Replace(two, "-----END CERTIFICATE-----\n", "", 1)},
		{"missing END at the end", 2, 2, []int{2}, []string{NoteMissingEnd}, one + strings.Replace(other, "-----END CERTIFICATE-----\n", "", 1)},
		{"missing END, then a sentence", 1, 1, []int{1}, []string{NoteMissingEnd}, strings.Replace(one, "-----END CERTIFICATE-----\n", "this was the certificate\n", 1)},
		{"missing BEGIN", 1, 1, nil, []string{NoteMissingBegin}, strings.Replace(two, "-----BEGIN CERTIFICATE-----\n", "", 1)},
		{"END of another kind", 2, 2, []int{1}, []string{NoteEndMismatch}, strings.Replace(two, "END CERTIFICATE", "END PRIVATE KEY", 1)},
		{"lower case", 2, 2, both, []string{NoteMarkerCase, NoteMarkerCase}, strings.NewReplacer("BEGIN CERTIFICATE", "begin certificate", "END CERTIFICATE", "end certificate").Replace(two)},
		{"typographic dashes", 2, 2, both, []string{NoteTypographicDash, NoteTypographicDash}, replace("-----BEGIN", "––—BEGIN")},
		{"non-breaking space in BEGIN", 2, 2, both, []string{NoteNonBreakingSpace, NoteNonBreakingSpace}, replace("BEGIN CERT", "BEGIN\u00a0CERT")},
		{"zero-width space in the base64", 1, 1, []int{1}, []string{NoteNonBreakingSpace}, strings.Replace(one, "MIIB", "MI\u200bIB", 1)},
		{"two blanks in BEGIN", 2, 2, both, []string{NoteMarkerBlanks, NoteMarkerBlanks}, replace("BEGIN CERT", "BEGIN  CERT")},
		{"text before BEGIN", 2, 2, []int{1}, []string{NoteTextBeforeBegin}, "tls.crt: " + two},
		{"text behind END", 2, 2, []int{1}, []string{NoteTextAfterEnd}, strings.Replace(two, "END CERTIFICATE-----", "END CERTIFICATE----- # leaf", 1)},
		{"text behind the last END", 2, 2, []int{2}, []string{NoteTextAfterEnd}, strings.TrimSuffix(two, "\n") + " # CA\n"},
		{"NUL between", 2, 2, []int{2}, []string{NoteNUL}, one + "\x00" + other},
		{"NUL after", 2, 2, nil, []string{NoteNUL, NoteNoFinalNewline}, two + "\x00\x00"},
		{"blank line in the body", 1, 1, nil, []string{NoteBlankLine}, lines(one, func(i int, l string) string {
			if i == 3 {
				return "\n" + l
			}
			return l
		})},
		{"blank line before END", 1, 1, nil, []string{NoteBlankLine}, strings.Replace(one, "\n-----END", "\n\n-----END", 1)},
		{"blank line behind BEGIN", 1, 1, nil, nil, strings.Replace(one, "CERTIFICATE-----\n", "CERTIFICATE-----\n\n", 1)},
		{"headers", 2, 2, []int{1}, []string{NoteHeaders}, strings.Replace(two, "CERTIFICATE-----\n", "CERTIFICATE-----\nComment: hi\n\n", 1)},
		{"wrong character", 2, 1, []int{1}, []string{NoteBadBase64}, strings.Replace(two, "MIIB", "MI*B", 1)},
		{"character missing", 2, 1, []int{1}, []string{NoteBadBase64, NoteLineLength}, strings.Replace(two, "MIIB", "MII", 1)},
		{"no padding", 1, 1, []int{1}, []string{NotePadding}, strings.ReplaceAll(one, "=", "")},
		{"base64 for URLs", 1, 1, []int{1}, []string{NoteBase64URL}, strings.NewReplacer("+", "-", "/", "_").Replace(one)},
		{"commented out", 1, 1, nil, []string{NoteCommentedOut}, lines(one, func(_ int, l string) string { return "# " + l })[:len(one)+2*strings.Count(one, "\n")] + other},
		{"mentioned in prose", 2, 2, nil, []string{NoteMarkerInProse}, "paste between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----\n" + two},
		{"base64 of PEM", 2, 2, both, []string{NoteBase64OfPEM}, base64.StdEncoding.EncodeToString([]byte(two))},
		{"base64 of base64 of PEM", 2, 2, both, []string{NoteBase64Nested, NoteBase64OfPEM}, base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(two))))},
		{"bare base64", 1, 1, nil, []string{NoteBase64OfDER}, raw},
		{"base64 of PEM between BEGIN and END", 2, 2, []int{1}, []string{NoteBase64Nested}, pemBlock("CERTIFICATE", []byte(two))},
		{"DER", 1, 1, nil, []string{NoteDER}, string(w.leaf.Raw)},
		{"DER and DER", 2, 2, nil, []string{NoteDER, NoteConcatenated}, string(w.leaf.Raw) + string(w.ca.Raw)},
		{"bytes behind the DER", 1, 0, nil, []string{NoteTrailingBytes}, pemBlock("CERTIFICATE", append(slices.Clone(w.leaf.Raw), 0, 0))},
		{"DER cut off", 2, 1, nil, []string{NoteTruncated}, pemBlock("CERTIFICATE", w.leaf.Raw[:len(w.leaf.Raw)-5]) + other},
		{"text between BEGIN and END", 1, 0, []int{1}, []string{NoteBadBase64, NoteBlanksInBody}, "-----BEGIN CERTIFICATE-----\nput it here!\n-----END CERTIFICATE-----\n"},
		{"nothing between BEGIN and END", 1, 0, nil, nil, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"},
		{"request under the label of a certificate", 0, 0, nil, []string{NoteLabelMismatch}, pemBlock("CERTIFICATE", w.csr.Raw)},
	}
}

func TestPEMFaults(t *testing.T) {
	w := newWorld(t)
	for _, c := range pemCases(w) {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode("ca.crt", []byte(c.text), Options{})
			require.NoError(t, err)
			assert.Len(t, m.Certs, c.certs, "certificates in the text")
			assert.Len(t, parsed(m.Certs), c.found, "certificates parsed")
			for _, got := range parsed(m.Certs) {
				assert.True(t, got.Equal(w.leaf) || got.Equal(w.ca), "one of the two")
			}
			var lost []int
			var others []string
			for _, n := range m.Notes {
				if n.Rule == NoteSkippedByGo {
					lost = append(lost, n.Origin.Index)
				} else {
					others = append(others, n.Rule)
				}
			}
			assert.Equal(t, c.lost, lost, "blocks that Go loses")
			assert.ElementsMatch(t, c.rules, others)
			assertExplained(t, c.text)
		})
	}
}

// assertExplained checks the promise that nothing is lost: each BEGIN of the
// text is a block with material or a note, or a note tells what became of it.
func assertExplained(t testing.TB, text string) {
	t.Helper()
	m, _ := Decode("x", []byte(text), Options{})
	told := map[int]bool{}
	for _, c := range m.Certs {
		told[c.Origin.Index] = true
	}
	for _, c := range m.CSRs {
		told[c.Origin.Index] = true
	}
	for _, k := range m.Keys {
		told[k.Origin.Index] = true
	}
	for _, n := range m.Notes {
		switch n.Rule {
		case NoteCommentedOut, NoteMarkerInProse, NoteTooManyBlocks:
			return // said once for all of them
		}
		told[n.Origin.Index] = true
	}
	for i := 1; i <= strings.Count(text, "-----BEGIN "); i++ {
		assert.True(t, told[i], "what became of block %d", i)
	}
}

// The files of a corpus from outside: each with what Go's CertPool and
// encoding/pem made of it.
func TestPEMHygieneFiles(t *testing.T) {
	dir := os.Getenv("CRPKI_PEM_HYGIENE")
	if dir == "" {
		t.Skip("CRPKI_PEM_HYGIENE names no folder with the unpacked files: their verdicts are not checked")
	}
	// name: certificates for a person, parsed, those that Go does not get, and
	// the note that names the fault.
	for name, want := range map[string]struct {
		certs, found int
		lost         []int
		rule         string
	}{
		"00-ok":                   {2, 2, nil, ""},
		"01-crlf":                 {2, 2, nil, NoteCRLF},
		"02-cr-only":              {2, 2, []int{1, 2}, NoteCROnly},
		"03-bom":                  {2, 2, []int{1}, NoteByteOrderMark},
		"04-utf16":                {2, 2, []int{1, 2}, NoteUTF16},
		"05-text-before":          {2, 2, nil, NoteTextBefore},
		"06-openssl-text":         {2, 2, nil, NoteTextBefore},
		"07-no-newline-between":   {2, 2, []int{1, 2}, NoteNoNewlineBetween},
		"08-no-final-newline":     {2, 2, nil, NoteNoFinalNewline},
		"09-der":                  {1, 1, nil, NoteDER},
		"10-indented":             {2, 2, []int{1, 2}, NoteIndented},
		"11-trailing-spaces":      {2, 2, nil, NoteTrailingBlanks},
		"12-one-line-body":        {1, 1, nil, NoteLineLength},
		"13-all-one-line":         {1, 1, []int{1}, NoteOneLine},
		"14-literal-backslash-n":  {2, 2, []int{1, 2}, NoteLiteralNewline},
		"15-76col":                {1, 1, nil, NoteLineLength},
		"16-x509-label":           {2, 2, []int{1, 2}, NoteOldLabel},
		"17-trusted-label":        {1, 1, []int{1}, NoteTrustedLabel},
		"18-key-and-certs":        {2, 2, nil, NoteKeyAmongCerts},
		"19-dash-4":               {2, 2, []int{1}, NoteDashCount},
		"20-missing-end":          {2, 2, []int{1}, NoteMissingEnd},
		"21-lowercase":            {1, 1, []int{1}, NoteMarkerCase},
		"22-base64-of-pem":        {2, 2, []int{1, 2}, NoteBase64OfPEM},
		"23-base64-of-base64":     {2, 2, []int{1, 2}, NoteBase64Nested},
		"24-base64-bare-der":      {1, 1, nil, NoteBase64OfDER},
		"25-der-trailing":         {1, 0, nil, NoteTrailingBytes},
		"26-der-truncated":        {2, 1, nil, NoteTruncated},
		"27-empty-line-in-body":   {1, 1, nil, NoteBlankLine},
		"28-nbsp":                 {1, 1, []int{1}, NoteNonBreakingSpace},
		"29-bad-base64":           {2, 1, []int{1}, NoteBadBase64},
		"30-nul":                  {2, 2, []int{2}, NoteNUL},
		"31-pkcs7":                {2, 2, nil, NotePKCS7},
		"32-empty":                {0, 0, nil, ""},
		"33-yaml-pipe-comment":    {2, 2, nil, NoteTextBefore},
		"34-smart-dash":           {1, 1, []int{1}, NoteTypographicDash},
		"35-headers":              {1, 1, []int{1}, NoteHeaders},
		"36-quoted":               {2, 2, []int{1}, NoteQuoted},
		"37-csr":                  {0, 0, nil, ""},
		"38-text-same-line":       {1, 1, []int{1}, NoteTextBeforeBegin},
		"39-text-after-end":       {2, 2, []int{1}, NoteTextAfterEnd},
		"40-long-b64-line-no-pad": {1, 1, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			m, err := Decode(name, data, Options{})
			if name == "32-empty" {
				assert.ErrorContains(t, err, "is empty")
				return
			}
			require.NoError(t, err)
			assert.Len(t, m.Certs, want.certs)
			assert.Len(t, parsed(m.Certs), want.found)
			for i := 1; i <= 2; i++ {
				assert.Equal(t, slices.Contains(want.lost, i), noted(m, NoteSkippedByGo, i), "block %d lost by Go", i)
			}
			if want.rule != "" {
				assert.Contains(t, rules(m), want.rule)
			} else {
				assert.Empty(t, rules(m))
			}
			if name == "37-csr" {
				require.Len(t, m.CSRs, 1)
				assert.NotNil(t, m.CSRs[0].X509)
			}
			if name == "18-key-and-certs" {
				require.Len(t, m.Keys, 1)
				assert.NotNil(t, m.Keys[0].Signer)
			}
		})
	}
}

func TestNotesTellTheLine(t *testing.T) {
	w := newWorld(t)
	two := w.bundle()
	lines := strings.Count(string(EncodeCerts(w.leaf)), "\n")
	second := lines + 1

	for name, c := range map[string]struct {
		text, rule string
		want       int
	}{
		"BEGIN of the second block": {string(EncodeCerts(w.leaf)) + " " + string(EncodeCerts(w.ca)), NoteIndented, second},
		"the same, CR LF":           {strings.ReplaceAll(string(EncodeCerts(w.leaf))+" "+string(EncodeCerts(w.ca)), "\n", "\r\n"), NoteIndented, second},
		"the same, CR alone":        {strings.ReplaceAll(string(EncodeCerts(w.leaf))+" "+string(EncodeCerts(w.ca)), "\n", "\r"), NoteIndented, second},
		"a bad character":           {"\n\n" + strings.Replace(two, "MIIB", "M!IB", 1), NoteBadBase64, 4},
		"text after the last block": {two + "\n\nbye\n", NoteTextAfter, strings.Count(two, "\n") + 3},
		"text between":              {string(EncodeCerts(w.leaf)) + "\nand\n" + string(EncodeCerts(w.ca)), NoteTextBetween, lines + 2},
		"orphan END":                {"hello\n-----END CERTIFICATE-----\n" + two, NoteMissingBegin, 2},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("x", []byte(c.text), Options{})
			require.NoError(t, err)
			for _, n := range m.Notes {
				if n.Rule == c.rule {
					assert.Equal(t, c.want, n.Origin.Line, n.Detail)
					return
				}
			}
			t.Errorf("no note %s in %v", c.rule, m.Notes)
		})
	}
}

func TestMarkersThatAreNone(t *testing.T) {
	for _, text := range []string{
		"run it with --begin now --end user--",
		"-----BEGIN",
		"-----BEGIN ",
		"-----BEGIN -----",
		"-----BEGINCERTIFICATE-----",
		"the-end certificate",
		"----------",
		"— — — begin — — —",
	} {
		t.Run(text, func(t *testing.T) {
			_, ok := nextMarker([]byte(text), 0)
			assert.False(t, ok)
			_, err := Decode("x", []byte(text), Options{})
			assert.Error(t, err)
		})
	}
}

func TestWhatIsNoMaterial(t *testing.T) {
	w := newWorld(t)
	spki, _ := pem.Decode([]byte(publicPEM(t, w)))
	for name, c := range map[string]struct{ data, want string }{
		"empty":                       {"", "is empty"},
		"blanks":                      {" \n\t\r\n", "nothing but blanks"},
		"a sentence":                  {"hello world, this is no certificate\n", "holds no PEM block and is not DER"},
		"binary":                      {"\x7fELF\x02\x01\x01\x00\x00\x00", "holds no PEM block and is not DER"},
		"a public key":                {publicPEM(t, w), "holds a public key, and no certificate"},
		"one as DER":                  {string(spki.Bytes), "holds a public key, and no certificate"},
		"parameters":                  {"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", "holds key parameters, and no certificate"},
		"PGP":                         {"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENB\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n", `"PGP PUBLIC KEY BLOCK"`},
		"unknown label":               {"-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n", `a block labelled "FOO" (line 1)`},
		"JKS":                         {"\xFE\xED\xFE\xED\x00\x00\x00\x02", "is a broken Java keystore (JKS)"},
		"HTML":                        {"<!DOCTYPE html><html><body>Please log in</body></html>", "HTML page"},
		"a manifest":                  {"apiVersion: v1\nkind: Secret\ndata:\n  tls.crt: LS0tLS1CRUdJTg==\n", "kubectl get secret"},
		"one without certificates":    {"apiVersion: networking.k8s.io/v1\nkind: Ingress\nspec: {tls: [{secretName: a}]}\n", "there is nothing in it to read"},
		"one of passwords":            {"apiVersion: v1\nkind: Secret\ndata: {password: eA==}\n", "there is nothing in it to read"},
		"one of another kind":         {"apiVersion: v1\nkind: Config\nusers: [{user: {client-certificate-data: LS0tLS1CRUdJTiB}}]\n", "of a kind whose certificates are not looked for"},
		"one whose data is encrypted": {"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n    tls.crt: AgBy\n", "are encrypted"},
		"SSH public key":              {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here\n", "SSH public key"},
		"short DER":                   {"\x30\x03\x02\x01\x05", "holds no PEM block and is not DER"},
		"unknown DER":                 {"\x30\x82\x00\x05\x02\x01\x05\x05\x00", "DER that crpki does not know"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Decode("dir/x.pem", []byte(c.data), Options{})
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "dir/x.pem: ")
			assert.True(t, m.Empty())
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "dir/x.pem", e.Origin.Source)
		})
	}
}

func TestLabelsCannotDriveTheTerminal(t *testing.T) {
	_, err := Decode("x", []byte("-----BEGIN \u202eEVIL\xff-----\nAAAA\n-----END X-----\n"), Options{})
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "\u202e")
	assert.NotContains(t, err.Error(), "\xff")
}

// TestAnchors: what Go's clients do not read is no certificate for them, and for
// OpenSSL it has the settings that it came with.
func TestAnchors(t *testing.T) {
	der := newWorld(t).leaf.Raw
	settings := []byte{0x30, 0x0c, 0x30, 0x0a, 6, 8, 43, 6, 1, 5, 5, 7, 3, 1} // trusted for servers
	for _, tt := range []struct {
		name  string
		label string
		raw   []byte
		forGo bool
	}{
		{"for all", "CERTIFICATE", der, true},
		{"trusted", "TRUSTED CERTIFICATE", append(bytes.Clone(der), settings...), false},
		{"trusted without settings", "TRUSTED CERTIFICATE", der, false},
		{"of old", "X509 CERTIFICATE", der, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := []byte(pemBlock(tt.label, tt.raw))
			m, err := Decode("ca.crt", text, Options{Anchors: true})
			require.NoError(t, err)
			require.Len(t, m.Certs, 1)
			assert.Equal(t, tt.raw, m.Certs[0].Raw)
			assert.Equal(t, tt.forGo, m.Certs[0].X509 != nil)
			assert.Equal(t, tt.forGo, m.Certs[0].Err == nil)

			m, err = Decode("tls.crt", text, Options{})
			require.NoError(t, err)
			assert.NotNil(t, m.Certs[0].X509, "for inspect and the like it is a certificate")
		})
	}
}
