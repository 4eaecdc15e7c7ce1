package keeper

import (
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/counter"
)

// sealed is the file of a key that a TPM keeps: both halves of a TPM object, the
// private one encrypted by the chip, and the name of the storage key above it. The
// chip's storage key is derived from its owner seed at each use (TPM 2.0 part 1,
// section 14), so there is nothing in the chip that could be lost but the seed.
type sealed struct {
	Format  string `json:"format"`
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	Parent  []byte `json:"parent"`  // TPM name of the storage key: a chip in between is found out
	Public  []byte `json:"public"`  // TPM2B_PUBLIC
	Private []byte `json:"private"` // TPM2B_PRIVATE
}

const sealedFormat = "plomb-tpm-key/1"

// chip is an open TPM with its storage key.
type chip struct {
	transport.TPM
	parent tpm2.NamedHandle
	public tpm2.TPMTPublic
}

// withTPM opens the chip for one piece of work.
func withTPM(at Place, work func(c chip) error) error {
	t, err := counter.Dial(strings.TrimPrefix(string(at), "tpm:"))
	if err != nil {
		return fmt.Errorf("open TPM: %w", err)
	}
	srk, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t)
	if err != nil {
		return errors.Join(fmt.Errorf("make the TPM's storage key: %w", err), t.Close())
	}
	public, err := srk.OutPublic.Contents()
	if err == nil {
		err = work(chip{t, tpm2.NamedHandle{Handle: srk.ObjectHandle, Name: srk.Name}, *public})
	}
	_, flushed := tpm2.FlushContext{FlushHandle: srk.ObjectHandle}.Execute(t)
	return errors.Join(err, flushed, t.Close())
}

// session is an encrypted session: what is sealed and unsealed is not readable
// between processor and chip.
func (c chip) session(auth []byte, direction tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Auth(auth), tpm2.Salted(c.parent.Handle, c.public), direction)
}

var (
	in  = tpm2.AESEncryption(128, tpm2.EncryptIn)
	out = tpm2.AESEncryption(128, tpm2.EncryptOut)
)

// authorisation is what the chip asks for before it uses a key: text, since a TPM drops
// zeros at the end of an authorisation value.
func authorisation(name, passphrase string) []byte {
	sum := sha256.Sum256([]byte("plomb tpm key/1\n" + name + "\n" + passphrase))
	return []byte(hex.EncodeToString(sum[:16]))
}

// own are the attributes of what stays in this chip and obeys its lockout.
var own = tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true}

// seal keeps a secret that the chip itself cannot use.
func (f Folder) seal(name string, kind Kind, at Place, secret []byte, passphrase string) error {
	template := tpm2.TPMTPublic{Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: own}
	sensitive := &tpm2.TPMSSensitiveCreate{
		UserAuth: tpm2.TPM2BAuth{Buffer: authorisation(name, passphrase)},
		Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret}),
	}
	_, err := f.create(name, kind, at, template, sensitive)
	return err
}

// create makes an object below the storage key and writes its file.
func (f Folder) create(name string, kind Kind, at Place, template tpm2.TPMTPublic, sensitive *tpm2.TPMSSensitiveCreate) (public *tpm2.TPMTPublic, err error) {
	err = withTPM(at, func(c chip) error {
		rsp, err := tpm2.Create{
			ParentHandle: tpm2.AuthHandle{Handle: c.parent.Handle, Name: c.parent.Name, Auth: c.session(nil, in)},
			InSensitive:  tpm2.TPM2BSensitiveCreate{Sensitive: sensitive},
			InPublic:     tpm2.New2B(template),
		}.Execute(c)
		if err != nil {
			return fmt.Errorf("make a key in the TPM: %w", err)
		}
		if public, err = rsp.OutPublic.Contents(); err != nil {
			return err
		}
		text, err := json.Marshal(sealed{sealedFormat, name, kind, c.parent.Name.Buffer, tpm2.Marshal(rsp.OutPublic), tpm2.Marshal(rsp.OutPrivate)})
		if err != nil {
			return err
		}
		return durable.Replace(f.FS, f.file(name, ".tpm"), text)
	})
	return public, err
}

// drawInTPM makes an ECDSA key in the chip; it never leaves it.
func (f Folder) drawInTPM(name string, at Place, passphrase string) (*Key, error) {
	attributes := own
	attributes.SensitiveDataOrigin, attributes.SignEncrypt = true, true
	template := tpm2.TPMTPublic{Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256,
			Scheme: tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})}})}
	sensitive := &tpm2.TPMSSensitiveCreate{UserAuth: tpm2.TPM2BAuth{Buffer: authorisation(name, passphrase)}}
	public, err := f.create(name, P256, at, template, sensitive)
	if err != nil {
		return nil, err
	}
	return f.inTPM(name, at, public, passphrase)
}

