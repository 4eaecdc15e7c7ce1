package journal

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Prove returns the proof that the tree of the given size holds the leaf of entry
// index (RFC 6962 section 2.1.1), and that tree's root. The proof has been
// checked. size may be any from index+1 to Size.
func (j *Journal) Prove(ctx context.Context, index, size uint64) (p tlog.RecordProof, root tlog.Hash, err error) {
	head := j.Head()
	if index >= size || size > head.Size {
		return nil, root, fmt.Errorf("prove entry %d in size %d of %d: %w", index, size, head.Size, ErrNotFound)
	}
	err = j.index.checked(ctx, func(r tlog.HashReader) (err error) {
		root, err = checkedRoot(r, size, head)
		if err == nil {
			p, err = checkedInclusion(r, index, proof.Checkpoint{Origin: j.origin, Size: size, Root: root})
		}
		return err
	})
	if err != nil {
		return nil, root, fmt.Errorf("prove entry %d in size %d: %w", index, size, err)
	}
	return p, root, nil
}

// Consistency returns the proof that the tree of size newer continues that of
// size older (RFC 6962 section 2.1.2). The proof has been checked.
func (j *Journal) Consistency(ctx context.Context, older, newer uint64) (p tlog.TreeProof, err error) {
	head := j.Head()
	if older > newer || newer > head.Size {
		return nil, fmt.Errorf("prove size %d in size %d of %d: %w", older, newer, head.Size, ErrNotFound)
	}
	err = j.index.checked(ctx, func(r tlog.HashReader) (err error) {
		p, err = checkedConsistency(r, older, newer, head)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prove size %d in size %d: %w", older, newer, err)
	}
	return p, nil
}

// Root returns the root of the first size entries.
func (j *Journal) Root(ctx context.Context, size uint64) (root tlog.Hash, err error) {
	head := j.Head()
	if size > head.Size {
		return root, fmt.Errorf("root of size %d of %d: %w", size, head.Size, ErrNotFound)
	}
	err = j.index.checked(ctx, func(r tlog.HashReader) (err error) {
		root, err = checkedRoot(r, size, head)
		return err
	})
	return root, err
}

// checkedRoot computes a root from hashes that may be wrong, and checks that it
// is consistent with the journal's head.
func checkedRoot(r tlog.HashReader, size uint64, head proof.Checkpoint) (root tlog.Hash, err error) {
	if size == head.Size {
		return head.Root, nil
	}
	if root, err = tlog.TreeHash(int64(size), r); err != nil {
		return root, err
	}
	p, err := proof.ProveConsistency(head.Size, size, r)
	if err != nil {
		return root, err
	}
	return root, proof.CheckConsistency(p, head, proof.Checkpoint{Origin: head.Origin, Size: size, Root: root})
}

func checkedInclusion(r tlog.HashReader, index uint64, c proof.Checkpoint) (tlog.RecordProof, error) {
	leaf, err := r.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(index))})
	if err != nil {
		return nil, err
	}
	p, err := proof.ProveInclusion(c.Size, index, r)
	if err != nil {
		return nil, err
	}
	return p, proof.CheckInclusion(p, c, index, leaf[0])
}

func checkedConsistency(r tlog.HashReader, older, newer uint64, head proof.Checkpoint) (tlog.TreeProof, error) {
	was, err := checkedRoot(r, older, head)
	if err != nil {
		return nil, err
	}
	is, err := checkedRoot(r, newer, head)
	if err != nil {
		return nil, err
	}
	p, err := proof.ProveConsistency(newer, older, r)
	if err != nil {
		return nil, err
	}
	return p, proof.CheckConsistency(p, proof.Checkpoint{Origin: head.Origin, Size: newer, Root: is}, proof.Checkpoint{Origin: head.Origin, Size: older, Root: was})
}
