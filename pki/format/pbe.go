package format

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	casn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// Password-based encryption: PBES1 and PBES2 of PKCS#5 (RFC 8018), the schemes
// of PKCS#12 (RFC 7292 appendix B and C), and OpenSSL's old DEK-Info. It is
// here, and not left to the libraries that write our files, because a reader
// must look at the work asked for before it does it, tell a wrong password
// from a broken file, and open what Java, Windows and old OpenSSLs wrote.

// Limits on the work that a file may ask for before its password can be tried.
// Real files ask for 1 to 1,000,000 iterations; ten million take some seconds.
const (
	maxIterations      = 10_000_000
	maxTotalIterations = 20_000_000
	// maxScryptMemory is 128·N·r of RFC 7914; OpenSSL's default is 16 MiB.
	maxScryptMemory = 256 << 20
)

// workBudget adds up what one source asks for.
type workBudget struct{ spent int }

// reserve refuses a that asks for too much, alone or with those before it.
func (w *workBudget) reserve(a *pbe) error {
	w.spent += a.work
	if a.work > maxIterations {
		return fmt.Errorf("asks for %d rounds of password hashing; more than %d are refused, as they would only keep the machine busy", a.rounds, maxIterations)
	}
	if w.spent > maxTotalIterations {
		return fmt.Errorf("asks, with what comes before it, for more than %d rounds of password hashing, which is refused", maxTotalIterations)
	}
	return nil
}

// pbe is one way to turn a password into a cipher, with its parameters.
type pbe struct {
	name string
	// rounds is the iteration count as written; work counts them as often as
	// they are run.
	rounds, work int
	// weak is set for what OpenSSL 3 refuses by default or hashes too little.
	weak bool
	// keyAndIV derives both from the password as the user typed it.
	keyAndIV func(password []byte) (key, iv []byte, err error)
	newBlock func(key []byte) (cipher.Block, error)
}

// encrypted is something under a password: the algorithm, and the ciphertext.
type encrypted struct {
	algorithm *pbe
	data      []byte
}

// parseEncrypted reads EncryptedPrivateKeyInfo: the algorithm and an OCTET
// STRING.
func parseEncrypted(der []byte) (*encrypted, error) {
	in, seq := cryptobyte.String(der), cryptobyte.String(nil)
	var algorithm, data cryptobyte.String
	if !in.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&algorithm, casn1.SEQUENCE) ||
		!seq.ReadASN1(&data, casn1.OCTET_STRING) || !seq.Empty() {
		return nil, errors.New("is a broken encrypted private key: its structure cannot be read")
	}
	a, err := parsePBE(algorithm)
	if err != nil {
		return nil, err
	}
	return &encrypted{a, data}, nil
}

