package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"golang.org/x/term"

	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/till/devices"
)

type importCommand struct {
	Articles importArticles `cmd:"" help:"Take a table of articles (CSV) into use, in place of the present ones."`
}

type importArticles struct {
	File    string `arg:"" type:"existingfile" help:"Table of articles: CSV, UTF-8, columns named in the first line."`
	URL     string `name:"url" xor:"till" help:"Address of the running till; http://127.0.0.1:8480 if nothing is said."`
	Dir     string `type:"path" xor:"till" help:"Directory of a till that does not run: it is opened for the import."`
	Person  string `required:"" help:"Who imports: an administrator's id."`
	PINFile string `name:"pin-file" type:"existingfile" help:"File with the PIN; otherwise it is asked for on the terminal, without echo."`
	DryRun  bool   `help:"Only say what would change."`
	JSON    bool   `name:"json" help:"Print the till's answer."`
}

// Help names the columns.
func (importArticles) Help() string {
	return `Columns, in any order: sku, name (both needed), name_de and so on, price (plain
decimal), gtin (one or more), in_store, tax_class, unit, group, open_price (yes or
no), no_discount, blocked, age_limit, deposit. What the file does not name is
removed. A file with any problem changes nothing; the problems are told by line.
The change is an entry in the journal.

Exit codes: 0 taken (or would be), 1 not taken.`
}

// importFileLimit is what a till takes, in bytes.
const importFileLimit = 8 << 20

// importAnswer is what the till says of an import.
type importAnswer struct {
	Added       int  `json:"added"`
	Changed     int  `json:"changed"`
	Removed     int  `json:"removed"`
	Applied     bool `json:"applied"`
	Differences []struct {
		SKU    string   `json:"sku"`
		Name   string   `json:"name"`
		What   string   `json:"what"`
		Fields []string `json:"fields"`
	} `json:"differences"`
	Problems []struct {
		Line int    `json:"line"`
		SKU  string `json:"sku"`
		Text string `json:"text"`
	} `json:"problems"`
}

func (c importArticles) Run(ctx context.Context, s streams) error {
	table, err := readTable(c.File)
	if err != nil {
		return err
	}
	pin, err := c.pin(s)
	if err != nil {
		return err
	}
	api, closeTill, err := c.connect(ctx, s)
	if err != nil {
		return err
	}
	raw, err := api.importArticles(ctx, signInArgs{c.Person, pin}, table, c.DryRun)
	if err = errors.Join(err, closeTill()); err != nil {
		return err
	}
	return c.tell(s, raw)
}

func readTable(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", fmt.Errorf("read articles: %w", err)
	}
	if info.Size() > importFileLimit {
		return "", fmt.Errorf("read articles: %s has %d bytes, a till takes %d", name, info.Size(), importFileLimit)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read articles: %w", err)
	}
	return string(b), nil
}

