package verify

import "bytes"

// generalName is a GENERAL_NAME (crypto/x509/v3_genn.c).
type generalName struct {
	kind  byte // its context tag
	value []byte
	// dir is the name of a directoryName, oid and other those of an otherName.
	dir   distinguishedName
	oid   string
	other typed
}

// Context tags of GeneralName.
const (
	gnOther = iota
	gnEmail
	gnDNS
	gnX400
	gnDir
	gnEDI
	gnURI
	gnIP
	gnRID
)

func (d *decoder) generalName() generalName {
	h, _ := d.peek()
	d.check(h.class == classContext)
	n := generalName{kind: byte(h.tag)}
	switch h.tag {
	case gnOther:
		seq := d.sequenceAs(gnOther)
		n.oid = seq.oid()
		n.other = seq.explicit(0, (*decoder).any)
		d.end(seq)
	case gnEmail, gnDNS, gnURI:
		n.value = d.implicit(tagIA5)
	case gnX400: // a SEQUENCE that is not looked into
		h := d.next()
		d.check(h.constructed)
		d.skip(h, 0)
	case gnDir:
		wrapped := d.explicitly(gnDir)
		n.dir = wrapped.name()
		d.end(wrapped)
	case gnEDI:
		seq := d.sequenceAs(gnEDI)
		if seq.is(classContext, 0) {
			seq.explicit(0, (*decoder).ediString)
		}
		seq.explicit(1, (*decoder).ediString)
		d.end(seq)
	case gnIP:
		n.value = d.implicit(tagOctets)
	case gnRID:
		n.value = d.implicit(tagOID)
	default:
		d.check(false)
	}
	return n
}

// sequenceAs takes off a SEQUENCE with a context tag in place of its own.
func (d *decoder) sequenceAs(tag int) *decoder {
	h := d.next()
	d.check(h.class == classContext && h.tag == tag && h.constructed)
	return d.inside(h)
}

// explicitly takes off an explicit tag, which must be there.
func (d *decoder) explicitly(tag int) *decoder {
	inner := d.optional(ctx(tag))
	if inner == nil {
		d.check(false)
		return &decoder{bad: true}
	}
	return inner
}

func (d *decoder) explicit(tag int, read func(*decoder) typed) typed {
	wrapped := d.explicitly(tag)
	out := read(wrapped)
	d.end(wrapped)
	return out
}

// ediString is a DIRECTORYSTRING.
func (d *decoder) ediString() typed {
	h := d.next()
	switch h.tag {
	case tagPrintable, tagT61, tagBMP, tagUniversal, tagUTF8:
		d.check(h.class == 0)
	default:
		d.check(false)
	}
	return typed{h.tag, d.value(h)}
}

// generalNames takes off the elements of a GeneralNames whose header is off.
func (d *decoder) generalNames(list *decoder) (out []generalName) {
	for !list.empty() {
		out = append(out, list.generalName())
	}
	d.end(list)
	return out
}

// listAs takes the header of a SEQUENCE OF off that has a context tag.
func (d *decoder) listAs(tag int) *decoder {
	h := d.next()
	d.check(h.class == classContext && h.tag == tag)
	return d.inside(h)
}

// extension caches one extension (ossl_x509v3_cache_extensions). What OpenSSL
// cannot read of those that it reads makes the certificate invalid; what follows
// the value is no matter.
func (c *certificate) extension(e extension) {
	if e.critical && !supportedCritical(e.oid) {
		c.unknownCritical = true
	}
	d := &decoder{rest: e.value}
	switch e.oid {
	case oidBasicConstraints:
		c.hasBC, c.bcCritical = true, e.critical
		c.basicConstraints(d)
	case oidKeyUsage:
		c.hasKU = true
		c.ku = d.bits()
		d.check(c.ku != 0)
	case oidEKU:
		c.hasEKU, c.ekuCritical = true, e.critical
		list := d.list(tagSequence)
		for !list.empty() {
			c.eku[list.oid()] = true
		}
		d.end(list)
	case oidNetscapeType:
		c.hasNS, c.ns = true, byte(d.bits())
	case oidSKI:
		c.skid = d.primitive(tagOctets)
		c.hasSKID, c.skidCritical = !d.bad, e.critical
	case oidAKI:
		c.hasAKID, c.akidCritical = true, e.critical
		c.authorityKeyID(d)
	case oidSAN:
		c.hasSAN, c.sanCritical = true, e.critical
		if names := d.generalNames(d.list(tagSequence)); !d.bad {
			c.sans = names
		}
	case oidNameConstraint:
		if nc := d.nameConstraints(); !d.bad {
			c.constraints = nc
		}
	case oidProxyCertInfo:
		c.proxy = true
		d.proxyCertInfo()
	case oidCRLPoints:
		list := d.list(tagSequence)
		for !list.empty() {
			list.distributionPoint()
		}
		d.end(list)
	case oidIPBlocks:
		list := d.list(tagSequence)
		for !list.empty() {
			family := list.sequence()
			family.primitive(tagOctets)
			family.resources(tagBitString)
			list.end(family)
		}
		d.end(list)
	case oidASBlocks:
		seq := d.sequence()
		for _, tag := range []int{0, 1} {
			if numbers := seq.optional(ctx(tag)); numbers != nil {
				numbers.resources(tagInteger)
				seq.end(numbers)
			}
		}
		d.end(seq)
	}
	if d.bad {
		c.invalid = true
	}
}

