package trust

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/plomb-pos/plomb/internal/durable"
)

// conformanceClient names the variable that makes the test binary of this package the
// client that tuf-conformance drives (its CLIENT-CLI.md). It is in the package itself,
// since it follows one repository without the policy that stands above. How to run it,
// and what comes out: testdata/conformance/README.md.
const conformanceClient = "PLOMB_TUF_CLIENT"

func TestMain(m *testing.M) {
	if os.Getenv(conformanceClient) == "" {
		os.Exit(m.Run())
	}
	if err := conform(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// conformance is one call of the client.
type conformance struct {
	dir, metadata, base, into string
	names                     []string
}

func conform(args []string) error {
	c := conformance{}
	flags := flag.NewFlagSet("tuf-client", flag.ContinueOnError)
	flags.StringVar(&c.dir, "metadata-dir", "", "")
	flags.StringVar(&c.metadata, "metadata-url", "", "")
	flags.StringVar(&c.base, "target-base-url", "", "")
	flags.StringVar(&c.into, "target-dir", "", "")
	flags.Func("target-name", "", func(s string) error { c.names = append(c.names, s); return nil })
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch flags.Arg(0) {
	case "init":
		return c.init(flags.Arg(1))
	case "refresh", "download":
		return c.follow(context.Background())
	}
	return fmt.Errorf("unknown command %q", flags.Arg(0))
}

func (c conformance) own(name string) string { return filepath.Join(c.dir, "plomb", name) }

func (c conformance) init(root string) error {
	data, err := os.ReadFile(root)
	if err == nil {
		err = os.MkdirAll(c.own(""), 0o755)
	}
	if err == nil {
		err = os.WriteFile(c.own("anchor"), data, 0o644)
	}
	return errors.Join(err, os.WriteFile(filepath.Join(c.dir, "root.json"), data, 0o644))
}

// follow refreshes, and downloads the targets that are named.
func (c conformance) follow(ctx context.Context) error {
	anchor, err := os.ReadFile(c.own("anchor"))
	if err != nil {
		return err
	}
	store, err := OpenStore(durable.OS{}, c.own("store"))
	if err != nil {
		return err
	}
	base, err := url.Parse(c.metadata)
	if err != nil {
		return err
	}
	now, err := shellClock()
	if err != nil {
		return err
	}
	repo := Repository{Name: "conformance", RootThreshold: 1, TargetsThreshold: 1}
	client, err := newClient(repo, "it", anchor, func() []Source { return []Source{flat{&Web{Base: base}}} }, store, now, Limits{}.orDefault(), Seen{})
	if err != nil {
		return err
	}
	err = client.Refresh(ctx)
	for _, name := range c.names {
		if err == nil {
			err = c.download(ctx, client, name)
		}
	}
	return errors.Join(err, c.show(store))
}

// flat is a repository that serves metadata at its base.
type flat struct{ *Web }

func (f flat) Fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	return f.Web.Fetch(ctx, strings.TrimPrefix(name, "it/metadata/"), limit)
}

// shellClock is the time that faketime shows to programs of the C library.
func shellClock() (func() time.Time, error) {
	out, err := exec.Command("date", "+%s").Output()
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return func() time.Time { return time.Unix(seconds, 0) }, err
}

func (c conformance) download(ctx context.Context, client *Client, name string) error {
	target, err := client.Lookup(ctx, name)
	if err != nil {
		return err
	}
	file := filepath.Join(c.into, url.PathEscape(name))
	if have, err := os.ReadFile(file); err == nil && sha256.Sum256(have) == target.SHA256 {
		return nil
	}
	base, err := url.Parse(c.base)
	if err != nil {
		return err
	}
	dir, last := "", name
	if i := strings.LastIndex(name, "/"); i >= 0 {
		dir, last = name[:i+1], name[i+1:]
	}
	web := &Web{Base: base, Client: http.DefaultClient}
	data, err := web.Fetch(ctx, dir+target.SHA256.String()+"."+last, target.Length)
	if err != nil {
		return err
	}
	if int64(len(data)) != target.Length || sha256.Sum256(data) != target.SHA256 {
		return fmt.Errorf("%s: %w", name, ErrContent)
	}
	return os.WriteFile(file, data, 0o644)
}

// show copies what is trusted to where the suite looks for it.
func (c conformance) show(s *Store) error {
	for _, role := range topRoles {
		file := filepath.Join(c.dir, role+".json")
		kept := s.load(role)
		if len(kept) == 0 {
			if role != metadata.ROOT {
				if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
			}
			continue
		}
		data := kept[0].data
		if role == metadata.ROOT {
			chain := splitChain(data)
			data = chain[len(chain)-1]
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return c.showBins(s)
}

func (c conformance) showBins(s *Store) error {
	files, err := filepath.Glob(c.own("store/bin-*.*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		role := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
		if kept := s.load(role); len(kept) > 0 {
			name := strings.TrimPrefix(role, "bin-") + ".json"
			if err := os.WriteFile(filepath.Join(c.dir, name), kept[0].data, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
