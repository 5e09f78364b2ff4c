package format

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var errUnnamable = errors.New("add a friendly name: the structure of the file is not what go-pkcs12 writes")

// nameKeyEntry gives the key in a file that go-pkcs12 wrote, and the
// certificate that belongs to it, a friendly name, which go-pkcs12 does for
// trust stores only. The file is taken apart, named and sealed again with the
// same salts; that is safe because the first version never leaves the program.
func nameKeyEntry(der, password []byte, name string) ([]byte, error) {
	attribute, err := friendlyName(name)
	if err != nil {
		return nil, err
	}
	in := cryptobyte.String(der)
	var seq, info, content, auth, macData cryptobyte.String
	var oid string
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.SkipASN1(casn1.INTEGER) ||
		!seq.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, &oid) ||
		!info.ReadASN1(&content, tagExplicit0) || !content.ReadASN1(&auth, casn1.OCTET_STRING) ||
		!seq.ReadASN1Element(&macData, casn1.SEQUENCE) {
		return nil, errUnnamable
	}
	named, err := nameSafes(auth, password, attribute)
	if err != nil {
		return nil, err
	}
	mac, err := sealAgain(macData, password, named)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		addContent(b, oidData, func(b *cryptobyte.Builder) { b.AddASN1OctetString(named) })
		b.AddBytes(mac)
	})
	return b.Bytes()
}

// friendlyName is the attribute of RFC 7292 section 4.2 (PKCS#9 friendlyName,
// a BMPString).
func friendlyName(name string) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, oidFriendlyName)
		b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(casn1.Tag(30), func(b *cryptobyte.Builder) {
				for _, unit := range utf16.Encode([]rune(name)) {
					b.AddUint16(unit)
				}
			})
		})
	})
	return b.Bytes()
}

// nameSafes adds attribute within each part of an AuthenticatedSafe.
func nameSafes(auth, password, attribute []byte) ([]byte, error) {
	safes, err := sequence(auth)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !safes.Empty() && err == nil {
			var info, content cryptobyte.String
			var oid string
			if !safes.ReadASN1(&info, casn1.SEQUENCE) || !readOID(&info, &oid) || !info.ReadASN1(&content, tagExplicit0) {
				err = errUnnamable
				return
			}
			if oid == oidData {
				err = namePlainSafe(b, content, attribute)
			} else {
				err = nameEncryptedSafe(b, content, password, attribute)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes()
}

func namePlainSafe(b *cryptobyte.Builder, content cryptobyte.String, attribute []byte) error {
	var plain cryptobyte.String
	if !content.ReadASN1(&plain, casn1.OCTET_STRING) {
		return errUnnamable
	}
	named, err := nameBags(plain, attribute)
	addContent(b, oidData, func(b *cryptobyte.Builder) { b.AddASN1OctetString(named) })
	return err
}

func nameEncryptedSafe(b *cryptobyte.Builder, content cryptobyte.String, password, attribute []byte) error {
	e, err := parseEncryptedData(content)
	if err != nil {
		return err
	}
	plain, err := e.decrypt(password)
	if err != nil {
		return err
	}
	named, err := nameBags(plain, attribute)
	if err != nil {
		return err
	}
	sealed, err := e.algorithm.encrypt(password, named)
	if err != nil {
		return err
	}
	var seq, info, algorithm cryptobyte.String
	if !content.ReadASN1(&seq, casn1.SEQUENCE) || !seq.SkipASN1(casn1.INTEGER) || !seq.ReadASN1(&info, casn1.SEQUENCE) ||
		!info.SkipASN1(casn1.OBJECT_IDENTIFIER) || !info.ReadASN1Element(&algorithm, casn1.SEQUENCE) {
		return errUnnamable
	}
	addContent(b, oidEncryptedData, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(0)
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oidData)
				b.AddBytes(algorithm)
				b.AddASN1(casn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(sealed) })
			})
		})
	})
	return nil
}

// nameBags adds attribute to the bags that have attributes already: go-pkcs12
// ties the key and its certificate together by one.
func nameBags(contents, attribute []byte) ([]byte, error) {
	bags, err := sequence(contents)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for !bags.Empty() {
			var bag, kind, value, attributes cryptobyte.String
			var has bool
			if !bags.ReadASN1(&bag, casn1.SEQUENCE) || !bag.ReadASN1Element(&kind, casn1.OBJECT_IDENTIFIER) ||
				!bag.ReadASN1Element(&value, tagExplicit0) || !bag.ReadOptionalASN1(&attributes, &has, casn1.SET) {
				err = errUnnamable
				return
			}
			b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(kind)
				b.AddBytes(value)
				if len(attributes) == 0 {
					return // a certificate of the chain
				}
				both := [][]byte{attributes, attribute}
				if bytes.Compare(both[0], both[1]) > 0 { // DER orders a SET OF
					both[0], both[1] = both[1], both[0]
				}
				b.AddASN1(casn1.SET, func(b *cryptobyte.Builder) {
					b.AddBytes(both[0])
					b.AddBytes(both[1])
				})
			})
		}
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes()
}

// sealAgain takes the MAC of MacData over other content.
func sealAgain(macData cryptobyte.String, password, content []byte) ([]byte, error) {
	whole := macData
	m, err := parseMAC(&whole)
	if err != nil {
		return nil, err
	}
	key, err := m.key(password)
	if err != nil {
		return nil, err
	}
	var seq, info, algorithm cryptobyte.String
	if !macData.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&info, casn1.SEQUENCE) ||
		!info.ReadASN1Element(&algorithm, casn1.SEQUENCE) {
		return nil, errUnnamable
	}
	var b cryptobyte.Builder
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(algorithm)
			b.AddASN1OctetString(hmacSum(m.hash, key, content))
		})
		b.AddBytes(seq) // salt and rounds
	})
	return b.Bytes()
}

// addContent adds a ContentInfo.
func addContent(b *cryptobyte.Builder, oid string, content func(*cryptobyte.Builder)) {
	b.AddASN1(casn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, oid)
		b.AddASN1(tagExplicit0, content)
	})
}

// addOID adds an object identifier written as dotted text.
func addOID(b *cryptobyte.Builder, dotted string) {
	var oid asn1.ObjectIdentifier
	for arc := range strings.SplitSeq(dotted, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			b.SetError(err)
			return
		}
		oid = append(oid, n)
	}
	b.AddASN1ObjectIdentifier(oid)
}