// decrypt opens e and checks the padding and that one element of ASN.1 is
// inside; if not, the password was wrong, or, less probably, the data changed.
func (e *encrypted) decrypt(password []byte) ([]byte, error) {
	key, iv, err := e.algorithm.keyAndIV(password)
	if err != nil {
		return nil, err
	}
	block, err := e.algorithm.newBlock(key)
	if err != nil {
		return nil, err
	}
	size := block.BlockSize()
	if len(iv) != size {
		return nil, fmt.Errorf("is encrypted with %s and an initial vector of %d bytes in place of %d", e.algorithm.name, len(iv), size)
	}
	if len(e.data) == 0 || len(e.data)%size != 0 {
		return nil, fmt.Errorf("is cut off or changed: %d encrypted bytes are no multiple of %s", len(e.data), count(size, "byte"))
	}
	plain := make([]byte, len(e.data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, e.data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > size || !bytes.Equal(plain[len(plain)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, ErrPasswordWrong
	}
	plain = plain[:len(plain)-pad]
	if in, ok := peek(plain); !ok || in.tag != tagSequence || in.truncated() {
		return nil, ErrPasswordWrong
	}
	return plain, nil
}

// encrypt is the reverse of decrypt.
func (a *pbe) encrypt(password, plain []byte) ([]byte, error) {
	key, iv, err := a.keyAndIV(password)
	if err != nil {
		return nil, err
	}
	block, err := a.newBlock(key)
	if err != nil {
		return nil, err
	}
	pad := block.BlockSize() - len(plain)%block.BlockSize()
	out := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out, nil
}

// parsePBE reads the content of an AlgorithmIdentifier.
func parsePBE(algorithm cryptobyte.String) (*pbe, error) {
	oid, params, err := readAlgorithm(algorithm)
	if err != nil {
		return nil, err
	}
	switch oid {
	case "1.2.840.113549.1.5.13":
		return parsePBES2(params)
	case "1.2.840.113549.1.5.3":
		return parsePBES1("PBE-MD5-DES", params, md5.New)
	case "1.2.840.113549.1.5.10":
		return parsePBES1("PBE-SHA1-DES", params, sha1.New)
	case "1.2.840.113549.1.12.1.3":
		return parsePKCS12PBE("PBE-SHA1-3DES", params, 24, 8, des.NewTripleDESCipher)
	case "1.2.840.113549.1.12.1.4":
		return parsePKCS12PBE("PBE-SHA1-2DES", params, 16, 8, func(key []byte) (cipher.Block, error) {
			return des.NewTripleDESCipher(append(bytes.Clone(key), key[:8]...))
		})
	case "1.2.840.113549.1.12.1.5":
		return parsePKCS12PBE("PBE-SHA1-RC2-128", params, 16, 8, newRC2)
	case "1.2.840.113549.1.12.1.6":
		return parsePKCS12PBE("PBE-SHA1-RC2-40", params, 5, 8, newRC2)
	}
	return nil, fmt.Errorf("is encrypted with %s, which crpki cannot open: convert it with openssl pkcs8 -topk8", algorithmName(oid))
}

// readAlgorithm reads AlgorithmIdentifier's content: number and parameters.
func readAlgorithm(in cryptobyte.String) (oid string, params cryptobyte.String, err error) {
	var id asn1.ObjectIdentifier
	if !in.ReadASN1ObjectIdentifier(&id) {
		return "", nil, errors.New("is encrypted in a way that cannot be read: the algorithm's number is broken")
	}
	return id.String(), in, nil
}

// algorithmName names what we know and cannot use.
func algorithmName(oid string) string {
	switch oid {
	case "1.2.840.113549.1.5.1":
		return "PBE-MD2-DES"
	case "1.2.840.113549.1.5.4":
		return "PBE-MD2-RC2"
	case "1.2.840.113549.1.5.6":
		return "PBE-MD5-RC2"
	case "1.2.840.113549.1.5.11":
		return "PBE-SHA1-RC2"
	case "1.2.840.113549.1.12.1.1":
		return "PBE-SHA1-RC4-128"
	case "1.2.840.113549.1.12.1.2":
		return "PBE-SHA1-RC4-40"
	case "1.2.840.113549.3.2":
		return "RC2-CBC"
	case "2.16.840.1.101.3.4.1.6", "2.16.840.1.101.3.4.1.26", "2.16.840.1.101.3.4.1.46":
		return "AES-GCM"
	case "1.2.392.200011.61.1.1.1.2", "1.2.392.200011.61.1.1.1.4":
		return "Camellia"
	case "1.2.156.10197.1.104.2":
		return "SM4-CBC"
	}
	return "the algorithm " + oid
}

var errParameters = errors.New("is encrypted in a way that cannot be read: the algorithm's parameters are broken")

// saltAndRounds reads PBEParameter of PKCS#5 and pkcs-12PbeParams.
func saltAndRounds(params cryptobyte.String) (salt []byte, rounds int, err error) {
	var seq, s cryptobyte.String
	if !params.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&s, casn1.OCTET_STRING) {
		return nil, 0, errParameters
	}
	rounds, err = readRounds(&seq)
	return s, rounds, err
}

// readRounds reads an iteration count. One beyond 64 bits is only too large.
func readRounds(in *cryptobyte.String) (int, error) {
	var der cryptobyte.String
	if !in.ReadASN1Element(&der, casn1.INTEGER) {
		return 0, errParameters
	}
	var n int64
	if !der.ReadASN1Integer(&n) || n > 1<<31-1 {
		n = 1<<31 - 1
	}
	if n < 1 {
		return 0, errParameters
	}
	return int(n), nil
}

// parsePBES1 reads PBES1 of RFC 8018 section 6.1 with DES.
func parsePBES1(name string, params cryptobyte.String, newHash func() hash.Hash) (*pbe, error) {
	salt, rounds, err := saltAndRounds(params)
	if err != nil {
		return nil, err
	}
	return &pbe{
		name: name, rounds: rounds, work: rounds, weak: true, newBlock: des.NewCipher,
		keyAndIV: func(password []byte) (key, iv []byte, err error) {
			h := newHash()
			h.Write(password)
			h.Write(salt)
			t := h.Sum(nil)
			for range rounds - 1 {
				h.Reset()
				h.Write(t)
				t = h.Sum(t[:0])
			}
			return t[:8], t[8:16], nil
		},
	}, nil
}

// parsePKCS12PBE reads the schemes of RFC 7292 appendix C, all with SHA-1.
func parsePKCS12PBE(name string, params cryptobyte.String, keySize, ivSize int, newBlock func([]byte) (cipher.Block, error)) (*pbe, error) {
	salt, rounds, err := saltAndRounds(params)
	if err != nil {
		return nil, err
	}
	blocks := (keySize+sha1.Size-1)/sha1.Size + 1
	return &pbe{
		name: name, rounds: rounds, work: rounds * blocks, weak: true, newBlock: newBlock,
		keyAndIV: func(password []byte) (key, iv []byte, err error) {
			p := bmpPassword(password)
			key = pkcs12KDF(sha1.New, 1, p, salt, rounds, keySize)
			return key, pkcs12KDF(sha1.New, 2, p, salt, rounds, ivSize), nil
		},
	}, nil
}

// parsePBES2 reads PBES2 of RFC 8018 section 6.2.
func parsePBES2(params cryptobyte.String) (*pbe, error) {
	var seq, kdf, scheme cryptobyte.String
	if !params.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&kdf, casn1.SEQUENCE) || !seq.ReadASN1(&scheme, casn1.SEQUENCE) {
		return nil, errParameters
	}
	a := &pbe{}
	keySize, iv, err := a.parseCipher(scheme)
	if err != nil {
		return nil, err
	}
	k, err := parseKDF(kdf, keySize)
	if err != nil {
		return nil, err
	}
	a.name = fmt.Sprintf("PBES2 (%s, %s)", k.name, a.name)
	a.rounds, a.work = k.rounds, k.work
	a.keyAndIV = func(password []byte) ([]byte, []byte, error) {
		key, err := k.derive(password)
		return key, iv, err
	}
	return a, nil
}

// parseCipher reads PBES2's encryptionScheme: a cipher in CBC mode and its
// initial vector.
func (a *pbe) parseCipher(scheme cryptobyte.String) (keySize int, iv []byte, err error) {
	oid, params, err := readAlgorithm(scheme)
	if err != nil {
		return 0, nil, err
	}
	a.newBlock = aes.NewCipher
	switch oid {
	case "2.16.840.1.101.3.4.1.2":
		a.name, keySize = "AES-128-CBC", 16
	case "2.16.840.1.101.3.4.1.22":
		a.name, keySize = "AES-192-CBC", 24
	case "2.16.840.1.101.3.4.1.42":
		a.name, keySize = "AES-256-CBC", 32
	case "1.2.840.113549.3.7":
		a.name, keySize, a.newBlock, a.weak = "3DES-CBC", 24, des.NewTripleDESCipher, true
	case "1.3.14.3.2.7":
		a.name, keySize, a.newBlock, a.weak = "DES-CBC", 8, des.NewCipher, true
	default:
		return 0, nil, fmt.Errorf("is encrypted with %s, which crpki cannot open: convert it with openssl pkcs8 -topk8", algorithmName(oid))
	}
	var vector cryptobyte.String
	if !params.ReadASN1(&vector, casn1.OCTET_STRING) {
		return 0, nil, errParameters
	}
	return keySize, vector, nil
}

// kdf turns a password into a key.
type kdf struct {
	name         string
	rounds, work int
	size         int // of the key, in bytes
	derive       func(password []byte) ([]byte, error)
}

// parseKDF reads a keyDerivationFunc that gives keySize bytes; 0 takes the
// length that the parameters name.
func parseKDF(in cryptobyte.String, keySize int) (*kdf, error) {
	oid, params, err := readAlgorithm(in)
	if err != nil {
		return nil, err
	}
	switch oid {
	case "1.2.840.113549.1.5.12":
		return parsePBKDF2(params, keySize)
	case "1.3.6.1.4.1.11591.4.11":
		return parseScrypt(params, keySize)
	}
	return nil, fmt.Errorf("derives its key from the password with %s, which crpki does not know", algorithmName(oid))
}

// parsePBKDF2 reads PBKDF2-params (RFC 8018 appendix A.2).
func parsePBKDF2(params cryptobyte.String, keySize int) (*kdf, error) {
	var seq, salt cryptobyte.String
	if !params.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&salt, casn1.OCTET_STRING) {
		return nil, errParameters
	}
	rounds, err := readRounds(&seq)
	if err != nil {
		return nil, err
	}
	if seq.PeekASN1Tag(casn1.INTEGER) {
		var length int
		if !seq.ReadASN1Integer(&length) || keySize != 0 && length != keySize {
			return nil, errParameters
		}
		keySize = length
	}
	if keySize < 5 || keySize > sha512.Size {
		return nil, errParameters
	}
	name, newHash := "SHA1", sha1.New // the default of the ASN.1
	if !seq.Empty() {
		var prf cryptobyte.String
		if !seq.ReadASN1(&prf, casn1.SEQUENCE) {
			return nil, errParameters
		}
		if name, newHash, err = parseHMAC(prf); err != nil {
			return nil, err
		}
	}
	size := newHash().Size()
	return &kdf{
		name:   "PBKDF2-HMAC-" + name,
		rounds: rounds,
		work:   rounds * ((keySize + size - 1) / size),
		size:   keySize,
		derive: func(password []byte) ([]byte, error) {
			return pbkdf2.Key(newHash, string(password), salt, rounds, keySize)
		},
	}, nil
}

