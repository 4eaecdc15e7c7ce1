//go:build linux

// Command replay reads what QEMU's blklogwrites noted of a guest's disk, and at
// every flush (or at a sample of them) builds the disk as it could have been had
// the power gone then: all writes up to that flush, and a random half of those
// after it. It mounts each on a loop device, opens the journal on it as a till
// would, and compares with what the guest had been promised.
//
//	replay [-points N] [-seed N] [-control] disk0.img log.img
//
// With -control it also loses one in twenty of the writes that had been flushed,
// which no journal survives: a rig that then finds nothing is broken.
//
// Exit 0: nothing promised was lost and every journal verified; 1 otherwise.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut/rig/disk"
	"github.com/plomb-pos/plomb/journal"
)

// Flags of an entry in the log; format of dm-log-writes, which blklogwrites follows.
const (
	flagFlush   = 1
	flagDiscard = 4
)

// logged is one write of the guest; its data are in the log at offset.
type logged struct {
	sector, count uint64
	flags         uint64
	offset        int64
}

func main() {
	points := flag.Int("points", 200, "how many moments to try; 0: every flush")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of what is chosen at random")
	control := flag.Bool("control", false, "lose flushed writes too")
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	failed, err := run(flag.Arg(0), flag.Arg(1), *points, *seed, *control)
	if err != nil {
		fmt.Fprintln(os.Stderr, "replay:", err)
		os.Exit(1)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

func run(first, log string, points int, seed uint64, control bool) (failed int, err error) {
	f, err := os.Open(log)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	writes, err := readLog(f)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", log, err)
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	moments := choose(rng, writes, points)
	fmt.Printf("%d writes logged, %d moments, seed %d\n", len(writes), len(moments), seed)
	work, err := os.MkdirTemp("", "plomb-rig")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	r := rig{log: f, first: first, writes: writes, work: work, rng: rng, control: control}
	for i, m := range moments {
		held, promised, err := r.cut(m)
		if err != nil {
			failed++
			fmt.Printf("moment %d (write %d): %v\n", i, m, err)
			continue
		}
		if i%20 == 0 {
			fmt.Printf("moment %d of %d: %d promised, %d held\n", i, len(moments), promised, held)
		}
	}
	fmt.Printf("%d moments, %d failed\n", len(moments), failed)
	return failed, nil
}

// readLog lists the entries of a dm-log-writes image.
func readLog(r io.ReaderAt) ([]logged, error) {
	super := make([]byte, 28)
	if _, err := r.ReadAt(super, 0); err != nil {
		return nil, err
	}
	count := binary.LittleEndian.Uint64(super[16:])
	size := int64(binary.LittleEndian.Uint32(super[24:]))
	if size < disk.Sector || size > 4096 {
		return nil, fmt.Errorf("sector size %d", size)
	}
	list := make([]logged, 0, count)
	for at := size; uint64(len(list)) < count; {
		var head [32]byte
		if _, err := r.ReadAt(head[:], at); err != nil {
			return nil, err
		}
		w := logged{
			sector: binary.LittleEndian.Uint64(head[0:]) * uint64(size) / disk.Sector,
			count:  binary.LittleEndian.Uint64(head[8:]) * uint64(size) / disk.Sector,
			flags:  binary.LittleEndian.Uint64(head[16:]), offset: at + size,
		}
		list = append(list, w)
		at += size
		if w.flags&flagDiscard == 0 {
			at += int64(w.count) * disk.Sector
		}
	}
	return list, nil
}

// choose picks moments: a number of writes that had been issued when the power went.
func choose(rng *rand.Rand, writes []logged, points int) []int {
	if points > 0 {
		list := make([]int, points)
		for i := range list {
			list[i] = rng.IntN(len(writes) + 1)
		}
		return list
	}
	var list []int
	for i, w := range writes {
		if w.flags&flagFlush != 0 {
			list = append(list, i, i+1)
		}
	}
	return list
}

type rig struct {
	log    *os.File
	first  string // the disk before the first write
	writes []logged
	work   string
	rng    *rand.Rand

	control bool // lose flushed writes too
}

// cut builds the disk at a moment and checks the journal on it.
func (r *rig) cut(moment int) (held, promised uint64, err error) {
	image := filepath.Join(r.work, "disk.img")
	if err := r.build(image, moment); err != nil {
		return 0, 0, fmt.Errorf("build disk: %w", err)
	}
	promised, err = readPromise(image)
	if errors.Is(err, disk.ErrNoPromise) {
		return 0, 0, nil // nothing was acknowledged: whatever is there is right
	}
	if err != nil {
		return 0, 0, err
	}
	held, err = r.check(image)
	if err == nil && held < promised {
		err = fmt.Errorf("%d entries were promised, %d are there", promised, held)
	}
	return held, promised, err
}

// build copies the first disk and applies all writes before the last flush that had
// completed at the moment, and a random half of those after it.
func (r *rig) build(image string, moment int) error {
	if out, err := exec.Command("cp", "--sparse=always", r.first, image).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	flushed := 0
	for i := range moment {
		if r.writes[i].flags&flagFlush != 0 {
			flushed = i
		}
	}
	for i := range moment {
		if r.kept(i < flushed) {
			if err := r.apply(f, r.writes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// kept decides whether the disk kept a write.
func (r *rig) kept(flushed bool) bool {
	if flushed {
		return !r.control || r.rng.IntN(20) > 0
	}
	return r.rng.IntN(2) == 0
}

func (r *rig) apply(f *os.File, w logged) error {
	if w.flags&flagDiscard != 0 || w.count == 0 {
		return nil
	}
	data := make([]byte, w.count*disk.Sector)
	if _, err := r.log.ReadAt(data, w.offset); err != nil {
		return err
	}
	_, err := f.WriteAt(data, int64(w.sector)*disk.Sector)
	return err
}

func readPromise(image string) (uint64, error) {
	f, err := os.Open(image)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sector := make([]byte, disk.Sector)
	if _, err := f.ReadAt(sector, disk.Promise); err != nil {
		return 0, err
	}
	return disk.DecodePromise(sector)
}

// check mounts the image and opens, closes and verifies the journal on it.
func (r *rig) check(image string) (size uint64, err error) {
	dir := filepath.Join(r.work, "mnt")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, err
	}
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		return 0, fmt.Errorf("mount: %w: %s", err, out)
	}
	defer func() {
		if out, uerr := exec.Command("umount", dir).CombinedOutput(); uerr != nil && err == nil {
			err = fmt.Errorf("umount: %w: %s", uerr, out)
		}
	}()
	return open(filepath.Join(dir, "e1"))
}

func open(dir string) (uint64, error) {
	ctx := context.Background()
	j, _, err := journal.Open(ctx, dir, journal.Options{Keys: keys{}})
	if err != nil {
		return 0, err
	}
	size := j.Size()
	for e, err := range j.Entries(ctx, 0, size) {
		if err != nil {
			return size, errors.Join(err, j.Close(ctx))
		}
		if len(e.Body) != int(e.Head.BodyLen) {
			return size, errors.Join(fmt.Errorf("entry %d: body of %d bytes, head says %d", e.Head.Index, len(e.Body), e.Head.BodyLen), j.Close(ctx))
		}
	}
	return size, j.Close(ctx)
}

type keys struct{}

func (keys) Month(context.Context, uint32) ([32]byte, error)   { return disk.Key, nil }
func (keys) Current(context.Context, uint32) ([32]byte, error) { return disk.Key, nil }