// inTPM is a key that signs in the chip.
func (f Folder) inTPM(name string, at Place, public *tpm2.TPMTPublic, passphrase string) (*Key, error) {
	p, err := public.Unique.ECC()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	point := append([]byte{4}, append(fill(p.X.Buffer), fill(p.Y.Buffer)...)...)
	return &Key{Kind: P256, Place: at, Public: point, sign: func(message []byte) (sig []byte, err error) {
		err = f.with(name, P256, at, func(c chip, key tpm2.NamedHandle) error {
			sig, err = c.sign(key, authorisation(name, passphrase), message)
			return err
		})
		return sig, err
	}}, nil
}

// fill puts zeros before a coordinate that is shorter than the curve's.
func fill(b []byte) []byte { return append(make([]byte, max(0, 32-len(b))), b...) }

func (c chip) sign(key tpm2.NamedHandle, auth, message []byte) ([]byte, error) {
	sum := sha256.Sum256(message)
	rsp, err := tpm2.Sign{
		KeyHandle:  tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: c.session(auth, in)},
		Digest:     tpm2.TPM2BDigest{Buffer: sum[:]},
		InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
		Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
	}.Execute(c)
	if err != nil {
		return nil, fmt.Errorf("sign in the TPM: %w", err)
	}
	sig, err := rsp.Signature.Signature.ECDSA()
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(struct{ R, S asn1.RawValue }{integer(sig.SignatureR.Buffer), integer(sig.SignatureS.Buffer)})
}

// integer is a positive INTEGER in its shortest form.
func integer(b []byte) asn1.RawValue {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) > 0 && b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return asn1.RawValue{Tag: asn1.TagInteger, Bytes: b}
}

// openTPM opens a key that a chip keeps.
func (f Folder) openTPM(name string, kind Kind, at Place, passphrase string) (*Key, error) {
	if kind == P256 {
		_, public, _, err := f.readSealed(name, kind)
		if err != nil {
			return nil, err
		}
		return f.inTPM(name, at, public, passphrase)
	}
	var secret []byte
	err := f.with(name, kind, at, func(c chip, key tpm2.NamedHandle) error {
		rsp, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{Handle: key.Handle, Name: key.Name, Auth: c.session(authorisation(name, passphrase), out)}}.Execute(c)
		if err != nil {
			return fmt.Errorf("unseal: %w", err)
		}
		secret = rsp.OutData.Buffer
		return nil
	})
	if err != nil {
		return nil, err
	}
	return opened(kind, at, secret)
}

// with loads the key of a file into the chip for one piece of work.
func (f Folder) with(name string, kind Kind, at Place, work func(c chip, key tpm2.NamedHandle) error) error {
	s, _, private, err := f.readSealed(name, kind)
	if err != nil {
		return err
	}
	public, err := tpm2.Unmarshal[tpm2.TPM2BPublic](s.Public)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return withTPM(at, func(c chip) error {
		if string(c.parent.Name.Buffer) != string(s.Parent) {
			return fmt.Errorf("it was sealed by another TPM, or before this one was cleared: %w", ErrOther)
		}
		rsp, err := tpm2.Load{
			ParentHandle: tpm2.AuthHandle{Handle: c.parent.Handle, Name: c.parent.Name, Auth: c.session(nil, in)},
			InPrivate:    *private, InPublic: *public,
		}.Execute(c)
		if err != nil {
			return fmt.Errorf("load into the TPM: %w", err)
		}
		err = work(c, tpm2.NamedHandle{Handle: rsp.ObjectHandle, Name: rsp.Name})
		_, flushed := tpm2.FlushContext{FlushHandle: rsp.ObjectHandle}.Execute(c)
		return errors.Join(err, flushed)
	})
}

func (f Folder) readSealed(name string, kind Kind) (s sealed, public *tpm2.TPMTPublic, private *tpm2.TPM2BPrivate, err error) {
	text, err := durable.ReadFile(f.FS, f.file(name, ".tpm"), keyBytes)
	if err != nil {
		return s, nil, nil, err
	}
	if err := json.Unmarshal(text, &s, json.RejectUnknownMembers(true)); err != nil {
		return s, nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if s.Format != sealedFormat || s.Name != name || s.Kind != kind {
		return s, nil, nil, ErrOther
	}
	pub, err := tpm2.Unmarshal[tpm2.TPM2BPublic](s.Public)
	if err != nil {
		return s, nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if public, err = pub.Contents(); err != nil {
		return s, nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if private, err = tpm2.Unmarshal[tpm2.TPM2BPrivate](s.Private); err != nil {
		return s, nil, nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return s, public, private, nil
}
