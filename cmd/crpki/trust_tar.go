package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// A tar file as POSIX has it (pax(1), "ustar"), with the records by which GNU
// and pax write longer names. The standard library's archive/tar brings os/user,
// which a program built with cgo takes from the C library.

const tarBlock = 512

// The kinds of entries.
const (
	tarFile0    = '\x00' // of old
	tarRegular  = '0'
	tarHardLink = '1'
	tarSymlink  = '2'
	tarFolder   = '5'
	tarPipe     = '6'
	tarLongLink = 'K'
	tarLongName = 'L'
	tarPax      = 'x'
	tarGlobal   = 'g'
)

// tarHeader is what is known of one entry.
type tarHeader struct {
	name, link string
	kind       byte
	mode       fs.FileMode
	size       int64
	time       time.Time
}

// tarReader reads entries one by one.
type tarReader struct {
	r    io.Reader
	left int64 // of the entry's content, padding included
	size int64 // of its content
}

var errTar = errors.New("not a tar file")

// maxTarExtra bounds a record with a long name.
const maxTarExtra = 1 << 20

// next gives the next entry, io.EOF at the end.
func (t *tarReader) next() (tarHeader, error) {
	var longName, longLink string
	pax := map[string]string{}
	for {
		if _, err := io.CopyN(io.Discard, t.r, t.left); err != nil {
			return tarHeader{}, noEOF(err)
		}
		var block [tarBlock]byte
		if _, err := io.ReadFull(t.r, block[:]); errors.Is(err, io.EOF) {
			return tarHeader{}, io.EOF // GNU tar reads one without its last blocks, too
		} else if err != nil {
			return tarHeader{}, noEOF(err)
		}
		if block == [tarBlock]byte{} {
			return tarHeader{}, io.EOF
		}
		h, err := parseTarHeader(block[:])
		if err != nil {
			return tarHeader{}, err
		}
		t.size, t.left = h.size, (h.size+tarBlock-1)/tarBlock*tarBlock
		switch h.kind {
		case tarLongName, tarLongLink, tarPax, tarGlobal:
			if h.size > maxTarExtra {
				return tarHeader{}, errTar
			}
			data, err := t.content()
			if err != nil {
				return tarHeader{}, err
			}
			switch h.kind {
			case tarLongName:
				longName = strings.TrimRight(string(data), "\x00")
			case tarLongLink:
				longLink = strings.TrimRight(string(data), "\x00")
			case tarPax:
				if err := parsePax(string(data), pax); err != nil {
					return tarHeader{}, err
				}
			}
			continue
		}
		if longName != "" {
			h.name = longName
		}
		if longLink != "" {
			h.link = longLink
		}
		if v, ok := pax["path"]; ok {
			h.name = v
		}
		if v, ok := pax["linkpath"]; ok {
			h.link = v
		}
		if v, ok := pax["size"]; ok {
			if h.size, err = strconv.ParseInt(v, 10, 63); err != nil || h.size < 0 {
				return tarHeader{}, errTar
			}
			t.size, t.left = h.size, (h.size+tarBlock-1)/tarBlock*tarBlock
		}
		if h.kind != tarRegular && h.kind != tarFile0 { // others have none, whatever they say
			t.size, t.left = 0, 0
		}
		return h, nil
	}
}

// content reads what the entry holds.
func (t *tarReader) content() ([]byte, error) {
	var b bytes.Buffer
	if _, err := io.CopyN(&b, t.r, t.size); err != nil {
		return nil, noEOF(err)
	}
	t.left -= t.size
	return b.Bytes(), nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the tar file ends too early")
	}
	return err
}

