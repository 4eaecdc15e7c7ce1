package release

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/witness"
)

// Witness cosigns the log of releases after it has seen that the tree only grew
// (c2sp.org/tlog-witness). Cosign gets the signed checkpoint, the size that the
// witness saw last, and the proof from there; it returns a note with its signature
// line added.
type Witness interface {
	// Size is the size of the log that the witness saw last.
	Size(ctx context.Context, origin string) (uint64, error)
	Cosign(ctx context.Context, checkpoint []byte, old uint64, consistency tlog.TreeProof) ([]byte, error)
}

// maxLog bounds the log of releases that is read whole, in bytes of entries.
const maxLog = 64 << 20

// tileHeight is that of c2sp.org/tlog-tiles.
const tileHeight = 8

// releaseLog is the log in the maker's office, as c2sp.org/tlog-tiles: checkpoint,
// tile/L/N and tile/entries/N. It is small enough to be read whole: opening it
// computes the tree from its entries and compares it with the checkpoint.
type releaseLog struct {
	fsys    durable.FS
	dir     string
	origin  string
	entries [][]byte
	hashes  []tlog.Hash // stored hashes, see tlog.StoredHashIndex
	note    []byte      // the signed checkpoint
}

// ReadHashes implements tlog.HashReader.
func (l *releaseLog) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(l.hashes)) {
			return nil, fmt.Errorf("hash %d is not in the log", x)
		}
		out[i] = l.hashes[x]
	}
	return out, nil
}

func (l *releaseLog) size() uint64 { return uint64(len(l.entries)) }

func (l *releaseLog) root() (tlog.Hash, error) { return tlog.TreeHash(int64(l.size()), l) }

// openLog reads the log under its key; a missing folder is an empty log.
func openLog(fsys durable.FS, dir, key string) (*releaseLog, error) {
	v, err := proof.ParseVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &releaseLog{fsys: fsys, dir: dir, origin: v.Name()}
	l.note, err = durable.ReadFile(fsys, dir+"/checkpoint", maxMetadata)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	cp, _, err := proof.OpenNote(l.note, note.VerifierList(v))
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if err := l.read(cp); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return l, nil
}

// read takes cp.Size entries from the tiles.
func (l *releaseLog) read(cp proof.Checkpoint) error {
	total := 0
	for n := uint64(0); l.size() < cp.Size; n++ {
		width := min(cp.Size-l.size(), 1<<tileHeight)
		data, err := durable.ReadFile(l.fsys, l.dir+"/"+tilePath("entries", int64(n), int(width)), maxLog)
		if err != nil {
			return err
		}
		if total += len(data); total > maxLog {
			return fmt.Errorf("%w: more than %d bytes of entries", ErrFormat, maxLog)
		}
		for range width {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return fmt.Errorf("%w: tile %d is cut off", ErrFormat, n)
			}
			k := 2 + int(binary.BigEndian.Uint16(data))
			if err := l.grow(data[2:k]); err != nil {
				return err
			}
			data = data[k:]
		}
	}
	if root, err := l.root(); err != nil || root != cp.Root {
		return fmt.Errorf("its entries do not give its checkpoint: %w", errors.Join(ErrTampered, err))
	}
	return nil
}

// grow adds an entry in memory.
func (l *releaseLog) grow(entry []byte) error {
	if len(entry) == 0 || len(entry) > 1<<16-1 {
		return fmt.Errorf("%w: entry of %d bytes", ErrFormat, len(entry))
	}
	hashes, err := tlog.StoredHashes(int64(l.size()), entry, l)
	if err != nil {
		return err
	}
	l.entries, l.hashes = append(l.entries, slices.Clone(entry)), append(l.hashes, hashes...)
	return nil
}

// index is where an entry is, and whether it is there.
func (l *releaseLog) index(entry []byte) (int, bool) {
	i := slices.IndexFunc(l.entries, func(e []byte) bool { return string(e) == string(entry) })
	return i, i >= 0
}

