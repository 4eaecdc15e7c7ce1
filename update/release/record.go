package release

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Entry is one signed line of a record.
type Entry struct {
	Seq      uint64          `json:"seq"`      // from 1
	Previous manifest.Digest `json:"previous"` // SHA-256 of the note before; zero for the first
	At       time.Time       `json:"at"`
	Step     string          `json:"step"`
	By       string          `json:"by"` // party
	Subject  string          `json:"subject,omitempty"`
	Digests  []digestName    `json:"digests,omitempty"`
	Remark   string          `json:"remark,omitempty"`
}

// digest is the digest that the entry binds under a name.
func (e *Entry) digest(name string) (manifest.Digest, bool) {
	i := slices.IndexFunc(e.Digests, func(d digestName) bool { return d.Name == name })
	if i < 0 {
		return manifest.Digest{}, false
	}
	return e.Digests[i].SHA256, true
}

// recordHead is the first line of an entry's note; a JSON line follows.
const recordHead = "plomb-record/1\n"

// maxEntries of one record.
const maxEntries = 1 << 20

// record is an append-only folder of signed notes, chained by hash, one file an entry.
type record struct {
	Entries []Entry

	fsys durable.FS
	dir  string
	head manifest.Digest // of the last note
}

// openRecord reads a record and checks numbers, chain and signatures. Each entry has
// to be signed by the threshold of one of the parties, under the name it gives. A
// missing folder is an empty record.
func openRecord(fsys durable.FS, dir string, parties ...manifest.Signers) (*record, error) {
	r := &record{fsys: fsys, dir: dir}
	names, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open record: %w", err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return strings.HasSuffix(n, durable.TempSuffix) })
	if len(names) > maxEntries {
		return nil, fmt.Errorf("open record: %d entries", len(names))
	}
	for _, name := range names {
		if err := r.read(name, parties); err != nil {
			return nil, fmt.Errorf("open record: entry %s: %w", name, err)
		}
	}
	return r, nil
}

// has says whether an entry of a step is about a subject.
func (r *record) has(step, subject string) bool {
	return slices.ContainsFunc(r.Entries, func(e Entry) bool { return e.Step == step && e.Subject == subject })
}

func entryName(seq uint64) string { return fmt.Sprintf("%06d", seq) }

func (r *record) read(name string, parties []manifest.Signers) error {
	signed, err := durable.ReadFile(r.fsys, r.dir+"/"+name, manifest.MaxDocument)
	if err != nil {
		return err
	}
	e, err := parseEntry(signed, parties)
	if err != nil {
		return err
	}
	seq := uint64(len(r.Entries) + 1)
	if e.Seq != seq || name != entryName(seq) || e.Previous != r.head {
		return fmt.Errorf("it does not follow entry %d: %w", seq-1, ErrTampered)
	}
	r.Entries, r.head = append(r.Entries, e), manifest.Sum(signed)
	return nil
}

func parseEntry(signed []byte, parties []manifest.Signers) (e Entry, err error) {
	var keys []note.Verifier
	for _, p := range parties {
		for _, k := range p.Keys {
			v, err := note.NewVerifier(k)
			if err != nil {
				return e, fmt.Errorf("key of %s: %w", p.Name, err)
			}
			if !slices.ContainsFunc(keys, func(o note.Verifier) bool { return o.Name() == v.Name() && o.KeyHash() == v.KeyHash() }) {
				keys = append(keys, v)
			}
		}
	}
	n, err := note.Open(signed, note.VerifierList(keys...))
	if err != nil {
		return e, fmt.Errorf("%w: %w", ErrTampered, err)
	}
	line, ok := strings.CutPrefix(n.Text, recordHead)
	if !ok {
		return e, fmt.Errorf("%w: not an entry of a record", ErrFormat)
	}
	if err := json.Unmarshal([]byte(line), &e, json.RejectUnknownMembers(true)); err != nil {
		return e, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !slices.ContainsFunc(parties, func(p manifest.Signers) bool { return p.Name == e.By && met(p, n.Sigs) }) {
		return e, fmt.Errorf("not signed by %s: %w", e.By, ErrTampered)
	}
	return e, nil
}

// met says whether enough different keys of a party are among the verified
// signatures.
func met(p manifest.Signers, sigs []note.Signature) bool {
	seen := map[uint32]bool{}
	for _, k := range p.Keys {
		v, err := note.NewVerifier(k)
		if err == nil && slices.ContainsFunc(sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() }) {
			seen[v.KeyHash()] = true
		}
	}
	return len(seen) >= p.Threshold
}

// append signs an entry and makes it durable.
func (r *record) append(e Entry, signers []note.Signer) error {
	e.Seq, e.Previous, e.At = uint64(len(r.Entries)+1), r.head, e.At.UTC().Truncate(time.Second)
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: recordHead + string(line) + "\n"}, signers...)
	if err != nil {
		return fmt.Errorf("sign entry %d: %w", e.Seq, err)
	}
	if err := mkdirs(r.fsys, r.dir); err != nil {
		return err
	}
	if err := durable.Replace(r.fsys, r.dir+"/"+entryName(e.Seq), signed); err != nil {
		return err
	}
	r.Entries, r.head = append(r.Entries, e), manifest.Sum(signed)
	return nil
}