// parseHMAC reads the AlgorithmIdentifier of an HMAC.
func parseHMAC(in cryptobyte.String) (name string, newHash func() hash.Hash, err error) {
	oid, _, err := readAlgorithm(in)
	if err != nil {
		return "", nil, err
	}
	switch oid {
	case "1.2.840.113549.2.7":
		return "SHA1", sha1.New, nil
	case "1.2.840.113549.2.8":
		return "SHA224", sha256.New224, nil
	case "1.2.840.113549.2.9":
		return "SHA256", sha256.New, nil
	case "1.2.840.113549.2.10":
		return "SHA384", sha512.New384, nil
	case "1.2.840.113549.2.11":
		return "SHA512", sha512.New, nil
	case "1.2.840.113549.2.13":
		return "SHA512-256", sha512.New512_256, nil
	}
	return "", nil, fmt.Errorf("hashes its password with %s, which crpki does not know", algorithmName(oid))
}

// parseScrypt reads scrypt-params (RFC 7914 section 7).
func parseScrypt(params cryptobyte.String, keySize int) (*kdf, error) {
	var seq, salt cryptobyte.String
	if !params.ReadASN1(&seq, casn1.SEQUENCE) || !seq.ReadASN1(&salt, casn1.OCTET_STRING) {
		return nil, errParameters
	}
	var n, r, p uint64
	if !seq.ReadASN1Integer(&n) || !seq.ReadASN1Integer(&r) || !seq.ReadASN1Integer(&p) {
		return nil, errParameters
	}
	if n < 2 || n&(n-1) != 0 || r < 1 || p < 1 {
		return nil, errParameters
	}
	const limit = maxScryptMemory / 128
	if n > limit || r > limit || n*r > limit || p > 16 {
		return nil, fmt.Errorf("asks for scrypt with N=%d, r=%d, p=%d; more than %d MiB of memory or p=16 is refused", n, r, p, maxScryptMemory>>20)
	}
	return &kdf{
		name:   "scrypt",
		rounds: int(n),
		size:   keySize,
		// One step of N mixes 128·r bytes twice, some 4·r blocks of SHA-256's
		// cost.
		work: int(4 * n * r * p),
		derive: func(password []byte) ([]byte, error) {
			return scrypt.Key(password, salt, int(n), int(r), int(p), keySize)
		},
	}, nil
}

