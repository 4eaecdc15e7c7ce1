package update_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/update"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
)

// program is the component that travels as a delta of two frames.
func (w *till) program() *manifest.Component { return w.two.manifest.Component("plomb") }

func (w *till) delta() manifest.Pack { return w.program().Packs[1] }

func (w *till) frames(p manifest.Pack) *frame.Table {
	w.t.Helper()
	t, err := frame.ParseTable(w.maker.repo["tables/"+p.Table.String()])
	w.must(err)
	return t
}

// ways are the ways in which a repository reaches a till: what the files of each are
// is decided by the test.
func ways(t *testing.T) map[string]func(map[string][]byte) update.Source {
	server := func(files map[string][]byte) update.Source {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			data, ok := files[strings.TrimPrefix(r.URL.Path, "/base/")]
			if !ok {
				http.NotFound(w, r)
				return
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}))
		t.Cleanup(s.Close)
		h, err := update.NewHTTP(s.URL+"/base", update.HTTPOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	stick := func(files map[string][]byte) update.Source {
		dir := t.TempDir()
		for name, data := range files {
			name = filepath.Join(dir, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, data, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		f, err := update.OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	return map[string]func(map[string][]byte) update.Source{"server": server, "stick": stick}
}

// Requirement: DL-03
// Requirement: DL-16
func TestWhatIsHarmedOnTheWayIsRefusedWhateverTheWay(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	for name, harm := range map[string]func([]byte) []byte{
		"the first byte flipped": flip(0), "a byte flipped": flip(100), "truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"empty": func([]byte) []byte { return nil }, "a byte put before": func(b []byte) []byte { return append([]byte{0}, b...) },
	} {
		for way, source := range ways(t) {
			t.Run(way+", "+name, func(t *testing.T) {
				for _, what := range []string{"packs/" + newTill(t).delta().SHA256.String(), "tables/" + newTill(t).delta().Table.String()} {
					w := newTill(t)
					files := map[string][]byte{}
					for n, data := range w.maker.repo {
						files[n] = data
					}
					files[what] = harm(bytes.Clone(files[what]))
					w.sources = []update.Source{source(files)}
					if _, err := w.agent().Update(t.Context()); err == nil {
						t.Fatal("it was taken")
					}
					if e := w.last(); e.Stage != update.Downloaded || e.Outcome != update.Failed || !strings.Contains(e.Detail, w.sources[0].String()) {
						t.Errorf("the history says %+v", e)
					}
					w.notInstalled()
					w.sources, w.now = append(w.sources, w.repo), w.now.Add(time.Hour) // an honest one beside it
					if _, err := w.agent().Update(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.installed()
				}
			})
		}
	}
}

func TestAServerAndAStickInstallTheSameRelease(t *testing.T) {
	for way, source := range ways(t) {
		w := newTill(t)
		w.sources = []update.Source{source(w.maker.repo)}
		if _, err := w.agent().Update(t.Context()); err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		w.installed()
	}
}

func TestAStickCannotLeadOutOfItself(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(outside, []byte("secret"), 0o644), os.Mkdir(filepath.Join(dir, "packs"), 0o755),
		os.Symlink(outside, filepath.Join(dir, "packs", "link")), os.Mkdir(filepath.Join(dir, "packs", "folder"), 0o755)); err != nil {
		t.Fatal(err)
	}
	f, err := update.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"packs/link", "packs/folder", "../secret", "packs/none"} {
		if r, err := f.Open(t.Context(), name, 0, 5); !errors.Is(err, update.ErrNotThere) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// Requirement: CU-08
func TestADownloadThatIsCutAtAnyByteGoesOnWhereItWas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newTill(t)
		total := w.fresh()
		left, had := 0, map[string]bool{}
		w.repo.harm = func(name string, offset int64, data []byte) []byte {
			if !strings.HasPrefix(name, "packs/") {
				return data
			}
			for at := range data { // nothing that came comes again
				if had[key(name, offset+int64(at))] {
					rt.Fatalf("%s: byte %d came again", name, offset+int64(at))
				}
			}
			n := min(left, len(data))
			left -= n
			for at := range n {
				had[key(name, offset+int64(at))] = true
			}
			return data[:n]
		}
		for pass := 0; ; pass++ {
			left = rapid.IntRange(0, int(total)).Draw(rt, "bytes until the cut")
			w.now = w.now.Add(time.Hour)
			r, err := w.agent().Update(t.Context()) // a new start of the till each time
			if r.Restart {
				break
			}
			if err == nil || pass > 200 {
				rt.Fatalf("pass %d: %+v, %v", pass, r, err)
			}
		}
		w.installed()
	})
}

func key(name string, at int64) string { return name + string(rune(at)) }

// fresh is how many bytes an update from nothing fetches.
func (w *till) fresh() (n int64) {
	for _, c := range w.two.manifest.Components {
		if c.Name != "logo" {
			n += c.Packs[len(c.Packs)-1].Bytes
		}
	}
	return n
}

// ends are the places of a pack's frames.
func (w *till) ends(name string) (out [][2]int64) {
	for _, c := range w.two.manifest.Components {
		for _, p := range c.Packs {
			if "packs/"+p.SHA256.String() != name {
				continue
			}
			t := w.frames(p)
			for i := range t.Entries {
				at, n := t.Range(i)
				out = append(out, [2]int64{at, at + n})
			}
		}
	}
	return out
}

// lasting is a link that is cut after so many bytes each time.
func lasting(n int) func(string, int64, []byte) []byte {
	return func(name string, _ int64, data []byte) []byte {
		if !strings.HasPrefix(name, "packs/") {
			return data
		}
		return data[:min(n, len(data))]
	}
}

// Requirement: CU-08
func TestALinkThatNeverLastsAFrameComesToItsEnd(t *testing.T) {
	w := newTill(t)
	total := w.fresh() + w.needsAWholeFrame()
	w.repo.harm = lasting(100_000)
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Fatalf("%+v, %v", r, err)
	}
	w.runsTheNext()
	if w.repo.bytes != total {
		t.Errorf("%d bytes came for %d", w.repo.bytes, total)
	}
	w = newTill(t)
	total = w.fresh() + w.needsAWholeFrame()
	w.repo.harm = lasting(10_000) // too little to go on at once: the next pass does, of another start
	passes := 1
	for r, _ := w.agent().Update(t.Context()); !r.Restart && passes < 200; passes++ {
		w.now = w.now.Add(time.Hour)
		r, _ = w.agent().Update(t.Context())
	}
	w.runsTheNext()
	if w.repo.bytes != total || passes < 100 {
		t.Errorf("%d passes brought %d bytes for %d", passes, w.repo.bytes, total)
	}
}

