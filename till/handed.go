package till

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
)

// handedDir is where a program beside the till leaves word of data that it has
// handed out: the till alone writes to its journal, and may be running or not.
const (
	handedDir    = "handed-out"
	handedSuffix = ".export"
	handedLimit  = 64 << 10
	handedAtOnce = 32
)

// HandOut leaves word for the till in dir that data leave it. It is durable when it
// returns; the till journals it at once while it runs, otherwise at its next start.
// Whoever may write into the directory may leave such word.
func HandOut(dir string, e *fiscal.Export) error {
	body, err := fiscal.Encode(e)
	if err != nil {
		return err
	}
	disk := durable.OS{}
	to := path.Join(dir, handedDir)
	if err := disk.Mkdir(to); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("leave word for the till: %w", err)
	}
	name := path.Join(to, fmt.Sprintf("%x%s", randomBytes(16), handedSuffix))
	if err := errors.Join(durable.Replace(disk, name, body), disk.SyncDir(dir)); err != nil {
		return fmt.Errorf("leave word for the till: %w", err)
	}
	return nil
}

// takeHanded journals what was left, and removes it. A crash in between leaves the
// file: its name is the id of the entry's command, so the entry comes once. The book
// is held.
func (n *Node) takeHanded(ctx context.Context) error {
	disk := durable.OS{}
	dir := path.Join(n.opts.Dir, handedDir)
	names, err := disk.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names[:min(len(names), handedAtOnce)] {
		if !strings.HasSuffix(name, handedSuffix) {
			continue
		}
		if err := n.takeOne(ctx, disk, path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) takeOne(ctx context.Context, disk durable.FS, name string) error {
	body, err := durable.ReadFile(disk, name, handedLimit)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(path.Base(name)))
	id := [16]byte(sum[:16])
	b, err := fiscal.Decode(fiscal.KindExport, body)
	if _, known := n.state.Command(id); err == nil && !known {
		_, err = n.append(ctx, id, b)
	}
	if err != nil && n.journal.Err() != nil {
		return err
	}
	if err != nil {
		n.opts.Log.Error("word of an export cannot be understood", "file", path.Base(name), "err", err)
	}
	return disk.Remove(name)
}
