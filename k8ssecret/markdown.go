package k8ssecret

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/crpki/crpki/pki"
)

// block is a fenced block of code: its language, and where its lines begin and
// end in the document.
type block struct {
	language   string
	start, end int
}

// isMarkdown tells documents with blocks of code from scripts.
func isMarkdown(name, text string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".md", ".markdown", ".mdx":
		return true
	case ".sh", ".bash", ".zsh", ".ksh", ".ps1":
		return false
	}
	return !strings.HasPrefix(text, "#!") && (strings.HasPrefix(text, "```") || strings.Contains(text, "\n```"))
}

// blocks finds the fenced blocks of a Markdown document (CommonMark 4.5), in
// lists too. One that is never closed goes up to the end.
func blocks(text string) []block {
	var out []block
	open, fence := -1, ""
	language := ""
	for pos := 0; pos < len(text); {
		line := text[pos:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		mark, info := fenceOf(line)
		switch {
		case mark != "" && open < 0 && !strings.Contains(info, "`"):
			open, fence, language = pos+len(line), mark, languageOf(info)
		case open >= 0 && strings.HasPrefix(mark, fence) && info == "":
			out = append(out, block{language, open, pos})
			open = -1
		}
		pos += len(line)
	}
	if open >= 0 {
		out = append(out, block{language, open, len(text)})
	}
	return out
}

// fenceOf gives the fence that a line consists of, and what stands behind it.
func fenceOf(line string) (fence, info string) {
	line = strings.TrimSpace(strings.TrimLeft(line, " \t>"))
	for _, c := range []string{"`", "~"} {
		rest := strings.TrimLeft(line, c)
		if n := len(line) - len(rest); n >= 3 {
			return line[:n], strings.TrimSpace(rest)
		}
	}
	return "", ""
}

// languageOf gives the language of an info string: "bash", "azurecli-interactive".
func languageOf(info string) string {
	words := strings.FieldsFunc(strings.ToLower(info), func(c rune) bool { return c == ' ' || c == '{' || c == '}' || c == ',' || c == '.' })
	if len(words) == 0 {
		return ""
	}
	return strings.TrimSuffix(words[0], "-interactive")
}

// block reads one block of a document by its language, or by its content where
// it says none.
func (s *scriptReader) block(b block) {
	text := s.src.Text[b.start:b.end]
	sniff := sniffer{text: []byte(text)}
	s.elided = isElided(text)
	switch b.language {
	case "bash", "sh", "shell", "zsh", "ksh", "console", "shellsession", "shell-session", "azurecli", "azure-cli", "cmd", "dockerfile", "makefile":
		s.commandBlock(b)
		return
	case "powershell", "pwsh", "ps1":
		s.shell(b.start, b.end)
		return
	case "yaml", "yml", "json", "jsonc":
	case "", "text", "txt", "plaintext", "code":
		if sniff.manifest() == "" && !strings.HasPrefix(strings.TrimSpace(text), "{") && sniff.commands() != "" {
			s.commandBlock(b)
			return
		}
	default:
		return
	}
	errs := len(s.unit.Material.Notes)
	s.body(b.start, b.end, nil, heredoc{})
	// An example that leaves something out is no YAML, and need not be.
	s.unit.Material.Notes = append(s.unit.Material.Notes[:errs:errs], withoutRule(s.unit.Material.Notes[errs:], NoteScriptManifest)...)
}

// Bounds on one prompted command, which is read again with every line.
const (
	maxContinued = 100      // lines
	maxPrompted  = 64 << 10 // bytes
)

// commandBlock reads a block of commands. In one with prompts, what has none is
// output, save for the rest of a command: behind a backslash, in quotation marks
// and in here-documents.
func (s *scriptReader) commandBlock(b block) {
	text := s.src.Text
	if !hasPrompt(text[b.start:b.end]) {
		s.shell(b.start, b.end)
		return
	}
	for pos := b.start; pos < b.end; {
		end := lineEnd(text, pos, b.end)
		start := pos
		pos = end
		if !isPrompted(text[start:end]) {
			continue
		}
		for n := 0; n < maxContinued && end-start < maxPrompted && !complete(text, start, end); n++ {
			if end == b.end || isPrompted(text[end:lineEnd(text, end, b.end)]) {
				break
			}
			end = lineEnd(text, end, b.end)
		}
		if !complete(text, start, end) {
			end = pos // something that the first line alone tells best
		}
		s.shell(start, end)
		pos = end
	}
}

func hasPrompt(text string) bool {
	for line := range strings.Lines(text) {
		if isPrompted(line) {
			return true
		}
	}
	return false
}

func isPrompted(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " \t>"), "$ ") }

// lineEnd is where the line ends that begins at pos, behind its line break.
func lineEnd(text string, pos, end int) int {
	if i := strings.IndexByte(text[pos:end], '\n'); i >= 0 {
		return pos + i + 1
	}
	return end
}

// complete reports whether a shell would run what stands from start to end, or
// ask for more.
func complete(text string, start, end int) bool {
	if line := strings.TrimRight(text[start:end], "\r\n"); strings.HasSuffix(strings.TrimRight(line, " \t"), "\\") || strings.HasSuffix(line, " `") {
		return false
	}
	lexed := lexShell(text, start, end)
	if slices.ContainsFunc(lexed.faults, func(f shellFault) bool { return f.rule == NoteUnclosedQuote }) {
		return false
	}
	for _, c := range lexed.commands {
		for _, h := range c.heredocs {
			if h.open {
				return false
			}
		}
	}
	return true
}

// withoutRule gives the notes that are not of a rule.
func withoutRule(notes []pki.Note, rule string) []pki.Note {
	return slices.DeleteFunc(slices.Clone(notes), func(n pki.Note) bool { return n.Rule == rule })
}
