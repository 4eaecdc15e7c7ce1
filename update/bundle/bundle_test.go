package bundle_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/manifest"
)

const limit = 1 << 20

func pack(files map[string][]byte) ([]byte, error) {
	var list []bundle.File
	for name, data := range files {
		list = append(list, bundle.File{Name: name, Bytes: int64(len(data)), SHA256: manifest.Sum(data)})
	}
	var out bytes.Buffer
	err := bundle.Write(&out, list, func(name string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files[name])), nil })
	return out.Bytes(), err
}

func unpack(packed []byte) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := bundle.Read(bytes.NewReader(packed), limit, func(f bundle.File, content io.Reader) (err error) {
		files[f.Name], err = io.ReadAll(content)
		return err
	})
	return files, err
}

func TestABundleGivesBackWhatWasPutIn(t *testing.T) {
	names := rapid.OneOf(rapid.StringMatching(`(maker|authority)/[a-z]{1,8}/metadata/[0-9]{1,3}\.(root|targets)\.json`),
		rapid.StringMatching(`(targets|notes|proofs|tables|packs)/[0-9a-f]{64}`), rapid.Just("campaign.json"), rapid.Just("log/checkpoint"))
	rapid.Check(t, func(t *rapid.T) {
		files := rapid.MapOfN(names, rapid.SliceOfN(rapid.Byte(), 0, 2000), 0, 20).Draw(t, "files")
		packed, err := pack(files)
		if err != nil {
			t.Fatal(err)
		}
		got, err := unpack(packed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(files, got); diff != "" {
			t.Fatal(diff)
		}
		inPlace(t, packed, files)
		at := rapid.IntRange(0, len(packed)-1).Draw(t, "at")
		bent := slices.Clone(packed)
		bent[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if got, err := unpack(bent); err == nil && !cmp.Equal(files, got) {
			t.Fatalf("bit at %d: other files without an error", at)
		}
		if _, err := unpack(packed[:at]); err == nil {
			t.Fatalf("cut at %d: no error", at)
		}
	})
}

// inPlace reads every file of a bundle at its place.
func inPlace(t interface{ Fatalf(string, ...any) }, packed []byte, files map[string][]byte) {
	b, err := bundle.Open(bytes.NewReader(packed), int64(len(packed)))
	if err != nil {
		t.Fatalf("open in place: %v", err)
	}
	for name, want := range files {
		r, ok := b.File(name)
		got, err := io.ReadAll(r)
		if !ok || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s in place: %d bytes, %v, %v", name, len(got), ok, err)
		}
	}
	if _, ok := b.File("packs/none"); ok {
		t.Fatalf("it has a file that it has not")
	}
}

// bend writes a bundle whose second member is bent.
func bend(t *testing.T, index string, change func(h *tar.Header)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range []struct{ name, text string }{{"bundle.json", index}, {"campaign.json", "c"}} {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Size: int64(len(m.text)), Mode: 0o644, Format: tar.FormatUSTAR}
		text := m.text
		if m.name != "bundle.json" && change != nil {
			if change(h); h.Size == 0 {
				text = ""
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const cHash = "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6"

func indexOf(files string) string {
	return `{"format":"plomb-bundle/1","files":[` + files + `]}`
}

// Requirement: CU-13
func TestHostileBundlesAreRefusedAndWriteNothing(t *testing.T) {
	fine := indexOf(`{"name":"campaign.json","bytes":1,"sha256":"` + cHash + `"}`)
	if _, err := unpack(bend(t, fine, nil)); err != nil {
		t.Fatal(err)
	}
	link := func(kind byte) func(h *tar.Header) {
		return func(h *tar.Header) { h.Typeflag, h.Linkname, h.Size = kind, "/etc/passwd", 0 }
	}
	for name, packed := range map[string][]byte{
		"path above":        bend(t, indexOf(`{"name":"targets/../../x","bytes":1,"sha256":"`+cHash+`"}`), func(h *tar.Header) { h.Name = "targets/../../x" }),
		"absolute path":     bend(t, indexOf(`{"name":"/etc/x","bytes":1,"sha256":"`+cHash+`"}`), func(h *tar.Header) { h.Name = "/etc/x" }),
		"folder of nobody":  bend(t, indexOf(`{"name":"bin/x","bytes":1,"sha256":"`+cHash+`"}`), func(h *tar.Header) { h.Name = "bin/x" }),
		"hidden name":       bend(t, indexOf(`{"name":"targets/.x","bytes":1,"sha256":"`+cHash+`"}`), func(h *tar.Header) { h.Name = "targets/.x" }),
		"symbolic link":     bend(t, fine, link(tar.TypeSymlink)),
		"hard link":         bend(t, fine, link(tar.TypeLink)),
		"device":            bend(t, fine, func(h *tar.Header) { h.Typeflag, h.Size, h.Devmajor = tar.TypeChar, 0, 1 }),
		"pipe":              bend(t, fine, func(h *tar.Header) { h.Typeflag, h.Size = tar.TypeFifo, 0 }),
		"folder":            bend(t, fine, func(h *tar.Header) { h.Typeflag, h.Name, h.Size = tar.TypeDir, "targets/", 0 }),
		"set-uid":           bend(t, fine, func(h *tar.Header) { h.Mode = 0o4755 }),
		"extended header":   bend(t, fine, func(h *tar.Header) { h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"plomb.x": "y"} }),
		"another name":      bend(t, fine, func(h *tar.Header) { h.Name = "log/checkpoint" }),
		"more than all":     bend(t, indexOf(""), nil),
		"other bytes":       bend(t, indexOf(`{"name":"campaign.json","bytes":1,"sha256":"`+manifest.Sum(nil).String()+`"}`), nil),
		"bomb":              bend(t, indexOf(`{"name":"campaign.json","bytes":1048577,"sha256":"`+cHash+`"}`), nil),
		"repeated member":   bend(t, `{"format":"plomb-bundle/1","format":"plomb-bundle/1","files":[]}`, nil),
		"unknown member":    bend(t, `{"format":"plomb-bundle/1","files":[],"x":1}`, nil),
		"out of order":      bend(t, indexOf(`{"name":"packs/a","bytes":1,"sha256":"`+cHash+`"},{"name":"campaign.json","bytes":1,"sha256":"`+cHash+`"}`), nil),
		"bytes behind":      append(bend(t, fine, nil), 0),
		"nothing":           nil,
		"not a tar":         bytes.Repeat([]byte("x"), 2048),
		"gzip in its place": {0x1f, 0x8b, 8, 0},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		if err := bundle.Extract(bytes.NewReader(packed), dir, limit); !errors.Is(err, bundle.ErrFormat) && !errors.Is(err, bundle.ErrTampered) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was left: %v", name, err)
		}
	}
}

// An index that takes long to read is read once by a person, and never by a device, which
// would do so for each file.
func TestABundleWithAHugeIndexIsNotReadInPlace(t *testing.T) {
	files := map[string][]byte{}
	for i := range 20_000 {
		files[fmt.Sprintf("entitlements/%064x/%064x", 1, i)] = nil
	}
	packed, err := pack(files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(bytes.NewReader(packed), int64(len(packed))); !errors.Is(err, bundle.ErrFormat) {
		t.Errorf("in place: %v", err)
	}
	if _, err := unpack(packed); err != nil {
		t.Errorf("from beginning to end: %v", err)
	}
}

// FuzzReadBundle bends index, header and content of a bundle, and what is behind it. It
// does not bend the tar's bytes: nearly every change of them is a wrong checksum, and
// go's minimizer then spends the whole time on blocks of zeros.
func FuzzReadBundle(f *testing.F) {
	f.Add(`{"format":"plomb-bundle/1","files":[]}`, "", byte(0), int64(0), []byte{}, []byte{})
	f.Add(indexOf(`{"name":"campaign.json","bytes":1,"sha256":"`+cHash+`"}`), "campaign.json", byte(tar.TypeReg), int64(0o644), []byte("c"), []byte{})
	f.Add(indexOf(`{"name":"packs/a","bytes":1,"sha256":"`+cHash+`"}`), "packs/a", byte(tar.TypeReg), int64(0o644), []byte("c"), []byte{0})
	f.Fuzz(func(t *testing.T, index, name string, flag byte, mode int64, content, behind []byte) {
		data, ok := tarOf(index, name, flag, mode, content)
		if !ok {
			return
		}
		data = append(data, behind...)
		files, err := unpack(data)
		if err != nil {
			_, _ = bundle.Open(bytes.NewReader(data), int64(len(data))) // it may believe the index, and must not panic
			return
		}
		inPlace(t, data, files)
		again, err := pack(files)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if !bytes.Equal(again, data) {
			t.Error("what was read is written otherwise")
		}
	})
}

// tarOf makes a tar of an index and at most one member, if tar can.
func tarOf(index, name string, flag byte, mode int64, content []byte) ([]byte, bool) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	members := []*tar.Header{{Typeflag: tar.TypeReg, Name: "bundle.json", Size: int64(len(index)), Mode: 0o644, Format: tar.FormatUSTAR}}
	if name != "" {
		members = append(members, &tar.Header{Typeflag: flag, Name: name, Size: int64(len(content)), Mode: mode, Format: tar.FormatUSTAR})
	}
	for i, h := range members {
		text := index
		if i > 0 {
			text = string(content)
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, false
		}
		if _, err := io.WriteString(w, text); err != nil {
			return nil, false
		}
	}
	err := w.Close()
	return out.Bytes(), err == nil
}
