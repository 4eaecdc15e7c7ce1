package update

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
)

// Unpack writes a component that comes whole from a source, frame by frame, each
// checked: for a device that has no version yet. content is the release's content key;
// nil where packs are not sealed. It holds one frame in memory.
func Unpack(ctx context.Context, src Source, m *manifest.Manifest, c *manifest.Component, content []byte, w io.Writer) error {
	full := c.Full()
	if full == nil {
		return fmt.Errorf("%w: %s has no whole pack", ErrRejected, c.Name)
	}
	text, err := fetchAll(ctx, src, "tables/"+full.Table.String(), tableBytes(c.Length))
	if err != nil {
		return err
	}
	if manifest.Sum(text) != full.Table {
		return fmt.Errorf("table of %s: %w", c.Name, errWrong)
	}
	table, err := parseTable(&part{Component: c}, full, text)
	if err != nil {
		return err
	}
	var key *frame.Key
	if content != nil {
		if key, err = frame.NewKey(content, m.Identity, c.Name, manifest.Digest{}, c.SHA256); err != nil {
			return err
		}
	}
	return unpack(ctx, src, full, table, key, io.MultiWriter(w, manifest.NewVerifier(c)))
}

func unpack(ctx context.Context, src Source, p *manifest.Pack, table *frame.Table, key *frame.Key, w io.Writer) error {
	body, err := src.Open(ctx, "packs/"+p.SHA256.String(), 0, p.Bytes)
	if err != nil {
		return err
	}
	defer body.Close()
	for i, e := range table.Entries {
		wire := make([]byte, e.Wire)
		if _, err := io.ReadFull(body, wire); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		data, err := table.Open(i, wire, key, nil) // compares with the table, whose tree is the manifest's
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// fetchAll reads a small file whose length is known.
func fetchAll(ctx context.Context, src Source, name string, length int64) ([]byte, error) {
	body, err := src.Open(ctx, name, 0, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := make([]byte, length)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, errors.Join(ErrNotThere, fmt.Errorf("read %s: %w", name, err))
	}
	return data, nil
}