// needsAWholeFrame harms the installed version where frame 0 of the delta leans on it, so
// that the frame is needed whole; it gives the bytes of that.
func (w *till) needsAWholeFrame() int64 {
	w.must(w.disk.Flip("/d/slots/a/bin/plomb", 100_000, 1))
	_, n := w.frames(w.program().Packs[0]).Range(0)
	return n
}

// runsTheNext: the launcher would try the next release, whole.
func (w *till) runsTheNext() {
	w.t.Helper()
	if r, p, err := w.starts(w.disk); err != nil || !p.Trial || r.Digest != w.two.digest {
		w.t.Errorf("%+v, %v", p, err)
	}
}

// Requirement: CU-03
// Requirement: CU-08
func TestAWrongBeginningOfAFrameIsFetchedAnewAndTheOneWhoSendsTheRestIsNotBlamed(t *testing.T) {
	w := newTill(t)
	w.needsAWholeFrame()
	thief := &memory{name: " thief", files: w.maker.repo, harm: func(name string, at int64, data []byte) []byte {
		if !strings.HasPrefix(name, "packs/") {
			return data
		}
		data = data[:min(30_000, len(data))]
		data[len(data)-1] ^= 1
		return data
	}}
	w.sources = []update.Source{thief, w.repo}
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Fatalf("%+v, %v", r, err)
	}
	w.runsTheNext()
	for _, e := range w.history {
		if strings.Contains(e.Detail, w.repo.String()+":") {
			t.Errorf("the honest source is blamed: %s", e.Detail)
		}
	}
}

