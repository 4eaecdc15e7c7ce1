package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/update/attest"
	"github.com/plomb-pos/plomb/update/manifest"
)

type attestCommand struct {
	Enrol     attestEnrol     `cmd:"" help:"Write the keys by which this device is known from now on."`
	Challenge attestChallenge `cmd:"" help:"Make a question for a device."`
	Make      attestMake      `cmd:"" help:"Answer a question: state what runs here."`
	Verify    attestVerify    `cmd:"" help:"Check a device's answer."`
}

// attestedFiles are where a device keeps what it states.
type attestedFiles struct {
	tillFiles
	Root string `type:"path" help:"Folder of plomb-boot's device; without it the statement says nothing of slots."`
	TPM  string `name:"tpm" type:"path" help:"TPM 2.0 to quote with: /dev/tpmrm0, or a simulator's Unix socket; default: the one that holds the version floor."`
}

// quoter is the device's TPM, nil where there is none.
func (a attestedFiles) quoter() (attest.Quoter, error) {
	if a.TPM != "" {
		return attest.TPM(a.TPM), nil
	}
	if a.Root == "" {
		return nil, nil
	}
	return attest.TPMOf(durable.OS{}, a.Root)
}

// device is what there is to state.
func (a attestedFiles) device(ctx context.Context) (d attest.Device, err error) {
	if a.Root != "" {
		if d, err = attest.Look(durable.OS{}, a.Root); err != nil {
			return d, hint{err, "is --root the folder that plomb-boot init made?"}
		}
	}
	d.Version = version()
	if d.Program, err = programHash(); err != nil {
		return d, err
	}
	d.Journals, err = a.heads(ctx)
	return d, err
}

// programHash is SHA-256 of the program that runs.
func programHash() ([]byte, error) {
	name, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	return h.Sum(nil), nil
}

// heads are those of all epochs.
func (a attestedFiles) heads(ctx context.Context) (heads []attest.Head, err error) {
	epochs, err := a.epochs()
	if err != nil {
		return nil, err
	}
	for _, n := range epochs {
		j, err := journal.OpenReadOnly(a.epochDir(n), journal.ReadOptions{})
		if err != nil {
			return nil, err
		}
		tree, err := j.Tree(ctx)
		if err != nil {
			return nil, hint{err, "plomb journal verify says what is wrong"}
		}
		root, err := tree.Root(tree.Size())
		if err != nil {
			return nil, err
		}
		heads = append(heads, attest.Head{Origin: j.Origin(), Size: tree.Size(), Root: root[:]})
	}
	return heads, nil
}

// answer makes a statement.
func (a attestedFiles) answer(ctx context.Context, c attest.Challenge, key crypto.Signer) ([]byte, error) {
	d, err := a.device(ctx)
	if err != nil {
		return nil, err
	}
	quoter, err := a.quoter()
	if err != nil {
		return nil, err
	}
	return attest.Sign(attest.Claims{Nonce: c.Nonce, IssuedAt: time.Now().Unix(), Device: d}, key, quoter)
}

type attestEnrol struct {
	attestedFiles
	Out string `required:"" type:"path" help:"File to write."`
}

// Help says when it is worth something.
func (attestEnrol) Help() string {
	return `To be done while the device is trusted, as when it is commissioned: whoever holds
the file takes for the device whatever has these keys. It holds no secret.`
}

func (c attestEnrol) Run(ctx context.Context, s streams) error {
	box, err := c.box()
	if err != nil {
		return err
	}
	key, err := box.EnrolAttester()
	if err != nil {
		return err
	}
	challenge := attest.NewChallenge(time.Now(), time.Minute)
	statement, err := c.answer(ctx, challenge, key)
	if err != nil {
		return err
	}
	e, err := attest.Enrol(statement, key.Public(), challenge)
	if err != nil {
		return err
	}
	if err := putJSON(c.Out, e); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "plomb: this device is %x\n", e.UEID)
	return nil
}

type attestChallenge struct {
	Out      string        `required:"" type:"path" help:"File to write."`
	Patience time.Duration `default:"5m" help:"How long the answer may take."`
}

func (c attestChallenge) Run() error {
	return putJSON(c.Out, attest.NewChallenge(time.Now(), c.Patience))
}

type attestMake struct {
	attestedFiles
	Challenge string `required:"" type:"existingfile" help:"The question, from plomb attest challenge."`
	Out       string `required:"" type:"path" help:"File to write the statement to."`
}

func (c attestMake) Run(ctx context.Context) error {
	challenge, err := readJSON[attest.Challenge](c.Challenge)
	if err != nil {
		return err
	}
	box, err := c.box()
	if err != nil {
		return err
	}
	var key ed25519.PrivateKey
	if key, err = box.Attester(); err != nil {
		return hint{err, "plomb attest enrol makes the device known first"}
	}
	statement, err := c.answer(ctx, challenge, key)
	if err != nil {
		return err
	}
	return durable.Replace(durable.OS{}, c.Out, statement)
}