func parseTarHeader(b []byte) (tarHeader, error) {
	text := func(from, to int) string {
		s, _, _ := bytes.Cut(b[from:to], []byte{0})
		return string(s)
	}
	number := func(from, to int) (int64, bool) {
		if b[from]&0x80 != 0 { // GNU's binary numbers
			n := int64(b[from] & 0x7f)
			for _, c := range b[from+1 : to] {
				if n >= 1<<55 {
					return 0, false
				}
				n = n<<8 | int64(c)
			}
			return n, true
		}
		s := strings.Trim(text(from, to), " ")
		if s == "" {
			return 0, true
		}
		n, err := strconv.ParseInt(s, 8, 63)
		return n, err == nil && n >= 0
	}
	sum, ok := number(148, 156)
	if !ok || sum != tarSum(b) {
		return tarHeader{}, errTar
	}
	mode, ok1 := number(100, 108)
	size, ok2 := number(124, 136)
	when, ok3 := number(136, 148)
	if !ok1 || !ok2 || !ok3 {
		return tarHeader{}, errTar
	}
	h := tarHeader{name: text(0, 100), link: text(157, 257), kind: b[156], size: size, time: time.Unix(when, 0)}
	if text(257, 263) == "ustar" {
		if prefix := text(345, 500); prefix != "" {
			h.name = prefix + "/" + h.name
		}
	}
	h.mode = fs.FileMode(mode).Perm()
	switch h.kind {
	case tarFolder:
		h.mode |= fs.ModeDir
	case tarSymlink:
		h.mode |= fs.ModeSymlink
	case tarPipe:
		h.mode |= fs.ModeNamedPipe
	case tarRegular, tarHardLink:
	case tarFile0:
		if strings.HasSuffix(h.name, "/") {
			h.mode |= fs.ModeDir
		}
	default:
		h.mode |= fs.ModeIrregular
	}
	return h, nil
}

// tarSum adds up a header's bytes, with blanks for the sum itself.
func tarSum(b []byte) (sum int64) {
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	return sum
}

// parsePax reads records of "LENGTH KEY=VALUE\n".
func parsePax(data string, to map[string]string) error {
	for data != "" {
		text, _, ok := strings.Cut(data, " ")
		n, err := strconv.Atoi(text)
		if !ok || err != nil || n <= len(text)+1 || n > len(data) || data[n-1] != '\n' {
			return errTar
		}
		key, value, ok := strings.Cut(data[len(text)+1:n-1], "=")
		if !ok {
			return errTar
		}
		to[key] = value
		data = data[n:]
	}
	return nil
}

// writeTar adds an entry, with a record before it where its names are long.
func writeTar(w *bytes.Buffer, h tarHeader, data []byte) {
	if len(h.name) > 100 || len(h.link) > 100 || !isASCII(h.name+h.link) {
		extra := paxRecord("path", h.name)
		if h.link != "" {
			extra += paxRecord("linkpath", h.link)
		}
		writeTarBlock(w, tarHeader{name: "PaxHeaders", kind: tarPax, mode: 0o644, time: h.time}, []byte(extra))
	}
	writeTarBlock(w, h, data)
}

func paxRecord(key, value string) string {
	body := " " + key + "=" + value + "\n"
	n := len(body)
	for n != len(body)+len(strconv.Itoa(n)) {
		n = len(body) + len(strconv.Itoa(n))
	}
	return strconv.Itoa(n) + body
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7e || r < ' ' }) < 0
}

func writeTarBlock(w *bytes.Buffer, h tarHeader, data []byte) {
	var b [tarBlock]byte
	copy(b[0:100], h.name)
	put := func(from, to int, n int64) { copy(b[from:to], fmt.Sprintf("%0*o", to-from-1, n)) }
	put(100, 108, int64(h.mode.Perm()))
	put(108, 116, 0)
	put(116, 124, 0)
	put(124, 136, int64(len(data)))
	put(136, 148, max(h.time.Unix(), 0))
	b[156] = h.kind
	copy(b[157:257], h.link)
	copy(b[257:265], "ustar\x0000")
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", tarSum(b[:])))
	w.Write(b[:])
	w.Write(data)
	if pad := len(data) % tarBlock; pad > 0 {
		w.Write(make([]byte, tarBlock-pad))
	}
}

// endTar writes the end of a tar file.
func endTar(w *bytes.Buffer) { w.Write(make([]byte, 2*tarBlock)) }