// resources takes off addresses or numbers of RFC 3779: inherited ones, or single
// ones and ranges.
func (d *decoder) resources(tag int) {
	if d.is(0, tagNull) {
		d.primitive(tagNull)
		return
	}
	list := d.list(tagSequence)
	for !list.empty() {
		if list.is(0, tag) {
			list.primitive(tag)
			continue
		}
		bounds := list.sequence()
		bounds.primitive(tag)
		bounds.primitive(tag)
		list.end(bounds)
	}
	d.end(list)
}

func (c *certificate) basicConstraints(d *decoder) {
	seq := d.sequence()
	if seq.is(0, tagBoolean) {
		content := seq.primitive(tagBoolean)
		c.isCA = len(content) == 1 && content[0] != 0
	}
	if seq.is(0, tagInteger) {
		content := seq.primitive(tagInteger)
		negative := len(content) > 0 && content[0]&0x80 != 0
		if c.pathLen = smallInt(content); negative {
			c.invalid = true
		}
	}
	if d.end(seq); d.bad {
		c.isCA, c.pathLen = false, -1
	}
}

func (c *certificate) authorityKeyID(d *decoder) {
	seq := d.sequence()
	var keyID, serial, issuer []byte
	if seq.is(classContext, 0) {
		keyID = append([]byte{}, seq.implicit(tagOctets)...)
	}
	if seq.is(classContext, 1) {
		for _, n := range seq.generalNames(seq.listAs(1)) {
			if n.kind == gnDir {
				issuer = append([]byte{}, n.dir.canonical...)
				break
			}
		}
	}
	if seq.is(classContext, 2) {
		serial = seq.implicit(tagInteger)
	}
	if d.end(seq); !d.bad {
		c.akidKeyID, c.akidSerial, c.akidIssuer = keyID, serial, issuer
	}
}

// bits takes off a BIT STRING: bit n of the first two octets is 1<<n, counted as
// ASN.1 does.
func (d *decoder) bits() (out int) {
	content := d.primitive(tagBitString)
	if len(content) < 2 {
		return 0
	}
	unused, octets := content[0], bytes.Clone(content[1:])
	octets[len(octets)-1] &= 0xff << unused
	for i := range min(len(octets)*8, 16) {
		if octets[i/8]&(0x80>>(i%8)) != 0 {
			out |= 1 << i
		}
	}
	return out
}

func (d *decoder) proxyCertInfo() {
	seq := d.sequence()
	if seq.is(0, tagInteger) {
		seq.primitive(tagInteger)
	}
	policy := seq.sequence()
	policy.primitive(tagOID)
	if !policy.empty() {
		policy.primitive(tagOctets)
	}
	seq.end(policy)
	d.end(seq)
}

// distributionPoint takes off a DIST_POINT, which names a point or an issuer
// (setup_dp).
func (d *decoder) distributionPoint() {
	seq := d.sequence()
	named := false
	if point := seq.optional(ctx(0)); point != nil {
		named = true
		switch {
		case point.is(classContext, 0):
			point.generalNames(point.listAs(0))
		case point.is(classContext, 1):
			list := point.listAs(1)
			for !list.empty() {
				entry := list.sequence()
				entry.primitive(tagOID)
				entry.directoryString()
				list.end(entry)
			}
			point.end(list)
		default:
			point.check(false)
		}
		seq.end(point)
	}
	if seq.is(classContext, 1) {
		seq.implicit(tagBitString)
	}
	if seq.is(classContext, 2) {
		issuers := seq.generalNames(seq.listAs(2))
		named = named || len(issuers) > 0
	}
	d.end(seq)
	d.check(named)
}
