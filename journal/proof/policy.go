package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

const (
	maxPolicy      = 1 << 20 // bytes
	maxPolicyNames = 4096    // logs, witnesses and groups together
	quorumNone     = "none"
)

// ErrQuorum says that a checkpoint is signed by its log, but not by as many
// witnesses as the policy asks for.
var ErrQuorum = errors.New("quorum of witnesses not met")

// Policy says which logs and witnesses are trusted: c2sp.org/tlog-policy. It is
// the root of trust, so it must reach the verifier by another way than the
// data. Immutable after parsing.
type Policy struct {
	logs      note.Verifiers
	logKeys   []*Verifier
	witnesses []policyWitness
	groups    []policyGroup
	quorum    string
	members   map[string]bool // names defined so far; true once listed as a member
	keys      map[string]bool // "log" or "witness" and public key, for duplicates
}

type policyWitness struct {
	name string
	key  *Verifier // nil: an algorithm that we cannot check; it never counts
}

type policyGroup struct {
	name    string
	need    int
	members []string
}

// Endorsement is who stands behind a checkpoint, as far as a policy knows them.
type Endorsement struct {
	Checkpoint Checkpoint
	Log        *Verifier // the log's key
	Witnesses  []Cosignature
}

// Cosignature is a witness's verified statement.
type Cosignature struct {
	Witness string // as the policy calls it
	Key     *Verifier
	Seconds uint64 // since 1970, as the witness says
}

// ParsePolicy parses a policy file. Whatever the specification forbids is an
// error with the line's number: undefined names, a name that is a member
// twice, a key listed twice, no quorum line or two. Witnesses with a key of
// type 0x06 (ML-DSA-44), which this package cannot check, are accepted and
// never counted. Errors wrap ErrFormat.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > maxPolicy || !policyOctets(text) {
		return nil, fmt.Errorf("parse policy: %w: size or control characters", ErrFormat)
	}
	p := &Policy{members: map[string]bool{}, keys: map[string]bool{}}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if err := p.addLine(policyFields(string(line))); err != nil {
			return nil, fmt.Errorf("parse policy: line %d: %w", n, err)
		}
	}
	if p.quorum == "" {
		return nil, fmt.Errorf("parse policy: %w: no quorum line", ErrFormat)
	}
	p.logs = verifierList(p.logKeys)
	return p, nil
}

// policyOctets: only tab and newline as control characters; lines end in a newline.
func policyOctets(text []byte) bool {
	for _, b := range text {
		if b < 0x20 && b != '\t' && b != '\n' || b == 0x7f {
			return false
		}
	}
	return len(text) == 0 || text[len(text)-1] == '\n'
}

func policyFields(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
}

func verifierList(keys []*Verifier) note.Verifiers {
	list := make([]note.Verifier, len(keys))
	for i, k := range keys {
		list[i] = k
	}
	return note.VerifierList(list...)
}

func (p *Policy) addLine(f []string) error {
	if len(f) == 0 || strings.HasPrefix(f[0], "#") {
		return nil
	}
	if len(p.members)+len(p.logKeys) > maxPolicyNames {
		return fmt.Errorf("%w: more than %d names", ErrFormat, maxPolicyNames)
	}
	switch {
	case f[0] == "log" && (len(f) == 2 || len(f) == 3):
		return p.addLog(f[1])
	case f[0] == "witness" && (len(f) == 3 || len(f) == 4):
		return p.addWitness(f[1], f[2])
	case f[0] == "group" && len(f) >= 4:
		return p.addGroup(f[1], f[2], f[3:])
	case f[0] == "quorum" && len(f) == 2:
		return p.setQuorum(f[1])
	}
	return fmt.Errorf("%w: %q", ErrFormat, strings.Join(f, " "))
}

func (p *Policy) addLog(s string) error {
	k, err := ParseVerifier(s)
	if err != nil {
		return err
	}
	if k.alg != algEd25519 {
		return fmt.Errorf("%w: log key of type %#02x", ErrFormat, k.alg)
	}
	p.logKeys = append(p.logKeys, k)
	return p.claimKey("log", k.pub)
}

func (p *Policy) addWitness(name, s string) error {
	k, err := parseVkey(s)
	if err != nil {
		return err
	}
	w := policyWitness{name: name}
	switch k.alg {
	case algMLDSA44:
	case algCosignature:
		if w.key, err = newVerifier(k.name, k.alg, k.pub); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%w: witness key of type %#02x", ErrFormat, k.alg)
	}
	p.witnesses = append(p.witnesses, w)
	if err := p.claimKey("witness", k.pub); err != nil {
		return err
	}
	return p.claimName(name)
}

