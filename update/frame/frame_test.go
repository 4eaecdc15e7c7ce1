package frame_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
)

// build makes a pack and its table, as they are read again.
func build(t testing.TB, old, data []byte, key *frame.Key) ([]byte, *frame.Table) {
	t.Helper()
	var pack bytes.Buffer
	table, err := frame.Build(context.Background(), &pack, old, data, frame.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	again, err := frame.ParseTable(table.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if again.Bytes() != int64(pack.Len()) {
		t.Fatalf("table says %d bytes, the pack has %d", again.Bytes(), pack.Len())
	}
	return pack.Bytes(), again
}

// apply opens every frame of a pack.
func apply(pack []byte, table *frame.Table, key *frame.Key, old []byte) ([]byte, error) {
	var out []byte
	for i := range table.Entries {
		at, n := table.Range(i)
		data, err := table.Open(i, pack[at:at+n], key, bytes.NewReader(old))
		if err != nil {
			return nil, err
		}
		out = append(out, data...)
	}
	return out, nil
}

// edited is data with a few places changed, put in and taken out.
func edited(t *rapid.T, data []byte) []byte {
	out := bytes.Clone(data)
	for range rapid.IntRange(0, 12).Draw(t, "edits") {
		at := rapid.IntRange(0, len(out)).Draw(t, "at")
		end := min(len(out), at+rapid.IntRange(0, 5000).Draw(t, "cut"))
		put := random(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(0, 5000).Draw(t, "put"))
		out = append(append(bytes.Clone(out[:at]), put...), out[end:]...)
	}
	if len(out) == 0 {
		out = []byte{1}
	}
	return out
}

func random(seed uint64, n int) []byte {
	out := make([]byte, n)
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range out {
		out[i] = byte(rng.IntN(1 << rng.IntN(9)))
	}
	return out
}

// Requirement: CU-08
func TestAPackMakesExactlyTheNewComponent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		old := random(rapid.Uint64().Draw(rt, "seed"), rapid.SampledFrom([]int{1, 100, 5000, 40_000}).Draw(rt, "size"))
		data := edited(rt, old)
		pack, table := build(t, old, data, nil)
		got, err := apply(pack, table, nil, old)
		if err != nil || !bytes.Equal(got, data) {
			rt.Fatalf("%d bytes, want %d: %v", len(got), len(data), err)
		}
		c, err := manifest.Measure(bytes.NewReader(data))
		if err != nil || table.Root() != c.Root {
			rt.Errorf("root %s, want %s, %v", table.Root(), c.Root, err)
		}
	})
}

func TestComponentsOfManyFramesAreMadeToo(t *testing.T) {
	old := random(20, 2<<20+5000)
	data := append(bytes.Clone(old[300_000:]), random(21, 1<<20)...)
	copy(data[900_000:], "another word")
	pack, table := build(t, old, data, nil)
	got, err := apply(pack, table, nil, old)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, want %d: %v", len(got), len(data), err)
	}
}

func TestAWholePackNeedsNothingInstalled(t *testing.T) {
	data := random(1, 1<<20+77)
	pack, table := build(t, nil, data, nil)
	if got, err := apply(pack, table, nil, nil); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

func TestWhatDidNotChangeIsNotSent(t *testing.T) {
	old := random(2, 5<<20)
	data := append(random(3, 300), old...) // everything moved
	pack, table := build(t, old, data, nil)
	if len(pack) > 1000 {
		t.Errorf("%d bytes for 300 new ones", len(pack))
	}
	if got, err := apply(pack, table, nil, old); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

func TestRunsOfZerosAreDoneInGoodTime(t *testing.T) {
	old := append(make([]byte, 3<<20), random(4, 1<<20)...)
	data := append(append(random(5, 1<<19), make([]byte, 3<<20)...), 7)
	pack, table := build(t, old, data, nil)
	if got, err := apply(pack, table, nil, old); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
}

// Requirement: CU-13
func TestASealedPackShowsNothingAndOpensInItsPlaceOnly(t *testing.T) {
	old := random(6, 3<<20)
	data := append(bytes.Clone(old[:1<<20]), bytes.Repeat([]byte("sealed "), 400_000)...)
	content := random(7, frame.KeySize)
	from, to := manifest.Sum(old), manifest.Sum(data)
	key := func(component string) *frame.Key {
		k, err := frame.NewKey(content, "0PLMTIL02-20261122", component, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	pack, table := build(t, old, data, key("till"))
	if bytes.Contains(pack, []byte("sealed")) {
		t.Error("the pack shows its content")
	}
	if got, err := apply(pack, table, key("till"), old); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if _, err := apply(pack, table, key("devices"), old); !errors.Is(err, frame.ErrSeal) {
		t.Errorf("under another component's key: %v", err)
	}
	swapped, err := frame.ParseTable(table.Encode())
	if err != nil {
		t.Fatal(err)
	}
	swapped.Entries[1], swapped.Entries[2] = swapped.Entries[2], swapped.Entries[1]
	at, n := table.Range(2)
	if _, err := swapped.Open(1, pack[at:at+n], key("till"), bytes.NewReader(old)); !errors.Is(err, frame.ErrSeal) {
		t.Errorf("a frame in another's place: %v", err)
	}
}

// Requirement: DL-03
func TestAnyOtherByteOnTheWireIsRefused(t *testing.T) {
	old := random(8, 1<<20)
	data := append(bytes.Clone(old[1000:]), 1, 2, 3)
	pack, table := build(t, old, data, nil)
	for at := range pack {
		pack[at] ^= 0x40
		if _, err := apply(pack, table, nil, old); !errors.Is(err, frame.ErrContent) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
		pack[at] ^= 0x40
	}
	other := bytes.Clone(old)
	other[len(other)/2] ^= 1
	if _, err := apply(pack, table, nil, other); !errors.Is(err, frame.ErrContent) {
		t.Errorf("over another installed component: %v", err)
	}
}

func FuzzTable(f *testing.F) {
	_, table := build(f, random(9, 3000), random(10, 3000), nil)
	f.Add(table.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := frame.ParseTable(data)
		if err == nil && !bytes.Equal(table.Encode(), data) {
			t.Error("another encoding is accepted")
		}
	})
}

// FuzzOpen lets every mode decode hostile bytes: the hashes are made to fit, so that
// only the decoders stand between them and memory.
func FuzzOpen(f *testing.F) {
	old := random(11, 100_000)
	data := edit(old)
	pack, table := build(f, old, data, nil)
	f.Add(pack, uint8(table.Entries[0].Mode))
	f.Add([]byte{3, 1, 0, 0, 0, 0, 9}, uint8(frame.Patch))
	f.Fuzz(func(t *testing.T, wire []byte, mode uint8) {
		e := frame.Entry{Mode: frame.Mode(mode), Wire: uint32(len(wire)), Hash: manifest.Sum(wire)}
		if e.Mode == frame.Dict || e.Mode == frame.Patch {
			e.Window.Length = 1000
		}
		hostile := &frame.Table{From: manifest.Sum(old), Length: uint64(len(data)), Entries: []frame.Entry{e}}
		again, err := frame.ParseTable(hostile.Encode())
		if err != nil {
			return
		}
		if _, err := again.Open(0, wire, nil, bytes.NewReader(old)); err == nil {
			t.Error("bytes without the right hash were taken")
		}
	})
}

func edit(data []byte) []byte {
	out := bytes.Clone(data)
	for i := 50; i < len(out); i += 997 {
		out[i]++
	}
	return out
}