// add appends the entries that are not there yet, writes tiles, and signs the
// checkpoint last; nothing happens when all are there.
func (l *releaseLog) add(entries [][]byte, signer note.Signer) error {
	old := l.size()
	for _, e := range entries {
		if _, ok := l.index(e); ok {
			continue
		}
		if err := l.grow(e); err != nil {
			return fmt.Errorf("add to the log: %w", err)
		}
	}
	if l.size() == old && l.note != nil {
		return nil
	}
	if err := l.writeTiles(old); err != nil {
		return fmt.Errorf("add to the log: %w", err)
	}
	root, err := l.root()
	if err != nil {
		return err
	}
	cp := proof.Checkpoint{Origin: l.origin, Size: l.size(), Root: root}
	if l.note, err = note.Sign(&note.Note{Text: string(cp.Text())}, signer); err != nil {
		return fmt.Errorf("sign the log's checkpoint: %w", err)
	}
	return durable.Replace(l.fsys, l.dir+"/checkpoint", l.note)
}

// writeTiles writes the tiles that changed since the log had old entries.
func (l *releaseLog) writeTiles(old uint64) error {
	for _, t := range tlog.NewTiles(tileHeight, int64(old), int64(l.size())) {
		data, err := tlog.ReadTileData(t, l)
		if err != nil {
			return err
		}
		if err := l.writeTile(tilePath(fmt.Sprint(t.L), t.N, t.W), data); err != nil {
			return err
		}
	}
	const full = 1 << tileHeight
	for n := old / full; n*full < l.size(); n++ {
		var data []byte
		end := min((n+1)*full, l.size())
		for _, e := range l.entries[n*full : end] {
			data = append(binary.BigEndian.AppendUint16(data, uint16(len(e))), e...)
		}
		if err := l.writeTile(tilePath("entries", int64(n), int(end-n*full)), data); err != nil {
			return err
		}
	}
	return nil
}

func (l *releaseLog) writeTile(name string, data []byte) error {
	if err := mkdirs(l.fsys, path.Dir(l.dir+"/"+name)); err != nil {
		return err
	}
	return durable.Replace(l.fsys, l.dir+"/"+name, data)
}

// tilePath is the path of a tile: groups of three digits, x before all but the last,
// and .p/W where it is not full.
func tilePath(level string, n int64, width int) string {
	name := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		name = fmt.Sprintf("x%03d/%s", n%1000, name)
	}
	if width < 1<<tileHeight {
		name += fmt.Sprintf(".p/%d", width)
	}
	return "tile/" + level + "/" + name
}

// cosign asks the witnesses for their signatures on the checkpoint.
func (l *releaseLog) cosign(ctx context.Context, witnesses []Witness) error {
	cp, _, err := proof.ParseNote(l.note)
	if err != nil {
		return err
	}
	for _, w := range witnesses {
		old, err := w.Size(ctx, l.origin)
		if err != nil {
			return fmt.Errorf("ask a witness: %w", err)
		}
		err = l.ask(ctx, w, cp.Size, old)
		var conflict *witness.ConflictError
		if errors.As(err, &conflict) {
			err = l.ask(ctx, w, cp.Size, conflict.Size) // once: now its size is known
		}
		if err != nil {
			return fmt.Errorf("ask a witness: %w", err)
		}
	}
	return durable.Replace(l.fsys, l.dir+"/checkpoint", l.note)
}

// ask asks one witness that has seen old entries.
func (l *releaseLog) ask(ctx context.Context, w Witness, size, old uint64) error {
	if old > size {
		return fmt.Errorf("it has seen %d entries of %s, and here are %d: %w", old, l.origin, size, ErrTampered)
	}
	p, err := proof.ProveConsistency(size, old, l)
	if err != nil {
		return err
	}
	signed, err := w.Cosign(ctx, l.note, old, p)
	if err != nil {
		return err
	}
	l.note = signed
	return nil
}

