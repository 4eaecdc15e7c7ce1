package attest

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/plomb-pos/plomb/update/counter"
)

// TPM quotes with the TPM at a path: a device file or the Unix socket of a simulator.
// The attestation key is derived from the chip's endorsement seed at each call, so
// there is nothing to keep, and it changes only when that seed does (TPM2_ChangeEPS).
type TPM string

// pcrs are the firmware and boot loader, as the platform measured them. Their bank
// is SHA-256.
var pcrs = tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{{
	Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(0, 1, 2, 3, 4, 5, 6, 7),
}}}

// template is the attestation key: it signs only what the TPM itself made.
var template = tpm2.TPMTPublic{
	Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
	ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, Restricted: true, SignEncrypt: true},
	Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
		CurveID: tpm2.TPMECCNistP256,
		Scheme: tpm2.TPMTECCScheme{
			Scheme:  tpm2.TPMAlgECDSA,
			Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
		},
	}),
}

// with makes the attestation key, does something with it and forgets it.
func (t TPM) with(work func(c transport.TPM, key *tpm2.CreatePrimaryResponse) error) error {
	c, err := counter.Dial(string(t))
	if err != nil {
		return fmt.Errorf("open TPM: %w", err)
	}
	key, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHEndorsement, InPublic: tpm2.New2B(template)}.Execute(c)
	if err != nil {
		return errors.Join(fmt.Errorf("make attestation key: %w", err), c.Close())
	}
	err = work(c, key)
	_, flushed := tpm2.FlushContext{FlushHandle: key.ObjectHandle}.Execute(c)
	return errors.Join(err, flushed, c.Close())
}

// Key implements Quoter.
func (t TPM) Key() (spki []byte, err error) {
	err = t.with(func(_ transport.TPM, key *tpm2.CreatePrimaryResponse) error {
		spki, err = publicKey(key)
		return err
	})
	return spki, err
}

func publicKey(key *tpm2.CreatePrimaryResponse) ([]byte, error) {
	public, err := key.OutPublic.Contents()
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	pub, err := tpm2.Pub(*public)
	if err != nil {
		return nil, fmt.Errorf("attestation key: %w", err)
	}
	return x509.MarshalPKIXPublicKey(pub)
}

// Quote implements Quoter.
func (t TPM) Quote(data []byte) (q *Quote, err error) {
	err = t.with(func(c transport.TPM, key *tpm2.CreatePrimaryResponse) error {
		q, err = quote(c, key, data)
		return err
	})
	return q, err
}

func quote(c transport.TPM, key *tpm2.CreatePrimaryResponse, data []byte) (*Quote, error) {
	spki, err := publicKey(key)
	if err != nil {
		return nil, err
	}
	rsp, err := tpm2.Quote{
		SignHandle:     tpm2.AuthHandle{Handle: key.ObjectHandle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)},
		QualifyingData: tpm2.TPM2BData{Buffer: data},
		InScheme:       tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
		PCRSelect:      pcrs,
	}.Execute(c)
	if err != nil {
		return nil, err
	}
	sig, err := rsp.Signature.Signature.ECDSA()
	if err != nil {
		return nil, err
	}
	der, err := asn1.Marshal(struct{ R, S asn1.RawValue }{integer(sig.SignatureR.Buffer), integer(sig.SignatureS.Buffer)})
	return &Quote{Key: spki, Attest: rsp.Quoted.Bytes(), Signature: der}, err
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

// Moment is a TPM's sense of time.
type Moment struct {
	Resets   uint32 `json:"resets"`   // since the TPM was cleared
	Restarts uint32 `json:"restarts"` // since the last reset
	Clock    uint64 `json:"clock"`    // milliseconds under power; may stand behind by some seconds after a cut
}

// quoteInfo is what a verified quote says.
type quoteInfo struct {
	moment Moment
	pcrs   []byte // digest over the selected PCRs
}

// verify checks signature and contents: that a TPM with this key made it over data.
func (q *Quote) verify(data []byte) (info quoteInfo, err error) {
	key, err := x509.ParsePKIXPublicKey(q.Key)
	if err != nil {
		return info, fmt.Errorf("quote: %w", err)
	}
	pub, ok := key.(*ecdsa.PublicKey)
	sum := sha256.Sum256(q.Attest)
	if !ok || !ecdsa.VerifyASN1(pub, sum[:], q.Signature) {
		return info, fmt.Errorf("quote: %w", ErrForged)
	}
	// The bytes come from the enrolled TPM from here on.
	a, err := tpm2.Unmarshal[tpm2.TPMSAttest](q.Attest)
	if err != nil {
		return info, fmt.Errorf("quote: %w", err)
	}
	quoted, err := a.Attested.Quote()
	if err != nil {
		return info, fmt.Errorf("quote: %w", err)
	}
	if string(a.ExtraData.Buffer) != string(data) {
		return info, fmt.Errorf("quote is over other claims: %w", ErrForged)
	}
	if string(tpm2.Marshal(quoted.PCRSelect)) != string(tpm2.Marshal(pcrs)) {
		return info, fmt.Errorf("quote is over other PCRs: %w", ErrForged)
	}
	info.moment = Moment{Resets: a.ClockInfo.ResetCount, Restarts: a.ClockInfo.RestartCount, Clock: a.ClockInfo.Clock}
	info.pcrs = quoted.PCRDigest.Buffer
	return info, nil
}