type attestVerify struct {
	Statement string   `arg:"" type:"existingfile" help:"What the device answered."`
	Enrolment string   `required:"" type:"existingfile" help:"The device's keys, from plomb attest enrol."`
	Challenge string   `required:"" type:"existingfile" help:"The question that was asked; it must come from whoever asked."`
	Manifest  []string `type:"existingfile" help:"Manifest of a release that may run."`
	Seen      string   `type:"path" help:"What the device said before; written anew."`
	JSON      bool     `name:"json" help:"One JSON object on standard output."`
}

// attestResult is what was found.
type attestResult struct {
	OK       bool           `json:"ok"`
	Error    string         `json:"error,omitzero"`
	Identity string         `json:"identity,omitzero"` // UEID, hexadecimal
	Active   string         `json:"active,omitzero"`
	Slots    []attestedSlot `json:"slots,omitempty"`
	Floors   attest.Floors  `json:"floors,omitzero"`
	Program  string         `json:"program,omitzero"`
	Version  string         `json:"version,omitzero"`
	Journals []attestedHead `json:"journals,omitempty"`
	TPM      bool           `json:"tpm"`
	PCRs     string         `json:"pcrs,omitzero"`
}

type attestedSlot struct {
	Name     string   `json:"name"`
	Identity string   `json:"identity,omitzero"`
	Scope    string   `json:"scope,omitzero"`
	Counter  uint64   `json:"counter,omitzero"`
	Manifest string   `json:"manifest,omitzero"`
	Signers  []string `json:"signers,omitempty"`
	Error    string   `json:"error,omitzero"`
}

type attestedHead struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
}

func (c attestVerify) Run(s streams) error {
	report, err := c.verify()
	if c.JSON {
		return errors.Join(writeLine(s.Out, attestResultOf(report, err)), err)
	}
	if err != nil {
		return err
	}
	r := attestResultOf(report, nil)
	fmt.Fprintf(s.Out, "device %s\n%s, program %s\n", r.Identity, r.Version, r.Program)
	for _, x := range r.Slots {
		fmt.Fprintf(s.Out, "slot %s: %s %s counter %d, manifest %s %s\n", x.Name, x.Identity, x.Scope, x.Counter, x.Manifest, x.Error)
	}
	for _, j := range r.Journals {
		fmt.Fprintf(s.Out, "journal %s: %d entries, root %s\n", j.Origin, j.Size, j.Root)
	}
	return nil
}

func (c attestVerify) verify() (*attest.Report, error) {
	statement, err := os.ReadFile(c.Statement)
	if err != nil {
		return nil, err
	}
	challenge, err := readJSON[attest.Challenge](c.Challenge)
	if err != nil {
		return nil, err
	}
	var v attest.Verifier
	if v.Enrolment, err = readJSON[attest.Enrolment](c.Enrolment); err != nil {
		return nil, err
	}
	for _, name := range c.Manifest {
		encoded, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		v.Releases = append(v.Releases, encoded)
	}
	return c.judge(v, statement, challenge)
}

// judge verifies, and keeps what was seen.
func (c attestVerify) judge(v attest.Verifier, statement []byte, challenge attest.Challenge) (*attest.Report, error) {
	if c.Seen == "" {
		return v.Verify(statement, challenge, attest.Seen{})
	}
	seen, err := readJSON[attest.Seen](c.Seen)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	r, err := v.Verify(statement, challenge, seen)
	if err != nil {
		return nil, err
	}
	return r, putJSON(c.Seen, r.Seen)
}

func attestResultOf(r *attest.Report, err error) attestResult {
	if err != nil {
		return attestResult{Error: err.Error()}
	}
	d := r.Claims.Device
	out := attestResult{
		OK: true, Identity: hex.EncodeToString(r.Claims.UEID), Active: d.Active, Floors: d.Floors, Program: hex.EncodeToString(d.Program),
		Version: d.Version, TPM: r.Claims.Quote != nil, PCRs: hex.EncodeToString(r.PCRs),
	}
	for _, x := range d.Slots {
		out.Slots = append(out.Slots, attestedSlot{x.Name, x.Identity, x.Scope, x.Counter, hex.EncodeToString(x.Manifest), x.Signers, x.Error})
	}
	for _, h := range d.Journals {
		out.Journals = append(out.Journals, attestedHead{h.Origin, h.Size, hex.EncodeToString(h.Root)})
	}
	return out
}

// readJSON reads a small file strictly.
func readJSON[T any](name string) (v T, err error) {
	text, err := durable.ReadFile(durable.OS{}, name, manifest.MaxBytes)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v, json.RejectUnknownMembers(true)); err != nil {
		return v, fmt.Errorf("read %s: %w", name, err)
	}
	return v, nil
}

// putJSON puts a small file in place whole.
func putJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return durable.Replace(durable.OS{}, name, append(text, '\n'))
}
