package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal/proof"
)

// forgery is a journal as an attacker writes one: every entry, group, number and
// signature as he likes, and every checksum, root and frontier right for what he
// wrote. It is written by the design paper, not by the package's own writer.
type forgery struct {
	origin  string
	segment uint32
	groups  []forgedGroup
	next    uint32 // number of the next segment file
}

type forgedGroup struct {
	entries    []forgedEntry
	signatures []signatureRecord
	breakAfter bool   // the next group begins a new segment
	before     uint64 // if not 0: tree size that the commit claims, instead of the true one
}

type forgedEntry struct {
	leaf   tlog.Hash
	sealed []byte // month, session salt, sealed bytes
	head   []byte
	body   []byte
	salt   [16]byte
}

const (
	forgeOrigin = "shop.example/till1/e1"
	forgeMonth  = 202611
)

var (
	forgeKey  = [32]byte{1, 2, 3}
	forgeSalt = [16]byte{9}
	forgeTime = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).UnixMilli()
)

type forgeMonths map[uint32][32]byte

func (m forgeMonths) Month(_ context.Context, yyyymm uint32) ([32]byte, error) {
	if k, ok := m[yyyymm]; ok {
		return k, nil
	}
	return [32]byte{}, ErrErased
}

func forgeSigner(t testing.TB, key byte) *proof.Ed25519Signer {
	t.Helper()
	s, err := proof.NewEd25519Signer(forgeOrigin, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{key}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func forgePolicy(t testing.TB, key byte) *proof.Policy {
	t.Helper()
	p, err := proof.ParsePolicy([]byte("log " + forgeSigner(t, key).Verifier().String() + "\nquorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// entry seals an entry for an index.
func (f *forgery) entry(t testing.TB, index uint64, ms int64, body string) forgedEntry {
	t.Helper()
	e := forgedEntry{body: []byte(body), salt: [16]byte{byte(index), 7}}
	h := proof.Head{
		Index: index, Time: ms, Kind: 1, Origin: f.origin, Body: proof.Commit(e.salt, e.body), BodyLen: uint32(len(body)),
		Numbers: []proof.Number{{Tag: 1, Value: int64(index) * 100}},
	}
	head, err := h.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	e.head, e.leaf = head, proof.LeafHash(head)
	return e.seal(t, f.origin, index)
}

// seal seals head and body as they are now.
func (e forgedEntry) seal(t testing.TB, origin string, index uint64) forgedEntry {
	t.Helper()
	frame, err := newFrame(forgeKey, forgeSalt)
	if err != nil {
		t.Fatal(err)
	}
	var nonce [12]byte
	binary.BigEndian.PutUint64(nonce[4:], index)
	plain := binary.BigEndian.AppendUint16(nil, uint16(len(e.head)))
	plain = append(append(append(plain, e.head...), e.salt[:]...), e.body...)
	e.sealed = append(binary.BigEndian.AppendUint32(nil, forgeMonth), forgeSalt[:]...)
	e.sealed = frame.Seal(e.sealed, nonce[:], plain, []byte(origin))
	return e
}

// honest is a journal of groups of 1 to 3 entries with a receipt signature for
// each entry in the next group, in segments of 8 KiB.
func honest(t testing.TB, entries int) *forgery {
	t.Helper()
	f := &forgery{origin: forgeOrigin, segment: minSegment, next: 1}
	signer, tree := forgeSigner(t, 1), new(proof.Frontier)
	var due []signatureRecord
	for n := 0; n < entries; {
		g := forgedGroup{signatures: due}
		due = nil
		for range 1 + n%3 {
			e := f.entry(t, uint64(n), forgeTime+int64(n), fmt.Sprintf(`{"sale":%d}`, n))
			tree.Append(e.leaf)
			due = append(due, signTree(t, signer, tree, &e.leaf))
			g.entries = append(g.entries, e)
			n++
		}
		f.groups = append(f.groups, g)
	}
	f.groups = append(f.groups, forgedGroup{signatures: due})
	return f
}

func signTree(t testing.TB, s *proof.Ed25519Signer, tree *proof.Frontier, leaf *tlog.Hash) signatureRecord {
	t.Helper()
	c := proof.Checkpoint{Origin: forgeOrigin, Size: tree.Size(), Root: tree.Root(), Leaf: leaf}
	sig, err := s.Sign(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return signatureRecord{Size: c.Size, KeyHash: s.KeyHash(), Leaf: leaf != nil, Root: c.Root, Sig: sig}
}

// write writes the journal into directory j of a new disk.
func (f *forgery) write(t testing.TB) *powercut.Disk {
	t.Helper()
	d := powercut.New()
	if err := d.Mkdir("j"); err != nil {
		t.Fatal(err)
	}
	m := manifest{Origin: f.origin, Created: time.UnixMilli(forgeTime), Segment: f.segment}
	put(t, d, manifestName, m.text())
	w := forgeWriter{f: f, number: f.next}
	for i := range f.groups {
		w.group(t, d, &f.groups[i])
	}
	w.flush(t, d)
	put(t, d, segmentName(w.number+1), make([]byte, f.segment)) // the next one stands ready
	return d
}

func put(t testing.TB, d *powercut.Disk, name string, data []byte) {
	t.Helper()
	if err := d.WriteFile(path.Join("j", name), data); err != nil {
		t.Fatal(err)
	}
}

// forgeWriter lays groups out in segments.
type forgeWriter struct {
	f      *forgery
	number uint32
	buf    []byte
	tree   proof.Frontier
}

func (w *forgeWriter) flush(t testing.TB, d *powercut.Disk) {
	put(t, d, segmentName(w.number), append(w.buf, make([]byte, int(w.f.segment)-len(w.buf))...))
}

func (w *forgeWriter) group(t testing.TB, d *powercut.Disk, g *forgedGroup) {
	tree := w.tree
	b := w.bytes(g)
	if len(w.buf) > 0 && (len(w.buf)+len(b) > int(w.f.segment) || g.breakAfter) {
		w.flush(t, d)
		w.number, w.buf, w.tree = w.number+1, nil, tree
		b = w.bytes(g)
	}
	w.buf = append(w.buf, b...)
}

func (w *forgeWriter) bytes(g *forgedGroup) (b []byte) {
	start := uint32(len(w.buf))
	record := func(typ recordType, index uint64, payload []byte) {
		at := len(b)
		b = closeRecord(append(openRecord(b), payload...), at, typ, 0, index, w.number, start+uint32(at))
	}
	if start == 0 {
		info := segmentInfo{Origin: w.f.origin, Size: w.tree.Size(), Frontier: w.tree.Hashes()}
		record(recordSegment, info.Size, info.append(nil))
	}
	before := w.tree.Size()
	if g.before != 0 {
		before = g.before
	}
	c := commitRecord{Before: before, Start: start, Salt: forgeSalt}
	for i, e := range g.entries {
		record(recordEntry, before+uint64(i), e.sealed)
		w.tree.Append(e.leaf)
		c.Leaves = append(c.Leaves, e.leaf[:]...)
	}
	for _, s := range g.signatures {
		record(recordSignature, s.Size, s.append(nil))
	}
	c.Checksum, c.Root = crc32.Checksum(b, castagnoli), w.tree.Root()
	record(recordCommit, before+uint64(len(g.entries)), c.append(nil))
	return appendPadding(b, len(b), sector)
}

// at finds an entry's group and place.
func (f *forgery) at(index int) (*forgedGroup, int) {
	for i := range f.groups {
		if n := len(f.groups[i].entries); index < n {
			return &f.groups[i], index
		} else {
			index -= n
		}
	}
	return nil, 0
}

func (f *forgery) entries() (all []forgedEntry) {
	for _, g := range f.groups {
		all = append(all, g.entries...)
	}
	return all
}

// root is the tree's root at a size.
func (f *forgery) checkpoint(size int) proof.Checkpoint {
	tree := new(proof.Frontier)
	for _, e := range f.entries()[:size] {
		tree.Append(e.leaf)
	}
	return proof.Checkpoint{Origin: f.origin, Size: uint64(size), Root: tree.Root()}
}

func verifyDisk(t testing.TB, d *powercut.Disk, opts VerifyOptions) *Report {
	t.Helper()
	opts.FS = d
	r, err := Verify(context.Background(), "j", opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func withKeys(t testing.TB) VerifyOptions {
	return VerifyOptions{Keys: forgeMonths{forgeMonth: forgeKey}, Policy: forgePolicy(t, 1)}
}

// Requirement: POS-08
func TestAWholeJournalVerifies(t *testing.T) {
	const n = 100
	f := honest(t, n)
	d := f.write(t)
	want := f.checkpoint(len(f.entries()))
	for name, opts := range map[string]VerifyOptions{
		"with everything": withKeys(t), "without keys": {Policy: forgePolicy(t, 1)}, "without policy": {Keys: forgeMonths{forgeMonth: forgeKey}},
		"one worker":   {Keys: forgeMonths{forgeMonth: forgeKey}, Policy: forgePolicy(t, 1), Workers: 1},
		"month erased": {Keys: forgeMonths{}, Policy: forgePolicy(t, 1)},
	} {
		for size := range 3 {
			opts.Checkpoints = append(opts.Checkpoints, f.checkpoint(size*40))
		}
		r := verifyDisk(t, d, opts)
		if !r.Consistent() || r.Origin != forgeOrigin || r.Size != want.Size || r.Root != want.Root || r.Torn {
			t.Errorf("%s: %+v", name, r)
		}
		if got := r.OriginChecked(); got != (opts.Policy != nil) {
			t.Errorf("%s: origin checked: %t", name, got)
		}
		if m, ok := opts.Keys.(forgeMonths); ok && (r.Contents != uint64(len(m))*r.Size || r.Erased != r.Size-r.Contents) {
			t.Errorf("%s: %d contents checked, %d erased, of %d", name, r.Contents, r.Erased, r.Size)
		}
		if opts.Policy != nil && r.Signatures != r.Size || opts.Policy == nil && r.Unchecked != r.Size {
			t.Errorf("%s: %d signatures checked, %d not, of %d", name, r.Signatures, r.Unchecked, r.Size)
		}
	}
}

// Requirement: POS-08
// Every attacker rewrites the files with right checksums, roots and frontiers.
// With the month's keys he can also seal; the signing key he never has.
func TestForgeriesAreFound(t *testing.T) {
	const n, victim = 60, 31
	reseal := func(f *forgery, i int, change func(*proof.Head, *forgedEntry)) {
		g, k := f.at(i)
		e := &g.entries[k]
		h, err := proof.ParseHead(e.head)
		if err != nil {
			t.Fatal(err)
		}
		change(h, e)
		if e.head, err = h.AppendBinary(nil); err != nil {
			t.Fatal(err)
		}
		*e = e.seal(t, f.origin, uint64(i))
	}
	renumber := func(f *forgery) { // after an insertion or deletion, by somebody with the month's keys
		for i, e := range f.entries() {
			reseal(f, i, func(h *proof.Head, _ *forgedEntry) { h.Index = uint64(i) })
			g, k := f.at(i)
			g.entries[k].leaf = proof.LeafHash(g.entries[k].head)
			_ = e
		}
	}
	for _, row := range []struct {
		name    string
		attack  func(f *forgery)
		keys    What // found with keys; "": nothing
		noKeys  What // found without
		near    uint64
		unsaved bool // the origin of the tail is not checked any more
	}{
		{name: "one byte of sealed content", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries[k].sealed[40] ^= 1
		}, keys: WhatSealed, noKeys: "", near: victim},
		{name: "the session salt of an entry", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries[k].sealed[7] ^= 1
		}, keys: WhatSealed, noKeys: "", near: victim},
		{name: "another amount in the head, leaf hash as it was", attack: func(f *forgery) {
			reseal(f, victim, func(h *proof.Head, _ *forgedEntry) { h.Numbers[0].Value = 1 })
		}, keys: WhatLeaf, noKeys: "", near: victim},
		{name: "another amount in the head, leaf hash and roots to match", attack: func(f *forgery) {
			reseal(f, victim, func(h *proof.Head, _ *forgedEntry) { h.Numbers[0].Value = 1 })
			g, k := f.at(victim)
			g.entries[k].leaf = proof.LeafHash(g.entries[k].head)
		}, keys: WhatSignature, noKeys: WhatSignature, near: victim},
		{name: "another leaf hash", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries[k].leaf[5] ^= 1
		}, keys: WhatLeaf, noKeys: WhatSignature, near: victim},
		{name: "another body", attack: func(f *forgery) {
			reseal(f, victim, func(_ *proof.Head, e *forgedEntry) { e.body = []byte(`{"sale":-1}`) })
		}, keys: WhatBody, noKeys: "", near: victim},
		{name: "the head of another journal", attack: func(f *forgery) {
			reseal(f, victim, func(h *proof.Head, _ *forgedEntry) { h.Origin = "shop.example/till2/e1" })
		}, keys: WhatHead, noKeys: "", near: victim},
		{name: "a clock set back", attack: func(f *forgery) {
			reseal(f, victim, func(h *proof.Head, _ *forgedEntry) { h.Time -= 5000 })
		}, keys: WhatTime, noKeys: "", near: victim},
		{name: "an entry deleted, the others renumbered", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries = slices.Delete(g.entries, k, k+1)
			renumber(f)
		}, keys: WhatSignature, noKeys: WhatSignature, near: victim},
		{name: "an entry deleted, the others moved up as they are", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries = slices.Delete(g.entries, k, k+1)
		}, keys: WhatSealed, noKeys: WhatSignature, near: victim},
		{name: "a group deleted, the others as they are", attack: func(f *forgery) {
			at := uint64(0)
			for i := range f.groups {
				f.groups[i].before = at
				at += uint64(len(f.groups[i].entries))
			}
			f.groups = slices.Delete(f.groups, 10, 11)
		}, keys: WhatMissing, noKeys: WhatMissing, near: 15},
		{name: "a group twice", attack: func(f *forgery) {
			at := uint64(0)
			for i := range f.groups {
				f.groups[i].before = at
				at += uint64(len(f.groups[i].entries))
			}
			f.groups = slices.Insert(f.groups, 10, f.groups[9])
		}, keys: WhatRepeated, noKeys: WhatRepeated, near: 13},
		{name: "an entry inserted, the others renumbered", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries = slices.Insert(g.entries, k, f.entry(t, victim, forgeTime+victim, "{}"))
			renumber(f)
		}, keys: WhatSignature, noKeys: WhatSignature, near: victim},
		{name: "two entries swapped", attack: func(f *forgery) {
			a, i := f.at(victim)
			b, k := f.at(victim + 9)
			a.entries[i], b.entries[k] = b.entries[k], a.entries[i]
		}, keys: WhatSealed, noKeys: WhatSignature, near: victim},
		{name: "another record beside a valid receipt signature", attack: func(f *forgery) {
			g, k := f.at(victim)
			g.entries[k] = f.entry(t, victim, forgeTime+victim, `{"sale":"free"}`)
		}, keys: WhatSignature, noKeys: WhatSignature, near: victim},
		{name: "a signature's last byte", attack: func(f *forgery) {
			g := &f.groups[10]
			s := &g.signatures[0]
			s.Sig = slices.Clone(s.Sig)
			s.Sig[63] ^= 1
		}, keys: WhatSignature, noKeys: WhatSignature, near: 13},
		{name: "signatures by another key", attack: func(f *forgery) {
			signer, tree := forgeSigner(t, 2), new(proof.Frontier)
			var due []signatureRecord
			for i := range f.groups {
				f.groups[i].signatures = due
				due = nil
				for _, e := range f.groups[i].entries {
					tree.Append(e.leaf)
					due = append(due, signTree(t, signer, tree, &e.leaf))
				}
			}
		}, keys: WhatKey, noKeys: WhatKey, near: 0, unsaved: true},
		{name: "history rewritten, signatures dropped", attack: func(f *forgery) {
			for i := range f.groups {
				f.groups[i].signatures = nil
			}
			g, k := f.at(18)
			g.entries[k] = f.entry(t, 18, forgeTime+18, "{}")
		}, unsaved: true},
		{name: "tail rewritten, its signatures dropped", attack: func(f *forgery) {
			for i := range f.groups[20:] {
				f.groups[20+i].signatures = nil
			}
			g, k := f.at(50)
			g.entries[k] = f.entry(t, 50, forgeTime+50, "{}")
		}, unsaved: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := honest(t, n)
			row.attack(f)
			d := f.write(t)
			keyed := withKeys(t)
			expect(t, "with keys", verifyDisk(t, d, keyed), row.keys, row.near, row.unsaved)
			keyed.Keys = nil
			expect(t, "without keys", verifyDisk(t, d, keyed), row.noKeys, row.near, row.unsaved)
		})
	}
}

func expect(t *testing.T, how string, r *Report, want What, near uint64, unsaved bool) {
	t.Helper()
	if unsaved == r.OriginChecked() && r.Consistent() {
		t.Errorf("%s: origin checked: %t", how, r.OriginChecked())
	}
	if want == "" {
		if !r.Consistent() {
			t.Errorf("%s: %v, want nothing (the design paper says so)", how, r.Findings)
		}
		return
	}
	for _, f := range r.Findings {
		if f.What == want && f.Index >= near && f.Index <= near+3 {
			return
		}
	}
	t.Errorf("%s: found %v, want %s at %d", how, r.Findings, want, near)
}

// Requirement: FM-05
func TestCheckpointsFromElsewhereTellWhatIsGone(t *testing.T) {
	whole := honest(t, 60)
	rewritten := honest(t, 60)
	for i := range rewritten.groups {
		rewritten.groups[i].signatures = nil
	}
	g, k := rewritten.at(8)
	g.entries[k] = rewritten.entry(t, 8, forgeTime+8, "{}")
	older := honest(t, 60)
	older.groups = older.groups[:12]
	foreign := whole.checkpoint(20)
	foreign.Origin = "shop.example/till2/e1"
	beyond := whole.checkpoint(60)
	beyond.Size = 1000
	for _, row := range []struct {
		name   string
		of     *forgery
		points []proof.Checkpoint
		want   What
		index  uint64
	}{
		{"an older copy against a newer checkpoint", older, []proof.Checkpoint{whole.checkpoint(60)}, WhatTruncated, 18},
		{"an older copy against an older checkpoint too", older, []proof.Checkpoint{whole.checkpoint(60), whole.checkpoint(10)}, WhatTruncated, 18},
		{"rewritten history", rewritten, []proof.Checkpoint{whole.checkpoint(5), whole.checkpoint(20)}, WhatFork, 20},
		{"rewritten within a group", rewritten, []proof.Checkpoint{whole.checkpoint(9)}, WhatFork, 9},
		{"another till's checkpoint", whole, []proof.Checkpoint{foreign}, WhatOrigin, 20},
		{"a checkpoint of the future", whole, []proof.Checkpoint{beyond}, WhatTruncated, 60},
		{"its own checkpoints", whole, []proof.Checkpoint{whole.checkpoint(60), whole.checkpoint(0), whole.checkpoint(33)}, "", 0},
	} {
		r := verifyDisk(t, row.of.write(t), VerifyOptions{Checkpoints: row.points, Policy: forgePolicy(t, 1)})
		if row.want == "" {
			if !r.Consistent() {
				t.Errorf("%s: %v", row.name, r.Findings)
			}
			continue
		}
		if len(r.Findings) != 1 || r.Findings[0].What != row.want || r.Findings[0].Index != row.index {
			t.Errorf("%s: %v, want %s at %d", row.name, r.Findings, row.want, row.index)
		}
	}
}

// An epoch that goes on after a loss says how far the one before had come.
func TestALossThatIsOwnedUpToIsNoTruncation(t *testing.T) {
	whole, held := honest(t, 60), honest(t, 30)
	point := whole.checkpoint(50)
	for lost, want := range map[uint64]int{0: 1, 49: 1, 50: 0, 60: 0} {
		opts := withKeys(t)
		opts.Checkpoints, opts.Lost = []proof.Checkpoint{point, held.checkpoint(20)}, lost
		r := verifyDisk(t, held.write(t), opts)
		if len(r.Findings) != want || want == 1 && r.Findings[0].What != WhatTruncated {
			t.Errorf("lost up to %d: %v", lost, r.Findings)
		}
	}
}

// Requirement: POS-08
func TestAFlippedBitIsFoundWhereverItIs(t *testing.T) {
	f := honest(t, 40)
	d := f.write(t)
	rng := rand.New(rand.NewPCG(5, 5))
	segments, err := listSegments(d, "j")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 400 {
		number := segments[rng.IntN(len(segments)-2)] // the last ones end in zeros that nobody vouches for
		off := rng.Int64N(minSegment)
		c := d.Clone()
		if err := c.Flip("j/"+segmentName(number), off, 1<<rng.IntN(8)); err != nil {
			t.Fatal(err)
		}
		opts := withKeys(t)
		if i%2 == 0 {
			opts.Keys = nil
		}
		if r := verifyDisk(t, c, opts); r.Consistent() {
			t.Errorf("flip at %d of segment %d: nothing found", off, number)
		} else if f := r.Findings[0]; f.Segment != number && f.Segment != number+1 {
			t.Errorf("flip at %d of segment %d: found %v", off, number, r.Findings)
		}
	}
}

// tillKeys are month keys for a journal of the package's own.
type tillKeys struct{ forgeMonths }

func (k tillKeys) Current(ctx context.Context, yyyymm uint32) ([32]byte, error) {
	return k.Month(ctx, yyyymm)
}

// Requirement: POS-08
func TestWhatTheStoreWritesVerifies(t *testing.T) {
	ctx := context.Background()
	d := powercut.New()
	opts := Options{FS: d, Keys: tillKeys{forgeMonths{forgeMonth: forgeKey}}, Signer: forgeSigner(t, 1), SegmentSize: minSegment}
	draft := func(n int) Draft {
		return Draft{Kind: 1, Time: time.UnixMilli(forgeTime + int64(n)), Body: fmt.Appendf(nil, `{"sale":%d}`, n), Sign: n%2 == 0}
	}
	j, err := Create(ctx, "j", forgeOrigin, []Draft{draft(0)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 120; n++ {
		if n == 50 { // a session of its own, with a salt of its own
			if err := j.Close(ctx); err != nil {
				t.Fatal(err)
			}
			if j, _, err = Open(ctx, "j", opts); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := j.Append(ctx, draft(n)); err != nil {
			t.Fatal(err)
		}
	}
	if r := verifyDisk(t, d, withKeys(t)); !r.Consistent() || r.Size != 120 {
		t.Errorf("while it is open: %+v", r)
	}
	want := j.Head()
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	check := withKeys(t)
	check.Checkpoints = []proof.Checkpoint{want}
	r := verifyDisk(t, d, check)
	if !r.Consistent() || !r.OriginChecked() || r.Contents != 120 || r.Root != want.Root || r.Signatures < 60 {
		t.Errorf("after closing: %+v", r)
	}
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 7))
		if r := verifyDisk(t, d.Cut(rng, powercut.AnyKeep(rng)), withKeys(t)); !r.Consistent() {
			t.Errorf("after loss of power, seed %d: %v", seed, r.Findings)
		}
	}
}

// Requirement: POS-02
func TestALossOfPowerIsNeverTakenForTampering(t *testing.T) {
	ctx := context.Background()
	d := powercut.New()
	opts := Options{FS: d, Keys: tillKeys{forgeMonths{forgeMonth: forgeKey}}, Signer: forgeSigner(t, 1), SegmentSize: minSegment}
	body := bytes.Repeat([]byte("x"), 700) // groups of several sectors
	j, err := Create(ctx, "j", forgeOrigin, []Draft{{Kind: 1, Time: time.UnixMilli(forgeTime), Body: body}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	rng, torn, cuts := rand.New(rand.NewPCG(11, 11)), 0, 0
	var mu sync.Mutex // the journal works in several goroutines
	d.Before(func(op powercut.Op) {
		mu.Lock()
		defer mu.Unlock()
		cuts++
		r := verifyDisk(t, d.Cut(rng, powercut.AnyKeep(rng)), withKeys(t))
		if !r.Consistent() {
			t.Errorf("power lost before %v: %v", op, r.Findings)
		}
		if r.Torn {
			torn++
		}
	})
	for n := 1; n < 60; n++ {
		if _, err := j.Append(ctx, Draft{Kind: 1, Time: time.UnixMilli(forgeTime + int64(n)), Body: body, Sign: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if torn == 0 {
		t.Errorf("no torn tail in %d cuts: the test shows nothing", cuts)
	}
}

func TestADamagedEntryLeavesTheTreeWhole(t *testing.T) {
	f := honest(t, 40)
	d := f.write(t)
	data, err := d.ReadFile("j/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	_, k := f.at(5)
	g, _ := f.at(5)
	off := bytes.Index(data, g.entries[k].sealed)
	if err := d.Flip("j/"+segmentName(1), int64(off)+50, 4); err != nil {
		t.Fatal(err)
	}
	r := verifyDisk(t, d, withKeys(t))
	if len(r.Findings) != 1 || r.Findings[0].What != WhatDamaged || r.Findings[0].Index != 5 || !r.OriginChecked() {
		t.Errorf("%v, origin checked %t; want entry 5 damaged and all signatures good", r.Findings, r.OriginChecked())
	}
}

func TestDamagedFiles(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, d *powercut.Disk) error
		want   What
	}{
		{"a segment is gone", func(_ *testing.T, d *powercut.Disk) error { return d.Remove("j/" + segmentName(2)) }, WhatSegment},
		{"a segment is cut off", func(_ *testing.T, d *powercut.Disk) error { return d.TruncateFile("j/"+segmentName(2), 4096) }, WhatSegment},
		{"a segment is empty", func(t *testing.T, d *powercut.Disk) error {
			return d.WriteFile("j/"+segmentName(2), make([]byte, minSegment))
		}, WhatSegment},
		{"bytes behind a segment", func(t *testing.T, d *powercut.Disk) error {
			b, err := d.ReadFile("j/" + segmentName(2))
			return errors.Join(err, d.WriteFile("j/"+segmentName(2), append(b, 0)))
		}, WhatSegment},
		{"two segments change places", func(t *testing.T, d *powercut.Disk) error {
			return errors.Join(d.Rename("j/"+segmentName(2), "j/x"), d.Rename("j/"+segmentName(3), "j/"+segmentName(2)), d.Rename("j/x", "j/"+segmentName(3)))
		}, WhatDamaged},
		{"JOURNAL is damaged", func(_ *testing.T, d *powercut.Disk) error { return d.Flip("j/JOURNAL", 30, 1) }, WhatManifest},
		{"JOURNAL names another origin", func(t *testing.T, d *powercut.Disk) error {
			m := manifest{Origin: "shop.example/till9/e1", Created: time.UnixMilli(forgeTime), Segment: minSegment}
			return d.WriteFile("j/JOURNAL", m.text())
		}, WhatOrigin},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := honest(t, 60).write(t)
			if err := row.damage(t, d); err != nil {
				t.Fatal(err)
			}
			r := verifyDisk(t, d, withKeys(t))
			if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.What == row.want }) {
				t.Errorf("found %v, want %s", r.Findings, row.want)
			}
		})
	}
}

func TestATornTailIsNoTampering(t *testing.T) {
	f := honest(t, 40)
	f.groups = f.groups[:len(f.groups)-1] // the last group is entries and signatures, some sectors long
	d := f.write(t)
	segments, err := listSegments(d, "j")
	if err != nil {
		t.Fatal(err)
	}
	name := "j/" + segmentName(segments[len(segments)-2])
	data, err := d.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	last := alignUp(lastNonZero(data, 0)+1, sector)
	clear(data[last-sector : last])
	if err := d.WriteFile(name, data); err != nil {
		t.Fatal(err)
	}
	r := verifyDisk(t, d, withKeys(t))
	if !r.Consistent() || !r.Torn {
		t.Errorf("%+v, want a torn tail and no finding", r)
	}
	// The same hole with a later segment behind it is damage.
	tail := segmentName(segments[len(segments)-2] - 1)
	data, err = d.ReadFile("j/" + tail)
	if err != nil {
		t.Fatal(err)
	}
	last = alignUp(lastNonZero(data, 0)+1, sector)
	clear(data[last-sector : last])
	if err := d.WriteFile("j/"+tail, data); err != nil {
		t.Fatal(err)
	}
	if r := verifyDisk(t, d, withKeys(t)); r.Consistent() {
		t.Error("a hole before the last segment passes as torn tail")
	}
}

func TestSignaturesThatCameLateAreChecked(t *testing.T) {
	f := honest(t, 90)
	var late []signatureRecord
	for i := range f.groups {
		late = append(late, f.groups[i].signatures...)
		f.groups[i].signatures = nil
	}
	for len(late) > 0 {
		n := min(len(late), 8)
		f.groups = append(f.groups, forgedGroup{signatures: late[:n]})
		late = late[n:]
	}
	r := verifyDisk(t, f.write(t), withKeys(t))
	if !r.Consistent() || r.Signatures != r.Size || !r.OriginChecked() {
		t.Errorf("%+v", r)
	}
	f.groups[len(f.groups)-9].signatures[0].Root[0] ^= 1
	if r := verifyDisk(t, f.write(t), withKeys(t)); len(r.Findings) != 1 || r.Findings[0].What != WhatSignature {
		t.Errorf("with one wrong: %v", r.Findings)
	}
}

// Requirement: POS-02
func TestTheSemanticCheckSeesEveryEntryInOrder(t *testing.T) {
	f := honest(t, 60)
	var next uint64
	opts := withKeys(t)
	opts.Check = func(h *proof.Head, body []byte) error {
		if h.Index != next || string(body) != fmt.Sprintf(`{"sale":%d}`, next) {
			t.Errorf("entry %d with body %s, want %d", h.Index, body, next)
		}
		next++
		if h.Index == 17 {
			return errors.New("grand total went down")
		}
		return nil
	}
	r := verifyDisk(t, f.write(t), opts)
	want := []Finding{{Index: 17, What: WhatContent, Detail: "grand total went down"}}
	if diff := cmp.Diff(want, r.Findings, cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Segment" || p.Last().String() == ".Offset"
	}, cmp.Ignore())); diff != "" || next != r.Size {
		t.Errorf("%d entries seen; findings (-want +got):\n%s", next, diff)
	}
}

