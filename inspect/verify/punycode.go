package verify

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxLabels is how many octets ossl_a2ulabel has room for.
const maxLabels = 254

// unicodeLabels gives a domain with its A-labels as U-labels (ossl_a2ulabel);
// false when one cannot be decoded.
func unicodeLabels(domain string) (string, bool) {
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		encoded, is := strings.CutPrefix(label, "xn--")
		if !is {
			continue
		}
		var ok bool
		if labels[i], ok = decodePunycode(encoded); !ok {
			return "", false
		}
	}
	out := strings.Join(labels, ".")
	return out, len(out) <= maxLabels
}

// decodePunycode is RFC 3492 6.2.
func decodePunycode(text string) (string, bool) {
	const base, tmin, tmax, skew, damp, initialBias, initialN = 36, 1, 26, 38, 700, 72, 128
	var out []rune
	if at := strings.LastIndexByte(text, '-'); at > 0 {
		out = []rune(text[:at])
		text = text[at+1:]
	}
	if slices.ContainsFunc(out, func(r rune) bool { return r >= 0x80 }) {
		return "", false
	}
	n, bias, at := initialN, initialBias, 0
	for first := true; text != ""; first = false {
		before, weight := at, 1
		for k := base; ; k += base {
			if text == "" {
				return "", false
			}
			digit, ok := punycodeDigit(text[0])
			text = text[1:]
			if !ok || digit > (math.MaxInt32-at)/weight {
				return "", false
			}
			at += digit * weight
			t := min(max(k-bias, tmin), tmax)
			if digit < t {
				break
			}
			if weight > math.MaxInt32/(base-t) {
				return "", false
			}
			weight *= base - t
		}
		delta := (at - before) / 2
		if first {
			delta = (at - before) / damp
		}
		size := len(out) + 1
		delta += delta / size
		k := 0
		for ; delta > (base-tmin)*tmax/2; k += base {
			delta /= base - tmin
		}
		bias = k + (base-tmin+1)*delta/(delta+skew)
		n += at / size
		at %= size
		if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", false
		}
		out = slices.Insert(out, at, rune(n))
		at++
	}
	return string(out), true
}

func punycodeDigit(ch byte) (int, bool) {
	switch {
	case 'a' <= ch && ch <= 'z':
		return int(ch - 'a'), true
	case 'A' <= ch && ch <= 'Z':
		return int(ch - 'A'), true
	case '0' <= ch && ch <= '9':
		return int(ch-'0') + 26, true
	}
	return 0, false
}