// Requirement: CU-08
func TestASourceThatGivesWholeFramesOnlyGivesTheRestToo(t *testing.T) {
	for name, refused := range map[string]error{"a till of the shop": update.ErrNotThere, "a server without ranges": update.ErrRanges} {
		w := newTill(t)
		w.needsAWholeFrame()
		first := &memory{name: " first", files: w.maker.repo, harm: lasting(10_000)}
		w.sources = []update.Source{first, wholeFrames{w.repo, refused, w.begins()}}
		if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// wholeFrames refuses ranges that begin within a frame.
type wholeFrames struct {
	*memory
	refused error
	begins  map[string]bool
}

func (s wholeFrames) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if strings.HasPrefix(name, "packs/") && !s.begins[key(name, offset)] {
		return nil, s.refused
	}
	return s.memory.Open(ctx, name, offset, length)
}

// begins are the places where frames begin, of all packs.
func (w *till) begins() map[string]bool {
	out := map[string]bool{}
	for _, c := range w.two.manifest.Components {
		for _, p := range c.Packs {
			t := w.frames(p)
			for i := range t.Entries {
				at, _ := t.Range(i)
				out[key("packs/"+p.SHA256.String(), at)] = true
			}
		}
	}
	return out
}

func TestAFrameThatDoesNotOpenIsFetchedWholeItAlone(t *testing.T) {
	w := newTill(t)
	w.must(w.disk.Flip("/d/slots/a/bin/plomb", 100_000, 1)) // of the installed component: frame 0 leans on it
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	full := w.program().Packs[0]
	at, n := w.frames(full).Range(0)
	if got := w.repo.sent["packs/"+full.SHA256.String()]; len(got) != 1 || got[0] != [2]int64{at, at + n} {
		t.Errorf("of the whole pack came %v, want frame 0 alone, %d to %d", got, at, at+n)
	}
	if !slices.Contains(w.story(), "transmission failed") {
		t.Errorf("the history is silent about it:\n%s", strings.Join(w.story(), "\n"))
	}
	r, p, err := w.starts(w.disk)
	if err != nil || !p.Trial || r.Digest != w.two.digest {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWholeFramesBeyondTheBudgetAreAskedFor(t *testing.T) {
	w := newTill(t)
	w.policy.Budget = 20_000
	w.must(w.disk.Flip("/d/slots/a/bin/plomb", 100_000, 1))
	a := w.agent()
	r, err := a.Update(t.Context())
	if err != nil || r.Waiting == "" || len(w.asked) != 1 || w.asked[0].Bytes < 1<<20 {
		t.Fatalf("%+v, %v, asked %+v", r, err, w.asked)
	}
	if w.repo.bytes > 30_000 {
		t.Errorf("%d bytes came before somebody agreed", w.repo.bytes)
	}
	w.spend = update.Answer{Agreed: true, Person: "Ada"}
	if r, err := a.Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("after somebody agreed: %+v, %v", r, err)
	}
}

func TestAMeteredLinkIsSparedUnlessItIsUrgent(t *testing.T) {
	w := newTill(t)
	w.metered, w.policy.Metered = true, 1000
	a := w.agent()
	if r, err := a.Update(t.Context()); err != nil || r.Stage != update.Downloaded || r.Waiting == "" || w.repo.bytes > 0 {
		t.Errorf("%+v, %v, %d bytes", r, err, w.repo.bytes)
	}
	urgent := *w.offer
	urgent.Urgent = true
	w.offer = &urgent
	if r, err := w.agent().Update(t.Context()); err != nil || !r.Restart {
		t.Errorf("urgent: %+v, %v", r, err)
	}
}

func TestADiskWithoutRoomIsSeenBefore(t *testing.T) {
	w := newTill(t)
	w.free = func() (int64, error) { return 1 << 20, nil }
	if _, err := w.agent().Update(t.Context()); !errors.Is(err, update.ErrSpace) || w.repo.bytes > 0 {
		t.Errorf("%v, %d bytes", err, w.repo.bytes)
	}
	w.notInstalled()
	if n, err := update.FreeBytes(t.TempDir()); err != nil || n <= 0 {
		t.Errorf("this disk has %d bytes, %v", n, err)
	}
}

// Requirement: DL-18
func TestRotAfterACheckIsFoundByTheNext(t *testing.T) {
	for name, c := range map[string]struct {
		after update.Stage
		harm  func(*till) error
	}{
		"a frame after the download":           {update.Downloaded, func(w *till) error { return w.disk.Flip("/d/download/3.pack", 10, 1) }},
		"a frame after all were opened":        {update.Transmission, func(w *till) error { return w.disk.Flip("/d/download/3.pack", 10, 1) }},
		"the manifest after it was kept":       {update.Announced, func(w *till) error { return w.disk.Flip("/d/download/manifest.json", 40, 1) }},
		"the signatures after it was kept":     {update.Transmission, func(w *till) error { return w.disk.Flip("/d/download/manifest.note", 150, 1) }},
		"a component after it was installed":   {update.Installed, func(w *till) error { return w.disk.Flip("/d/slots/b/bin/plomb", 10, 1) }},
		"the approval withdrawn in the middle": {update.Verified, func(w *till) error { w.refused = update.ErrRejected; return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			cfg, done := w.config(), false
			cfg.Recorder = recorderFunc(func(e update.Event) error {
				if e.Stage == c.after && e.Outcome == update.Done && !done {
					done = true
					w.must(c.harm(w))
				}
				return w.Record(t.Context(), e)
			})
			a, err := update.New(cfg)
			w.must(err)
			_, err = a.Update(t.Context())
			if !done {
				t.Fatal("the fault was never made")
			}
			if err == nil { // mended on the way, and then it is whole
				w.installed()
				return
			}
			w.notInstalled()
			w.refused = nil
			w.now = w.now.Add(10 * time.Hour)
			if _, err := a.Update(t.Context()); err != nil {
				t.Fatalf("later: %v", err)
			}
			w.installed()
		})
	}
}

// endless never stops sending.
type endless struct{ *memory }

func (e endless) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r, err := e.memory.Open(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.MultiReader(r, zeros{})), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEndlessDataEndAtWhatWasAskedFor(t *testing.T) {
	w := newTill(t)
	w.sources = []update.Source{endless{w.repo}}
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.installed()
}

// slow sends a byte now and then, or nothing at all.
type slow struct {
	*memory
	pause time.Duration
}

func (s slow) Open(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if s.pause == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r, err := s.memory.Open(ctx, name, offset, length)
	if err != nil {
		return nil, err
	}
	return trickle{ctx, r, s.pause}, nil
}

type trickle struct {
	ctx context.Context
	io.ReadCloser
	pause time.Duration
}

func (t trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(t.pause):
		return t.ReadCloser.Read(p[:1])
	case <-t.ctx.Done():
		return 0, t.ctx.Err()
	}
}

func TestASlowSourceGivesWayToTheNext(t *testing.T) {
	for name, pause := range map[string]time.Duration{"no answer": 0, "a byte every twenty seconds": 20 * time.Second, "a byte every minute": time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newTill(t)
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				w.sources = []update.Source{slow{&memory{name: " slow", files: w.maker.repo}, pause}, w.repo}
				if _, err := w.agent().Update(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.installed()
				if d := time.Since(begin); d < 30*time.Second || d > 10*time.Minute {
					t.Errorf("it took %s", d)
				}
				if e := w.history[1]; !strings.Contains(e.Detail, update.ErrSlow.Error()) {
					t.Errorf("the history says %+v", e)
				}
			})
		})
	}
}