func (p *Policy) addGroup(name, need string, members []string) error {
	g := policyGroup{name: name, members: members}
	switch need {
	case "all":
		g.need = len(members)
	case "any":
		g.need = 1
	default:
		k, err := strconv.ParseUint(need, 10, 16)
		if err != nil || k < 1 || k > uint64(len(members)) {
			return fmt.Errorf("%w: threshold %q of %d", ErrFormat, need, len(members))
		}
		g.need = int(k)
	}
	for _, m := range members {
		if used, ok := p.members[m]; !ok || used {
			return fmt.Errorf("%w: member %q is undefined or a member already", ErrFormat, m)
		}
		p.members[m] = true
	}
	p.groups = append(p.groups, g)
	return p.claimName(name)
}

func (p *Policy) setQuorum(name string) error {
	_, ok := p.members[name]
	if p.quorum != "" || !ok && name != quorumNone {
		return fmt.Errorf("%w: quorum %q", ErrFormat, name)
	}
	p.quorum = name
	return nil
}

func (p *Policy) claimName(name string) error {
	if _, ok := p.members[name]; ok || name == quorumNone {
		return fmt.Errorf("%w: name %q is taken", ErrFormat, name)
	}
	p.members[name] = false
	return nil
}

func (p *Policy) claimKey(role string, pub []byte) error {
	id := role + string(pub)
	if p.keys[id] {
		return fmt.Errorf("%w: %s key is listed already", ErrFormat, role)
	}
	p.keys[id] = true
	return nil
}

// Logs are the keys of the listed logs, for OpenNote and Receipt.Verify.
func (p *Policy) Logs() note.Verifiers { return p.logs }

// LogKeys are the listed logs' keys in the order of the file.
func (p *Policy) LogKeys() []*Verifier { return append([]*Verifier(nil), p.logKeys...) }

// KnowsLog reports whether a log with this origin is listed.
func (p *Policy) KnowsLog(origin string) bool {
	for _, k := range p.logKeys {
		if k.name == origin {
			return true
		}
	}
	return false
}

// Verify checks a signed checkpoint: that a listed log signed it, that no
// signature by a key of the policy is wrong, and that the witnesses make up
// the quorum. Where only the quorum is missing the error wraps ErrQuorum and
// the Endorsement is returned beside it; with any other error it is nil.
func (p *Policy) Verify(signed []byte) (*Endorsement, error) {
	c, sigs, err := OpenNote(signed, policyKeys{p})
	if err != nil {
		return nil, err
	}
	e := &Endorsement{Checkpoint: c}
	for _, s := range sigs {
		e.add(p, s)
	}
	if e.Log == nil {
		return nil, fmt.Errorf("checkpoint of %s: %w", c.Origin, ErrUnknownKey)
	}
	if !p.met(e.Witnesses) {
		return e, fmt.Errorf("checkpoint of %s at %d: %w", c.Origin, c.Size, ErrQuorum)
	}
	return e, nil
}

// VerifyInclusion is Verify for the note in a proof, and the path from leaf.
func (p *Policy) VerifyInclusion(i *Inclusion, leaf [32]byte) (*Endorsement, error) {
	e, err := p.Verify(i.Note)
	if e == nil {
		return nil, err
	}
	if err := CheckInclusion(i.Path, e.Checkpoint, i.Index, leaf); err != nil {
		return nil, err
	}
	return e, err
}

func (e *Endorsement) add(p *Policy, s note.Signature) {
	for _, k := range p.logKeys {
		if k.name == s.Name && k.hash == s.Hash && k.name == e.Checkpoint.Origin {
			e.Log = k
		}
	}
	for _, w := range p.witnesses {
		if w.key != nil && w.key.name == s.Name && w.key.hash == s.Hash {
			e.Witnesses = append(e.Witnesses, Cosignature{Witness: w.name, Key: w.key, Seconds: noteSeconds(s)})
		}
	}
}

// noteSeconds is the time in a cosignature that has been verified.
func noteSeconds(s note.Signature) uint64 {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(raw) < 12 {
		return 0
	}
	return binary.BigEndian.Uint64(raw[4:])
}

// met computes the quorum bottom up: groups refer to earlier names only.
func (p *Policy) met(cosigned []Cosignature) bool {
	if p.quorum == quorumNone {
		return true
	}
	have := map[string]bool{}
	for _, c := range cosigned {
		have[c.Witness] = true
	}
	for _, g := range p.groups {
		n := 0
		for _, m := range g.members {
			if have[m] {
				n++
			}
		}
		have[g.name] = n >= g.need
	}
	return have[p.quorum]
}

// policyKeys looks keys up among logs and witnesses.
type policyKeys struct{ *Policy }

func (p policyKeys) Verifier(name string, hash uint32) (note.Verifier, error) {
	if v, err := p.logs.Verifier(name, hash); err == nil {
		return v, nil
	}
	for _, w := range p.witnesses {
		if w.key != nil && w.key.name == name && w.key.hash == hash {
			return w.key, nil
		}
	}
	return nil, &note.UnknownVerifierError{Name: name, KeyHash: hash}
}