// Whatever stands in the files: what the policy vouches for are the first
// entries of the till's own history, and nothing panics.
func FuzzVerify(f *testing.F) {
	honest := honest(f, 30)
	d := honest.write(f)
	for n := range uint32(3) {
		b, err := d.ReadFile("j/" + segmentName(n+1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, n+1)
		f.Add(b[:4000], n+1)
	}
	opts := withKeys(f)
	f.Fuzz(func(t *testing.T, b []byte, n uint32) {
		c := d.Clone()
		if err := c.WriteFile("j/"+segmentName(max(n%4, 1)), b); err != nil {
			t.Fatal(err)
		}
		r := verifyDisk(t, c, opts)
		if r.Consistent() && r.OriginChecked() && r.Root != honest.checkpoint(int(r.Size)).Root {
			t.Errorf("vouched for: %+v", r)
		}
		if r.Signed > 30 {
			t.Errorf("%d entries signed, the till signed 30", r.Signed)
		}
	})
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	d := honest(t, 30).write(t)
	if _, err := Verify(context.Background(), "nowhere", VerifyOptions{FS: d}); !errors.Is(err, ErrNoJournal) {
		t.Errorf("no directory: %v, want ErrNoJournal", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Verify(ctx, "j", VerifyOptions{FS: d}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	broken := errors.New("medium error")
	d.FailWhen(func(op powercut.Op) bool { return op.Kind == "read" && op.Name == "j/"+segmentName(2) }, broken, false)
	if _, err := Verify(context.Background(), "j", VerifyOptions{FS: d}); !errors.Is(err, broken) {
		t.Errorf("medium error: %v", err)
	}
	if _, err := Verify(context.Background(), "j", VerifyOptions{FS: honest(t, 30).write(t), Keys: failingMonths{}}); !errors.Is(err, errNoVault) {
		t.Errorf("keys cannot be read: %v", err)
	}
}

var errNoVault = errors.New("no vault")

type failingMonths struct{}

func (failingMonths) Month(context.Context, uint32) ([32]byte, error) { return [32]byte{}, errNoVault }

func TestFindingsAreBounded(t *testing.T) {
	f := honest(t, 60)
	for i := range f.groups {
		for k := range f.groups[i].entries {
			f.groups[i].entries[k].sealed[30] ^= 1
		}
	}
	opts := withKeys(t)
	opts.MaxFindings = 7
	r := verifyDisk(t, f.write(t), opts)
	if len(r.Findings) != 7 || r.More != r.Size-7 {
		t.Errorf("%d findings and %d more, want 7 of %d", len(r.Findings), r.More, r.Size)
	}
}

func TestMemoryDoesNotGrowWithTheJournal(t *testing.T) {
	peak := func(entries int) uint64 {
		d := honest(t, entries).write(t)
		var most, base runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&base)
		opts := VerifyOptions{Keys: forgeMonths{forgeMonth: forgeKey}}
		opts.Progress = func(p Progress) {
			if p.Segment%10 != 0 {
				return
			}
			var m runtime.MemStats
			runtime.GC()
			if runtime.ReadMemStats(&m); m.HeapAlloc > most.HeapAlloc {
				most = m
			}
		}
		verifyDisk(t, d, opts)
		return most.HeapAlloc - min(base.HeapAlloc, most.HeapAlloc)
	}
	small, large := peak(300), peak(3000)
	if large > small+512<<10 {
		t.Errorf("at most %d bytes with 300 entries, %d with 3000", small, large)
	}
}
