package format

import (
	"errors"
	"fmt"
)

// Firefox, older macOS and some Windows programs write PKCS#12 and PKCS#7 in
// BER (X.690 section 8): lengths left open until an end marker, and strings cut
// into pieces. fromBER writes such input again in definite lengths with strings
// in one piece, which is DER as far as our structures go.

const maxBERDepth = 32

var errBER = errors.New("is BER-encoded and broken")

// fromBER gives ber in DER, and whether that differs.
func fromBER(ber []byte) (der []byte, changed bool, err error) {
	c := berConverter{}
	out, rest, err := c.element(nil, ber, 0)
	if !c.changed && (len(ber) < 2 || ber[1] != 0x80) {
		return ber, false, nil // DER, or broken in a way that its reader names
	}
	if err != nil {
		return nil, false, err
	}
	return append(out, rest...), true, nil
}

// berConverter copies what lies below it at each level, so that its work is
// bounded by maxBERDepth times the input.
type berConverter struct{ changed bool }

// element appends the element that ber begins with to out, and gives what
// follows it.
func (c *berConverter) element(out, ber []byte, depth int) (done, rest []byte, err error) {
	e, ok := peek(ber)
	if !ok || depth > maxBERDepth {
		return nil, nil, errBER
	}
	if e.truncated() {
		return nil, nil, fmt.Errorf("is BER-encoded and cut off: %d bytes are missing", e.length-len(e.value))
	}
	constructed := e.tag&0x20 != 0
	if e.length >= 0 && !constructed {
		return append(out, ber[:e.size()]...), ber[e.size():], nil
	}
	if !constructed {
		return nil, nil, errBER // an open length needs pieces
	}
	tag := e.tag
	var value []byte
	body := e.value
	for {
		if e.length < 0 {
			if len(body) < 2 {
				return nil, nil, errors.New("is BER-encoded and cut off: the end of a structure is missing")
			}
			if body[0] == 0 && body[1] == 0 {
				rest = body[2:]
				c.changed = true
				break
			}
		} else if len(body) == 0 {
			rest = ber[e.size():]
			break
		}
		if e.tag == tagOctetString|0x20 {
			tag = tagOctetString
			value, body, err = c.piece(value, body, depth+1)
		} else {
			value, body, err = c.element(value, body, depth+1)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return append(appendHeader(out, tag, len(value)), value...), rest, nil
}

// piece appends the content of one piece of an octet string.
func (c *berConverter) piece(out, ber []byte, depth int) (done, rest []byte, err error) {
	c.changed = true
	whole, rest, err := c.element(nil, ber, depth)
	if err != nil {
		return nil, nil, err
	}
	e, ok := peek(whole)
	if !ok || e.tag != tagOctetString {
		return nil, nil, errBER
	}
	return append(out, e.value...), rest, nil
}

// appendHeader writes tag and length in DER.
func appendHeader(out []byte, tag byte, length int) []byte {
	out = append(out, tag)
	if length < 0x80 {
		return append(out, byte(length))
	}
	var octets []byte
	for n := length; n > 0; n >>= 8 {
		octets = append([]byte{byte(n)}, octets...)
	}
	return append(append(out, 0x80|byte(len(octets))), octets...)
}
