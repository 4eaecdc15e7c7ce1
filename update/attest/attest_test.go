package attest_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/attest"
	"github.com/plomb-pos/plomb/update/manifest"
)

var start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// device is something that states what it is.
type device struct {
	*testing.T
	key    crypto.Signer
	quoter attest.Quoter
	says   attest.Device
}

// release is a manifest with its encoding, whose program has these bytes.
func release(t *testing.T, counter uint64, program string) (*manifest.Manifest, []byte) {
	t.Helper()
	c, err := manifest.Measure(strings.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	m := &manifest.Manifest{
		Format: manifest.Format, Identity: "0PLMTIL01-20261122", Scope: manifest.Application, Counter: counter, Legal: true, Issued: start,
		Jurisdictions: []string{"DE"}, Certificate: "DE-26-M-0001",
		Components:    []manifest.Component{{Name: "till", Kind: manifest.Program, Legal: true, Path: "bin/till", Mode: 0o755, Length: c.Length, SHA256: c.SHA256, Root: c.Root}},
		Compatibility: manifest.Compatibility{Platforms: []string{runtime.GOOS + "/" + runtime.GOARCH}},
	}
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return m, encoded
}

// newDevice runs release 5 from slot a.
func newDevice(t *testing.T, quoter attest.Quoter) *device {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m, encoded := release(t, 5, "till 5")
	digest, program := manifest.Sum(encoded), m.Components[0].SHA256
	return &device{T: t, key: key, quoter: quoter, says: attest.Device{
		Hardware: "1PLMTIL01-20260101", Model: "TIL", Jurisdiction: "DE", Active: "a", Program: program[:], Version: "plomb v1.2.3",
		Slots:    []attest.Slot{{Name: "a", Identity: string(m.Identity), Scope: string(m.Scope), Counter: m.Counter, Manifest: digest[:], Signers: []string{"maker"}}, {Name: "b", Error: "empty"}},
		Floors:   attest.Floors{Application: 5, TPM: quoter != nil},
		Journals: []attest.Head{{Origin: "till-1/e1", Size: 40, Root: bytes.Repeat([]byte{7}, 32)}},
	}}
}

func (d *device) answer(c attest.Challenge) []byte {
	d.Helper()
	s, err := attest.Sign(attest.Claims{Nonce: c.Nonce, IssuedAt: c.Issued.Unix(), Device: d.says}, d.key, d.quoter)
	if err != nil {
		d.Fatal(err)
	}
	return s
}

// challenge is one of a number of minutes.
func challenge(minute int) attest.Challenge {
	return attest.NewChallenge(start.Add(time.Duration(minute)*time.Minute), time.Minute)
}

func (d *device) verifier() attest.Verifier {
	d.Helper()
	c := challenge(0)
	e, err := attest.Enrol(d.answer(c), d.key.Public(), c)
	if err != nil {
		d.Fatal(err)
	}
	_, encoded := release(d.T, 5, "till 5")
	return attest.Verifier{Enrolment: *e, Releases: [][]byte{encoded}, Now: func() time.Time { return start }}
}

// kinds are the devices without and with a TPM.
func kinds(t *testing.T, f func(t *testing.T, d *device)) {
	t.Run("software key", func(t *testing.T) { f(t, newDevice(t, nil)) })
	t.Run("TPM", func(t *testing.T) { f(t, newDevice(t, attest.TPM(tpmtest.Start(t).Socket))) })
}

// Requirement: CU-05
func TestADeviceSaysWhatItRuns(t *testing.T) {
	kinds(t, func(t *testing.T, d *device) {
		v, c := d.verifier(), challenge(1)
		statement := d.answer(c)
		r, err := v.Verify(statement, c, attest.Seen{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d.says, r.Claims.Device); diff != "" {
			t.Error(diff)
		}
		if len(r.Claims.UEID) != 33 || (d.quoter != nil) != (len(r.PCRs) == 32) {
			t.Errorf("UEID %x, PCRs %x", r.Claims.UEID, r.PCRs)
		}
		t.Logf("%d bytes", len(statement))
	})
}

func TestAnECDSAKeySignsAsWell(t *testing.T) {
	d := newDevice(t, nil)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d.key = key
	v, c := d.verifier(), challenge(1)
	if _, err := v.Verify(d.answer(c), c, attest.Seen{}); err != nil {
		t.Error(err)
	}
}

// refuse wants an error of a kind.
func refuse(t *testing.T, v attest.Verifier, statement []byte, c attest.Challenge, seen attest.Seen, want error) {
	t.Helper()
	if _, err := v.Verify(statement, c, seen); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

// Requirement: CU-05
func TestAReplayedStatementIsRefused(t *testing.T) {
	kinds(t, func(t *testing.T, d *device) {
		v, c := d.verifier(), challenge(1)
		statement := d.answer(c)
		r, err := v.Verify(statement, c, attest.Seen{})
		if err != nil {
			t.Fatal(err)
		}
		refuse(t, v, statement, challenge(2), r.Seen, attest.ErrReplayed)
		refuse(t, v, statement, c, r.Seen, attest.ErrReplayed)
		v.Now = func() time.Time { return c.Expires.Add(time.Second) }
		refuse(t, v, statement, c, attest.Seen{}, attest.ErrReplayed)
	})
}

// Requirement: CU-05
func TestAForgedStatementIsRefused(t *testing.T) {
	kinds(t, func(t *testing.T, d *device) {
		v, c := d.verifier(), challenge(1)
		statement := d.answer(c)
		for i := range statement {
			other := bytes.Clone(statement)
			other[i] ^= 1 << (i % 8)
			if _, err := v.Verify(other, c, attest.Seen{}); err == nil {
				t.Fatalf("byte %d may be another", i)
			}
		}
		forger := *d
		_, forger.key, _ = ed25519.GenerateKey(nil)
		refuse(t, v, forger.answer(c), c, attest.Seen{}, attest.ErrForged)
	})
}

// Requirement: CU-05
func TestAClonedDeviceIsRefused(t *testing.T) {
	d := newDevice(t, attest.TPM(tpmtest.Start(t).Socket))
	v, c := d.verifier(), challenge(1)
	clone := *d // with a copy of the disk, and so of the software key
	clone.quoter = attest.TPM(tpmtest.Start(t).Socket)
	refuse(t, v, clone.answer(c), c, attest.Seen{}, attest.ErrStranger)
	clone.quoter = nil
	refuse(t, v, clone.answer(c), c, attest.Seen{}, attest.ErrStranger)
	clone.quoter = borrowed{Quoter: d.quoter, from: attest.TPM(tpmtest.Start(t).Socket)}
	refuse(t, v, clone.answer(c), c, attest.Seen{}, attest.ErrForged)
}

// borrowed shows one TPM's key and another's quote.
type borrowed struct {
	attest.Quoter
	from attest.Quoter
}

func (b borrowed) Quote(data []byte) (*attest.Quote, error) {
	q, err := b.from.Quote(data)
	if err != nil {
		return nil, err
	}
	q.Key, err = b.Key()
	return q, err
}

func TestAQuoteOverOtherClaimsIsRefused(t *testing.T) {
	d := newDevice(t, attest.TPM(tpmtest.Start(t).Socket))
	v, c := d.verifier(), challenge(1)
	old, err := d.quoter.Quote(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	d.quoter = stale{d.quoter, old}
	refuse(t, v, d.answer(c), c, attest.Seen{}, attest.ErrForged)
}

// stale quotes what it quoted before.
type stale struct {
	attest.Quoter
	old *attest.Quote
}

func (s stale) Quote([]byte) (*attest.Quote, error) { return s.old, nil }

func TestACloneWithoutTPMIsSeenWhenTheTwoGoDifferentWays(t *testing.T) {
	d := newDevice(t, nil)
	clone := *d
	clone.says.Journals = []attest.Head{{Origin: "till-1/e1", Size: 41, Root: bytes.Repeat([]byte{9}, 32)}}
	d.says.Journals = []attest.Head{{Origin: "till-1/e1", Size: 41, Root: bytes.Repeat([]byte{8}, 32)}}
	v, c := d.verifier(), challenge(1)
	r, err := v.Verify(d.answer(c), c, attest.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	c = challenge(2)
	refuse(t, v, clone.answer(c), c, r.Seen, attest.ErrRolledBack)
}

// Requirement: CU-10
func TestADeviceThatFallsBehindIsRefused(t *testing.T) {
	d := newDevice(t, nil)
	v, c := d.verifier(), challenge(1)
	r, err := v.Verify(d.answer(c), c, attest.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*attest.Device){
		"floor":       func(d *attest.Device) { d.Floors.Application-- },
		"journal":     func(d *attest.Device) { d.Journals = []attest.Head{{Origin: "till-1/e1", Size: 39}} },
		"no journal":  func(d *attest.Device) { d.Journals = nil },
		"other epoch": func(d *attest.Device) { d.Journals = []attest.Head{{Origin: "till-1/e2", Size: 50}} },
	} {
		t.Run(name, func(t *testing.T) {
			behind := *d
			spoil(&behind.says)
			c := challenge(2)
			refuse(t, v, behind.answer(c), c, r.Seen, attest.ErrRolledBack)
		})
	}
}

// A simulated TPM's state put back counts back unseen by the device: whoever asks it
// sees that (notes of SECURITY.md).
//
// Requirement: CU-10
func TestATPMThatWasPutBackIsSeen(t *testing.T) {
	tpm := tpmtest.Start(t)
	d := newDevice(t, attest.TPM(tpm.Socket))
	v := d.verifier()
	tpm.Off()
	image := t.TempDir() + "/image"
	if err := os.CopyFS(image, os.DirFS(tpm.State)); err != nil {
		t.Fatal(err)
	}
	tpm.On()
	tpm.Off()
	tpm.On()
	c := challenge(1)
	r, err := v.Verify(d.answer(c), c, attest.Seen{})
	if err != nil {
		t.Fatal(err)
	}
	tpm.Off()
	if err := errors.Join(os.RemoveAll(tpm.State), os.CopyFS(tpm.State, os.DirFS(image))); err != nil {
		t.Fatal(err)
	}
	tpm.On()
	c = challenge(2)
	refuse(t, v, d.answer(c), c, r.Seen, attest.ErrRolledBack)
}

func TestOtherSoftwareThanReleasedIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(*attest.Device){
		"another manifest":   func(d *attest.Device) { d.Slots[0].Manifest = bytes.Repeat([]byte{1}, 32) },
		"a slot that is bad": func(d *attest.Device) { d.Slots[0] = attest.Slot{Name: "a", Error: "its bytes are others"} },
		"another program":    func(d *attest.Device) { d.Program = bytes.Repeat([]byte{1}, 32) },
		"no launcher":        func(d *attest.Device) { d.Active, d.Slots = "", nil },
		"the other slot":     func(d *attest.Device) { d.Active = "b" },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, nil)
			v, c := d.verifier(), challenge(1)
			spoil(&d.says)
			refuse(t, v, d.answer(c), c, attest.Seen{}, attest.ErrSoftware)
		})
	}
}

func TestChangedFirmwareIsRefused(t *testing.T) {
	d := newDevice(t, attest.TPM(tpmtest.Start(t).Socket))
	v, c := d.verifier(), challenge(1)
	v.Enrolment.PCRs = bytes.Repeat([]byte{1}, 32)
	refuse(t, v, d.answer(c), c, attest.Seen{}, attest.ErrSoftware)
}

func TestAStatementHasOneEncoding(t *testing.T) {
	d := newDevice(t, nil)
	statement := d.answer(challenge(1))
	for name, other := range map[string][]byte{
		"a byte more":  append(bytes.Clone(statement), 0),
		"a byte less":  statement[:len(statement)-1],
		"untagged":     statement[1:],
		"nothing":      nil,
		"far too long": make([]byte, attest.MaxBytes+1),
	} {
		if _, err := attest.Read(other); !errors.Is(err, attest.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	_, key, _ := ed25519.GenerateKey(nil)
	s, err := attest.Sign(attest.Claims{Nonce: make([]byte, 8), Device: attest.Device{Slots: []attest.Slot{{Name: "a"}}}}, key, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := attest.Read(data)
		if err != nil {
			return
		}
		again, err := attest.Sign(*c, key, nil)
		if err != nil && len(c.Nonce) >= 8 && len(c.Nonce) <= 64 {
			t.Fatal(err)
		}
		if _, err := attest.Read(again); err != nil && again != nil {
			t.Fatal(err)
		}
	})
}