// pin reads the PIN from its file, or asks for it without showing it.
func (c importArticles) pin(s streams) (string, error) {
	if c.PINFile != "" {
		b, err := os.ReadFile(c.PINFile)
		if err != nil {
			return "", fmt.Errorf("read PIN: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	f, ok := s.In.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", hint{usageError{errors.New("nobody can be asked for a PIN: standard input is no terminal")}, "put it into a file that only you can read, and name that with --pin-file"}
	}
	fmt.Fprintf(s.Err, "PIN of %s: ", c.Person)
	pin, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(s.Err)
	if err != nil {
		return "", fmt.Errorf("read PIN: %w", err)
	}
	return string(pin), nil
}

// usualAddress is where plomb up puts the screen unless told otherwise.
const usualAddress = "http://127.0.0.1:8480"

// connect reaches the running till, or opens one for as long as the import takes.
func (c importArticles) connect(ctx context.Context, s streams) (*tillAPI, func() error, error) {
	if c.Dir == "" {
		api, err := newTillAPI(cmp.Or(c.URL, usualAddress))
		return api, func() error { return nil }, err
	}
	node, err := tillCommand{Dir: c.Dir}.open(ctx, "", devices.Link{}, slog.New(slog.NewTextHandler(s.Err, nil)))
	if errors.Is(err, journal.ErrLocked) {
		return nil, nil, hint{err, "this till runs: name its address with --url instead"}
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, errors.Join(err, node.Close(ctx))
	}
	serving, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- serve(serving, node, l, nil, nil, slog.New(slog.DiscardHandler)) }()
	api, err := newTillAPI("http://" + l.Addr().String())
	return api, func() error { stop(); return <-done }, err
}

func (c importArticles) tell(s streams, raw jsontext.Value) error {
	var a importAnswer
	if err := json.Unmarshal(raw, &a); err != nil {
		return fmt.Errorf("the till's answer: %w", err)
	}
	if c.JSON {
		if _, err := fmt.Fprintf(s.Out, "%s\n", raw); err != nil {
			return err
		}
	} else {
		a.print(s.Out, c.DryRun)
	}
	if n := len(a.Problems); n > 0 {
		return hint{fmt.Errorf("nothing was taken: %d problems in %s", n, c.File), "mend the lines named and import the file again"}
	}
	return nil
}

func (a *importAnswer) print(w io.Writer, dry bool) {
	for _, d := range a.Differences {
		fmt.Fprintf(w, "%s %s %s", d.What, d.SKU, d.Name)
		if len(d.Fields) > 0 {
			fmt.Fprintf(w, " (%s)", strings.Join(d.Fields, ", "))
		}
		fmt.Fprintln(w)
	}
	for _, p := range a.Problems {
		fmt.Fprintln(w, p.Text)
	}
	words := "not taken"
	switch {
	case len(a.Problems) > 0:
	case a.Added+a.Changed+a.Removed == 0:
		words = "nothing to change"
	case a.Applied:
		words = "taken"
	case dry:
		words = "not taken: a dry run"
	}
	fmt.Fprintf(w, "%d added, %d changed, %d removed: %s\n", a.Added, a.Changed, a.Removed, words)
}

// tillAPI is a signed-in client of a till.
type tillAPI struct {
	url    string
	client *http.Client
}

func newTillAPI(address string) (*tillAPI, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usageError{fmt.Errorf("%q is no address of a till; one looks like http://127.0.0.1:8480", address)}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	return &tillAPI{strings.TrimSuffix(u.String(), "/"), &http.Client{Jar: jar, Timeout: time.Minute}}, nil
}

type signInArgs struct {
	Person string `json:"person"`
	PIN    string `json:"pin"`
}

// importArticles signs in, imports, and signs out whatever came of it.
func (t *tillAPI) importArticles(ctx context.Context, who signInArgs, table string, dry bool) (jsontext.Value, error) {
	if _, err := t.post(ctx, "/api/sign-in", who); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	result, err := t.do(ctx, "articles.import", map[string]any{"csv": table, "dryRun": dry})
	_, out := t.do(ctx, "session.signout", nil)
	return result, errors.Join(err, out)
}

func (t *tillAPI) do(ctx context.Context, name string, args any) (jsontext.Value, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	return t.post(ctx, "/api/command", struct {
		ID   string `json:"id"`
		Do   string `json:"do"`
		Args any    `json:"args,omitzero"`
	}{id.String(), name, args})
}

// tillRefusal is an error of the API in the shop's words.
type tillRefusal struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	After string `json:"hint"`
}

func (r *tillRefusal) Error() string { return r.Text + " (" + r.Code + ")" }
func (r *tillRefusal) Hint() string  { return r.After }

// post sends one request and returns the answer's result.
func (t *tillAPI) post(ctx context.Context, path string, body any) (jsontext.Value, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, hint{err, "does the till run? plomb up starts it; --url names its address"}
	}
	defer resp.Body.Close()
	return answerIn(resp)
}

// answerLimit is more than any answer has, in bytes.
const answerLimit = 64 << 20

func answerIn(resp *http.Response) (jsontext.Value, error) {
	var a struct {
		Result jsontext.Value `json:"result"`
		Error  *tillRefusal   `json:"error"`
	}
	err := json.UnmarshalRead(io.LimitReader(resp.Body, answerLimit), &a)
	switch {
	case err == nil && a.Error != nil && a.Error.After != "":
		return nil, a.Error
	case err == nil && a.Error != nil:
		return nil, errors.New(a.Error.Error())
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s answers %s", resp.Request.URL, resp.Status)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", resp.Request.URL, err)
	}
	return a.Result, nil
}