// parseDEK reads the DEK-Info header: a cipher's name and its initial vector
// in hex, of which the first 8 bytes are the salt too.
func parseDEK(name, ivHex string) (*pbe, error) {
	a := &pbe{name: name, rounds: 1, weak: true}
	var keySize int
	switch name {
	case "DES-CBC":
		keySize, a.newBlock = 8, des.NewCipher
	case "DES-EDE3-CBC":
		keySize, a.newBlock = 24, des.NewTripleDESCipher
	case "AES-128-CBC":
		keySize, a.newBlock = 16, aes.NewCipher
	case "AES-192-CBC":
		keySize, a.newBlock = 24, aes.NewCipher
	case "AES-256-CBC":
		keySize, a.newBlock = 32, aes.NewCipher
	default:
		return nil, fmt.Errorf("is encrypted with %q (DEK-Info), which crpki cannot open: convert it with openssl pkcs8 -topk8", name)
	}
	iv, err := hex.DecodeString(ivHex)
	if err != nil || len(iv) < 8 {
		return nil, errors.New("is encrypted, but the initial vector in its DEK-Info header is broken")
	}
	a.keyAndIV = func(password []byte) ([]byte, []byte, error) {
		// OpenSSL's EVP_BytesToKey with MD5 and one round.
		var key, last []byte
		for len(key) < keySize {
			h := md5.New()
			h.Write(last)
			h.Write(password)
			h.Write(iv[:8])
			last = h.Sum(nil)
			key = append(key, last...)
		}
		return key[:keySize], iv, nil
	}
	return a, nil
}