// Requirement: CU-07
func TestTheRateIsThatOfTheMomentAndHalfDuringASale(t *testing.T) {
	for _, c := range []struct {
		load   update.Load
		urgent bool
		rate   int64
	}{{update.Quiet, false, 2000}, {update.InUse, false, 1000}, {update.Sale, false, 500}, {update.InUse, true, 8000}, {update.Sale, true, 4000}} {
		w := newTill(t)
		offer := *w.offer
		offer.Urgent = c.urgent
		w.offer, w.policy.Rate = &offer, update.Rate{Low: 1000, Normal: 2000, Urgent: 8000}
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			cfg := w.config()
			cfg.Load = func() update.Load { return c.load }
			a, err := update.New(cfg)
			w.must(err)
			if _, err := a.Update(t.Context()); err != nil {
				t.Fatal(err)
			}
			took := time.Since(begin).Seconds()
			if got := float64(w.repo.bytes) / took; got > 1.25*float64(c.rate)*float64(w.repo.bytes)/float64(w.repo.bytes-16<<10) || got < 0.5*float64(c.rate) {
				t.Errorf("%+v: %d bytes in %.1f s are %.0f a second", c, w.repo.bytes, took, got)
			}
		})
	}
}

func TestAReleaseThatTakesTheOthersPlaceLeavesNothingOfIt(t *testing.T) {
	w := newTill(t)
	w.hold.OpenSale = true
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	three, err := w.maker.release(3, w.one, map[string][]byte{"bin/plomb": noise(77, 4000)}, nil)
	w.must(err)
	w.offer, w.hold.OpenSale = &three.offer, false
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, err := w.disk.ReadDir("/d/download")
	w.must(err)
	if slices.Contains(names, "3.pack") {
		t.Errorf("left over: %v", names)
	}
	if r, p, err := w.starts(w.disk); err != nil || !p.Trial || r.Digest != three.digest {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestATillOfTheShopGivesItsFramesToTheOthers(t *testing.T) {
	first := newTill(t)
	first.hold.OpenSale = true
	if _, err := first.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	relay := httptest.NewServer(update.NewRelay(first.disk, "/d"))
	defer relay.Close()
	source, err := update.NewHTTP(relay.URL, update.HTTPOptions{})
	first.must(err)

	w := newTill(t)
	w.sources = []update.Source{source, w.repo}
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.installed()
	if w.repo.bytes > 0 {
		t.Errorf("%d bytes came from the server although the relay has them", w.repo.bytes)
	}

	w = newTill(t) // what the relay's disk lost comes from the server, and only that
	w.sources = []update.Source{source, w.repo}
	w.must(first.disk.Flip("/d/download/3.pack", 10, 1))
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.installed()
	at := slices.IndexFunc(w.two.manifest.Components, func(c manifest.Component) bool { return c.Path == "data/words" })
	if w.repo.bytes != w.two.manifest.Components[at].Packs[1].Bytes {
		t.Errorf("%d bytes from the server", w.repo.bytes)
	}
}

func TestARelayAnswersNonsenseWithNothing(t *testing.T) {
	w := newTill(t)
	w.hold.OpenSale = true
	if _, err := w.agent().Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := update.NewRelay(w.disk, "/d")
	name := "/packs/" + w.delta().SHA256.String()
	for _, c := range []struct{ method, path, ranges string }{
		{"GET", "/", ""}, {"GET", "/packs/", ""}, {"GET", "/packs/../state.json", ""}, {"GET", "/download/state.json", ""}, {"POST", name, "bytes=0-9"},
		{"GET", name, ""}, {"GET", name, "bytes=1-99999"}, {"GET", name, "bytes=-5"}, {"GET", name, "bytes=9-0"}, {"GET", name, "bytes=0-3"},
		{"GET", "/packs/" + strings.Repeat("0", 64), "bytes=0-9"}, {"GET", "/tables/" + strings.ToUpper(w.delta().Table.String()), ""},
	} {
		req := httptest.NewRequest(c.method, "http://till"+c.path, nil)
		req.Header.Set("Range", c.ranges)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		if rec.Code < 400 {
			t.Errorf("%+v: %d, %d bytes", c, rec.Code, rec.Body.Len())
		}
	}
}

func TestAServerThatKnowsNoRangesIsRefusedOrSkipped(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") }))
	defer s.Close()
	plain, err := update.NewHTTP(s.URL, update.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Open(t.Context(), "x", 4, 2); !errors.Is(err, update.ErrRanges) {
		t.Errorf("%v, want ErrRanges", err)
	}
	skipping, err := update.NewHTTP(s.URL, update.HTTPOptions{Skip: 5})
	if err != nil {
		t.Fatal(err)
	}
	r, err := skipping.Open(t.Context(), "x", 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make([]byte, 2)
	if _, err := io.ReadFull(r, got); err != nil || string(got) != "45" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "ftp://x", "https://", "http://a b", "file:///etc"} {
		if _, err := update.NewHTTP(bad, update.HTTPOptions{}); err == nil {
			t.Errorf("%q was taken for a server", bad)
		}
	}
}
