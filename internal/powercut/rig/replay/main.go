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
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut/rig/blocklog"
	"github.com/plomb-pos/plomb/internal/powercut/rig/disk"
	"github.com/plomb-pos/plomb/journal"
)

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
	writes, err := blocklog.Read(f)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", log, err)
	}
	rng := rand.New(rand.NewPCG(seed, seed))
	moments := choose(rng, writes, points)
	fmt.Printf("%d writes logged, %d moments, seed %d\n", writes.Len(), len(moments), seed)
	work, err := os.MkdirTemp("", "plomb-rig")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	r := rig{first: first, writes: writes, work: work, rng: rng, control: control}
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

// choose picks moments: a number of writes that had been issued when the power went.
func choose(rng *rand.Rand, writes *blocklog.Log, points int) []int {
	if points > 0 {
		list := make([]int, points)
		for i := range list {
			list[i] = rng.IntN(writes.Len() + 1)
		}
		return list
	}
	var list []int
	for i := range writes.Len() {
		if writes.Flush(i) {
			list = append(list, i, i+1)
		}
	}
	return list
}

type rig struct {
	first  string // the disk before the first write
	writes *blocklog.Log
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
	if err := blocklog.Copy(r.first, image); err != nil {
		return err
	}
	return r.writes.Build(image, moment, r.kept)
}

// kept decides whether the disk kept a write.
func (r *rig) kept(flushed bool) bool {
	if flushed {
		return !r.control || r.rng.IntN(20) > 0
	}
	return r.rng.IntN(2) == 0
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