// prove makes the tlog-proof of an entry under the newest checkpoint.
func (l *releaseLog) prove(entry []byte) ([]byte, error) {
	i, ok := l.index(entry)
	if !ok {
		return nil, fmt.Errorf("the entry is not in the log: %w", fs.ErrNotExist)
	}
	p, err := proof.ProveInclusion(l.size(), uint64(i), l)
	if err != nil {
		return nil, err
	}
	return (&proof.Inclusion{Index: uint64(i), Path: p, Note: l.note}).Text(), nil
}

// OfficeWitness is an authority that cosigns with its own key, and remembers what it
// saw in its office.
type OfficeWitness struct {
	Office *Office
	LogKey string // of the log that it watches
	Now    func() time.Time
}

// saw is the file of what the witness saw last of a log.
func (w OfficeWitness) saw(origin string) string {
	return w.Office.path("witnessed", strings.ReplaceAll(origin, "/", "_"))
}

// Size implements Witness.
func (w OfficeWitness) Size(_ context.Context, origin string) (uint64, error) {
	cp, err := w.last(origin)
	return cp.Size, err
}

func (w OfficeWitness) last(origin string) (proof.Checkpoint, error) {
	text, err := durable.ReadFile(w.Office.disk, w.saw(origin), maxMetadata)
	if errors.Is(err, fs.ErrNotExist) {
		return proof.Checkpoint{Origin: origin, Root: tlog.Hash(manifest.Sum(nil))}, nil // the empty tree
	}
	if err != nil {
		return proof.Checkpoint{}, err
	}
	return proof.ParseCheckpoint(text)
}

// Latest implements witness.Store.
func (w OfficeWitness) Latest(origin string) (proof.Checkpoint, error) { return w.last(origin) }

// Keep implements witness.Store.
func (w OfficeWitness) Keep(cp proof.Checkpoint) error {
	if err := mkdirs(w.Office.disk, w.Office.path("witnessed")); err != nil {
		return err
	}
	return durable.Replace(w.Office.disk, w.saw(cp.Origin), cp.Text())
}

// Witness is the office as a witness that others ask over HTTP.
func (w OfficeWitness) Witness() (*witness.Witness, error) {
	v, err := proof.ParseVerifier(w.LogKey)
	if err != nil {
		return nil, err
	}
	return &witness.Witness{Logs: []*proof.Verifier{v}, Store: w, Cosign: w.sign}, nil
}

// Unlock opens the witness's key before the first request, so that a person is asked.
func (w OfficeWitness) Unlock() error {
	r := w.Office.Card.role(roleWitness)
	if r == nil {
		return fmt.Errorf("unlock: %s is no witness: %w", w.Office.Card.Name, ErrParty)
	}
	_, err := w.Office.secret(r.Keys[0])
	return err
}

// Cosign implements Witness. What it saw is durable before its signature leaves.
func (w OfficeWitness) Cosign(ctx context.Context, checkpoint []byte, old uint64, consistency tlog.TreeProof) ([]byte, error) {
	one, err := w.Witness()
	if err != nil {
		return nil, err
	}
	line, err := one.Add(ctx, witness.Request{Old: old, Proof: consistency, Checkpoint: checkpoint})
	if errors.Is(err, witness.ErrProof) {
		err = fmt.Errorf("%w: %w", ErrTampered, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	return slices.Concat(checkpoint, line), nil
}

func (w OfficeWitness) sign(cp proof.Checkpoint, checkpoint []byte) ([]byte, error) {
	r := w.Office.Card.role(roleWitness)
	if r == nil {
		return nil, fmt.Errorf("cosign: %s: %w", w.Office.Card.Name, ErrParty)
	}
	seed, err := w.Office.secret(r.Keys[0])
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	c, err := proof.NewCosigner(w.Office.Card.Name+"/witness", ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return nil, err
	}
	sig, err := c.Sign(cp, uint64(w.Now().Unix()))
	if err != nil {
		return nil, err
	}
	return proof.AddSignature(checkpoint, c.Verifier().Name(), c.Verifier().KeyHash(), sig)[len(checkpoint):], nil
}