// bmpPassword writes a password as PKCS#12 wants it (RFC 7292 appendix B.1):
// UTF-16, high byte first, with two zero bytes behind. Bytes that are not
// UTF-8 are taken for Latin-1, as OpenSSL does. nil stands for no password at
// all, which some programs write in place of an empty one.
func bmpPassword(password []byte) []byte {
	if password == nil {
		return nil
	}
	var units []uint16
	if utf8.Valid(password) {
		units = utf16.Encode([]rune(string(password)))
	} else {
		for _, b := range password {
			units = append(units, uint16(b))
		}
	}
	out := make([]byte, 0, 2*len(units)+2)
	for _, u := range units {
		out = append(out, byte(u>>8), byte(u))
	}
	return append(out, 0, 0)
}

// pkcs12KDF derives size bytes for a purpose: 1 key, 2 initial vector, 3 MAC
// (RFC 7292 appendix B.2).
func pkcs12KDF(newHash func() hash.Hash, purpose byte, password, salt []byte, rounds, size int) []byte {
	h := newHash()
	u, v := h.Size(), h.BlockSize()
	d := bytes.Repeat([]byte{purpose}, v)
	i := append(fill(salt, v), fill(password, v)...)
	var out []byte
	a := make([]byte, 0, u)
	for {
		h.Reset()
		h.Write(d)
		h.Write(i)
		a = h.Sum(a[:0])
		for range rounds - 1 {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		out = append(out, a...)
		if len(out) >= size {
			return out[:size]
		}
		// Each block of i becomes (block + b + 1) mod 2^(8v), where b is a
		// repeated to the size of a block.
		b := fill(a, v)[:v]
		for at := 0; at < len(i); at += v {
			carry := 1
			for k := v - 1; k >= 0; k-- {
				carry += int(i[at+k]) + int(b[k])
				i[at+k] = byte(carry)
				carry >>= 8
			}
		}
	}
}

// fill repeats b to a multiple of size bytes.
func fill(b []byte, size int) []byte {
	if len(b) == 0 {
		return nil
	}
	n := (len(b) + size - 1) / size * size
	return bytes.Repeat(b, n/len(b)+1)[:n]
}

// hmacSum is HMAC of data under key.
func hmacSum(newHash func() hash.Hash, key, data []byte) []byte {
	m := hmac.New(newHash, key)
	m.Write(data)
	return m.Sum(nil)
}
