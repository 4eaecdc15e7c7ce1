package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// older are the libraries of the old one of two builds: one upgrade of each lies
// between it and the new one.
var older = []string{"github.com/klauspost/compress@v1.20.2", "golang.org/x/text@v0.42.0", "github.com/alecthomas/kong@v1.16.0"}

// edited is the text that differs in the build with a small change, in one file. It is
// longer there, so that what lies behind it moves, as with most changes.
var edited = [2]string{`"Measure plomb against the limits of this machine."`, `"Measure plomb against the limits of this very machine, and say so."`}

const editedFile = "cmd/plomb/main.go"

// ErrModules says that the go command had not what it builds from.
var ErrModules = errors.New("the go command has to have the modules of plomb, and three libraries in older versions, or to reach a module proxy once (GOPROXY); two files of your own need neither: --old, --new")

// Builds makes three programs out of plomb's source with the go command: as it is,
// with older libraries, and with a small change. It changes nothing in the source. The
// error wraps ErrModules where modules are missing and none can be fetched.
func Builds(ctx context.Context, c Config, source, dir string) (upgrade, small Pair, err error) {
	b := builds{ctx, source, dir}
	if err := b.possible(); err != nil {
		return upgrade, small, err
	}
	upgrade = Pair{Case: "two builds of plomb, " + strings.Join(older, ", ") + " upgraded", Old: b.file("old"), New: b.file("new")}
	small = Pair{Case: "two builds of plomb, one sentence changed", Old: b.file("new"), New: b.file("small"), Small: true}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"as it is", func() error { return b.build("new") }},
		{"with a small change", b.small},
		{"with older libraries", b.old},
	} {
		c.tell("build plomb %s", step.what)
		began := time.Now()
		if err := step.do(); err != nil {
			return upgrade, small, fmt.Errorf("build plomb %s: %w", step.what, err)
		}
		c.tell("built in %v", time.Since(began).Round(time.Second))
	}
	return upgrade, small, nil
}

type builds struct {
	ctx         context.Context
	source, dir string
}

// possible reports what a build needs at least.
func (b builds) possible() error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("build plomb twice: the go command is not here; give two files with --old and --new: %w", err)
	}
	if _, err := os.Stat(filepath.Join(b.source, filepath.FromSlash(editedFile))); err != nil {
		return fmt.Errorf("build plomb twice: %s is no source of plomb (--source): %w", b.source, err)
	}
	return nil
}

func (b builds) file(name string) string { return filepath.Join(b.dir, name) }

func (b builds) build(name string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-buildid= -s -w", "-o", b.file(name)}, flags...)
	return b.run(append(args, "./cmd/plomb")...)
}

func (b builds) run(args ...string) error {
	cmd := exec.CommandContext(b.ctx, "go", args...)
	cmd.Dir, cmd.Env = b.source, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	var said bytes.Buffer
	cmd.Stderr = &said
	err := cmd.Run()
	switch {
	case err == nil || b.ctx.Err() != nil:
		return errors.Join(err, b.ctx.Err())
	case unreachable.Match(said.Bytes()):
		lines := bytes.Split(bytes.TrimSpace(said.Bytes()), []byte("\n"))
		return fmt.Errorf("go %s: %w: %w: %s", args[0], ErrModules, err, lines[len(lines)-1])
	}
	return fmt.Errorf("go %s: %w: %s", args[0], err, said.Bytes())
}

// unreachable is what the go command says where a module is neither there nor to be had.
var unreachable = regexp.MustCompile(`GOPROXY=off|dial tcp|no such host|proxyconnect|module lookup disabled|i/o timeout|connection refused`)

// small builds with one file replaced.
func (b builds) small() error {
	name := filepath.Join(b.source, filepath.FromSlash(editedFile))
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed := bytes.Replace(text, []byte(edited[0]), []byte(edited[1]), 1)
	if bytes.Equal(changed, text) {
		return fmt.Errorf("%s has no %s", editedFile, edited[0])
	}
	if err := os.WriteFile(b.file("main.go"), changed, 0o600); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {name: b.file("main.go")}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.file("overlay.json"), overlay, 0o600); err != nil {
		return err
	}
	return b.build("small", "-overlay="+b.file("overlay.json"))
}

// old builds with a go.mod of its own.
func (b builds) old() error {
	for from, to := range map[string]string{"go.mod": "old.mod", "go.sum": "old.sum"} {
		text, err := os.ReadFile(filepath.Join(b.source, from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(b.file(to), text, 0o600); err != nil {
			return err
		}
	}
	mod := "-modfile=" + b.file("old.mod")
	if err := b.run(append([]string{"get", mod}, older...)...); err != nil {
		return err
	}
	return b.build("old", mod)
}
