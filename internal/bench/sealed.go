package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/sample"
	"github.com/plomb-pos/plomb/update/boot"
	"github.com/plomb-pos/plomb/update/release"
)

// sealed is a till as plomb up runs it under plomb-boot: in a slot that was verified,
// on a device whose maker, authority and deployer are the sample ones beside it.
type sealed struct {
	*running
	exe, dir string
}

// launcherBeside reports whether plomb-boot lies where plomb up looks for it.
func launcherBeside(exe string) error {
	if _, err := os.Stat(filepath.Join(filepath.Dir(exe), "plomb-boot")); err != nil {
		return fmt.Errorf("plomb-boot has to lie beside %s (make build puts it there): %w", exe, err)
	}
	return nil
}

// startSealed makes a till with a short history and starts it; the first start makes
// its device.
func startSealed(ctx context.Context, exe, dir string) (t *sealed, err error) {
	if err := launcherBeside(exe); err != nil {
		return nil, err
	}
	if err := FillTill(ctx, dir, shortHistory); err != nil {
		return nil, err
	}
	t = &sealed{exe: exe, dir: dir}
	if t.running, err = startUp(ctx, exe, dir); err != nil {
		return nil, err
	}
	if _, err := t.settled(ctx); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

// release builds the next version of what runs: this program with fresh bytes behind
// it, which no delta can leave out. The till hears nothing of it yet.
func (t *sealed) release(ctx context.Context, fresh int) (r *release.Release, err error) {
	program := filepath.Join(t.dir, "next")
	if err := lengthened(program, t.exe, fresh); err != nil {
		return nil, err
	}
	d, err := boot.Open(durable.OS{}, filepath.Join(t.dir, "device"))
	if err != nil {
		return nil, err
	}
	table, err := d.Table()
	if err != nil {
		return nil, err
	}
	err = t.world(func(w *sample.World) (err error) {
		r, err = w.Release(ctx, sample.Version{Program: program, Over: table.Manifests[table.Active]}, sample.Watcher{})
		return err
	})
	return r, errors.Join(err, os.Remove(program))
}

// lengthened copies a program with random bytes behind it, which no system loads.
func lengthened(name, program string, fresh int) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	random := make([]byte, fresh)
	rand.Read(random) // never fails
	return os.WriteFile(name, append(data, random...), 0o700)
}

// deploy gives a release to the till, which finds it within seconds.
func (t *sealed) deploy(r *release.Release) error {
	text, err := os.ReadFile(filepath.Join(t.dir, "sample", "device.pub"))
	if err != nil {
		return err
	}
	public, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	return t.world(func(w *sample.World) error { return w.Deploy(r, public, sample.Watcher{}) })
}

func (t *sealed) world(do func(*sample.World) error) error {
	w, err := sample.Open(filepath.Join(t.dir, "sample"))
	if err != nil {
		return err
	}
	return errors.Join(do(w), w.Close())
}

// again signs in at the till after its launcher started another version of it, once
// that was kept and nothing is behind any more.
func (t *sealed) again(ctx context.Context) error {
	for {
		s, err := newScreen(`{"till":"` + t.url + `"}`)
		if err == nil {
			t.screen = s
			break
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return errors.Join(fmt.Errorf("the till did not come back: %w", err), err)
		}
	}
	for {
		s, err := t.state(ctx)
		if err != nil || !s.Software.Trial && !s.behind() {
			return err
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// pause waits for d; the error is that of ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// step is an entry of the till's history of software.
type step struct {
	Stage   string    `json:"stage"`
	Outcome string    `json:"outcome"`
	At      time.Time `json:"at"`
	Digest  string    `json:"digest"`
	Detail  string    `json:"detail"`
}

// steps are those of one release, newest first.
func (t *sealed) steps(ctx context.Context, digest string) (list []step, err error) {
	var answer struct {
		Entries []step `json:"entries"`
	}
	if err := t.ask(ctx, "/api/software?limit=100", &answer); err != nil {
		return nil, err
	}
	for _, x := range answer.Entries {
		if x.Digest == digest {
			list = append(list, x)
		}
	}
	return list, nil
}

// agree is a supervisor's consent to a release.
func (s *screen) agree(digest string) error {
	return s.proved("software-agree", map[string]any{"digest": digest, "for": "install"})
}

// changing reports whether a command was refused because the till ends to start
// another version.
func changing(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.Code == "software-changing"
}

// lost reports whether a command was not answered, or only that the till ended meanwhile:
// what became of it the next version tells.
func lost(err error) bool {
	r, refused := errors.AsType[*refusal](err)
	return err != nil && (!refused || r.Code == "interrupted")
}
