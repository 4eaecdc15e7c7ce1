package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/schollz/progressbar/v3"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/seal"
)

type journalCommand struct {
	Show   journalShow   `cmd:"" help:"List the entries of the journal."`
	Prove  journalProve  `cmd:"" help:"Write the proof that an entry is in the journal (C2SP tlog-proof)."`
	Verify journalVerify `cmd:"" help:"Check the whole journal: tree, signatures, contents."`

	Software journalSoftware `cmd:"" help:"List which software ran here, and when."`
}

// tillFiles are a till's files as they stand. Reading them takes no lock, so the
// till may run; nothing is written.
type tillFiles struct {
	Dir string `default:"plomb-data" type:"path" help:"Till's directory; the till may run meanwhile."`
}

// epochFiles are those of one epoch.
type epochFiles struct {
	tillFiles
	Epoch int `help:"Epoch to read; 0 is the newest." default:"0"`
}

// keys are the till's month keys; nil where its keys are not beside the journal,
// as in a copy for an inspector: then the tree can be read and nothing else.
func (t tillFiles) keys() (journal.MonthReader, error) {
	box, err := seal.Open(durable.OS{}, filepath.Join(t.Dir, sealDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return box.JournalKeys(), nil
}

// epochs are the numbers of the till's epochs, ascending; there is at least one.
func (t tillFiles) epochs() ([]int, error) {
	names, err := os.ReadDir(t.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("look for a journal: %w", err)
	}
	var epochs []int
	for _, d := range names {
		digits, ok := strings.CutPrefix(d.Name(), "e")
		n, err := strconv.Atoi(digits)
		if ok && err == nil && n > 0 && strconv.Itoa(n) == digits && d.IsDir() {
			epochs = append(epochs, n)
		}
	}
	if len(epochs) == 0 {
		return nil, hint{fmt.Errorf("%s: %w", t.Dir, journal.ErrNoJournal), "name a till's directory with --dir; plomb up makes one"}
	}
	slices.Sort(epochs)
	return epochs, nil
}

func (t tillFiles) epochDir(n int) string { return filepath.Join(t.Dir, "e"+strconv.Itoa(n)) }

// open opens the epoch for reading.
func (e epochFiles) open() (*journal.ReadOnly, error) {
	epochs, err := e.epochs()
	if err != nil {
		return nil, err
	}
	n := epochs[len(epochs)-1]
	if e.Epoch != 0 {
		n = e.Epoch
	}
	keys, err := e.keys()
	if err != nil {
		return nil, err
	}
	return journal.OpenReadOnly(e.epochDir(n), journal.ReadOptions{Keys: keys})
}

type journalShow struct {
	epochFiles
	From uint64 `help:"First entry."`
	To   uint64 `help:"Entry to stop before; 0 is the end."`
	Kind string `help:"Entries of this kind only, as in: receipt, z-report, login."`
	JSON bool   `name:"json" help:"One line of JSON an entry, as in an export."`
}

func (c journalShow) Run(ctx context.Context, s streams) error {
	kind, known := fiscal.KindNamed(c.Kind)
	if c.Kind != "" && !known {
		return hint{usageError{fmt.Errorf("there are no entries of kind %q", c.Kind)}, "the kinds are: " + kindNames()}
	}
	j, err := c.open()
	if err != nil {
		return err
	}
	p, flush := c.printer(s.Out)
	index := c.From
	for e, err := range j.Entries(ctx, c.From, endOr(c.To)) {
		x, xerr := exportEntry(index, &e, err)
		if xerr != nil {
			return xerr
		}
		if c.Kind == "" || e.Head != nil && e.Head.Kind == kind {
			if err := p(x); err != nil {
				return err
			}
		}
		index++
	}
	return flush()
}

func endOr(to uint64) uint64 {
	if to == 0 {
		return math.MaxUint64
	}
	return to
}

func kindNames() string {
	var names []string
	for _, k := range fiscal.Kinds() {
		names = append(names, fiscal.KindName(k))
	}
	return strings.Join(names, ", ")
}

// printer writes entries as lines of a table or of JSON.
func (c journalShow) printer(w io.Writer) (print func(exportedEntry) error, flush func() error) {
	if c.JSON {
		return func(x exportedEntry) error { return writeLine(w, x) }, func() error { return nil }
	}
	// rows are aligned in blocks, so that a long journal is not held back
	const block = 200
	table, rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), 0
	return func(x exportedEntry) error {
		_, err := fmt.Fprintln(table, x.row())
		if rows++; rows%block == 0 {
			err = errors.Join(err, table.Flush())
		}
		return err
	}, table.Flush
}

// row is one entry for people.
func (x exportedEntry) row() string {
	switch {
	case x.Erased:
		return fmt.Sprintf("%d\t-\terased, or its key is not here", x.Index)
	case x.Damaged != "":
		return fmt.Sprintf("%d\t-\tdamaged: %s", x.Index, x.Damaged)
	}
	return fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s\t%s", x.Index, x.Time, x.Kind, x.number(), x.amount(), cmp.Or(x.who(), x.event()), strings.Join(x.Flags, " "))
}

func (x exportedEntry) number() string {
	for _, tag := range []uint8{fiscal.TagDocument, fiscal.TagTraining, fiscal.TagZ, fiscal.TagCopy} {
		if n, ok := x.Numbers[fiscal.TagName(tag)]; ok {
			return fmt.Sprintf("no. %d", n)
		}
	}
	return ""
}

func (x exportedEntry) amount() string {
	currency := money.Currency("")
	for _, c := range money.Currencies() {
		if n, ok := x.Numbers[fiscal.TagName(fiscal.TagCurrency)]; ok && c.Numeric() == fmt.Sprintf("%03d", n) {
			currency = c
		}
	}
	for _, tag := range []uint8{fiscal.TagGross, fiscal.TagAmount, fiscal.TagDifference} {
		if n, ok := x.Numbers[fiscal.TagName(tag)]; ok {
			return money.Amount(n).Text(currency) + " " + string(currency)
		}
	}
	return ""
}

// who reads who did it from the body, where one says so.
func (x exportedEntry) who() string {
	var body struct {
		By       string `json:"by"`
		Document struct {
			Operator string `json:"operator"`
		} `json:"document"`
	}
	if json.Unmarshal(x.Body, &body) != nil {
		return ""
	}
	if body.By == "" {
		body.By = body.Document.Operator
	}
	if body.By == "" {
		return ""
	}
	return "by " + body.By
}

// event says what happened to a device, or who was refused and why.
func (x exportedEntry) event() string {
	var said []string
	switch x.Kind {
	case fiscal.KindName(fiscal.KindConnectionRefused):
		var b fiscal.ConnectionRefused
		if json.Unmarshal(x.Body, &b) != nil {
			return ""
		}
		said = []string{b.Reason, b.Peer, b.Identity, b.Service, b.Command}
		if b.Further > 0 {
			said = append(said, fmt.Sprintf("and %d before it", b.Further))
		}
	case fiscal.KindName(fiscal.KindDeviceState):
		var b fiscal.DeviceState
		if json.Unmarshal(x.Body, &b) != nil {
			return ""
		}
		said = []string{b.Device, b.State, b.Cause}
	}
	return strings.Join(slices.DeleteFunc(said, func(s string) bool { return s == "" }), " ")
}

type journalProve struct {
	epochFiles
	Index uint64 `arg:"" help:"Index of the entry."`
	Out   string `type:"path" help:"File to write instead of standard output, usually named *.tlog-proof."`
}

// Help says what the proof is good for.
func (journalProve) Help() string {
	return `The proof says that the entry is in the tree whose root the till has signed.
plomb-verify --policy POLICY FILE checks it, and so does any tool that reads
c2sp.org/tlog-proof: the extra data is the entry's head, the leaf that is hashed.
It holds the entry's numbers and no contents.`
}

func (c journalProve) Run(ctx context.Context, s streams) error {
	j, err := c.open()
	if err != nil {
		return err
	}
	p, err := prove(ctx, j, c.Index)
	if err != nil {
		return err
	}
	if c.Out == "" {
		_, err = s.Out.Write(p.Text())
		return err
	}
	return durable.Replace(durable.OS{}, c.Out, p.Text())
}

// prove makes the proof that an entry is in the tree of the newest stored signature.
func prove(ctx context.Context, j *journal.ReadOnly, index uint64) (*proof.Inclusion, error) {
	e, err := oneEntry(ctx, j, index)
	if err != nil {
		return nil, err
	}
	tree, err := j.Tree(ctx)
	if err != nil {
		return nil, hint{err, "plomb journal verify says what is wrong"}
	}
	signed, _ := tree.Signed()
	if signed.Checkpoint.Size <= index {
		return nil, hint{fmt.Errorf("entry %d: %w", index, journal.ErrUnsigned),
			fmt.Sprintf("stored signatures cover the entries before %d; the till stores a signature with the entries after it, and when it has come to rest", signed.Checkpoint.Size)}
	}
	path, err := tree.Prove(index, signed.Checkpoint.Size)
	if err != nil {
		return nil, err
	}
	note := proof.Note(signed.Checkpoint, j.Origin(), signed.KeyHash, signed.Sig)
	p := &proof.Inclusion{Extra: e.HeadBytes, Index: index, Path: path, Note: note}
	_, err = p.Check(e.Leaf)
	return p, err
}

// oneEntry reads one entry with its contents.
func oneEntry(ctx context.Context, j *journal.ReadOnly, index uint64) (journal.Entry, error) {
	for e, err := range j.Entries(ctx, index, index+1) {
		if err != nil {
			return e, fmt.Errorf("entry %d: %w", index, err)
		}
		return e, nil
	}
	return journal.Entry{}, fmt.Errorf("entry %d: %w", index, journal.ErrNotFound)
}

type journalVerify struct {
	tillFiles
	Policy string `type:"existingfile" help:"Who may sign: a C2SP policy file. It must come from elsewhere than the till."`
	JSON   bool   `name:"json" help:"One JSON object on standard output."`
}

// Help names the exit codes.
func (journalVerify) Help() string {
	return `Reads all epochs in one pass: records, tree, signatures, and (where the till's
keys are beside them) the contents, held against what the law asks of them.
Exit codes as those of plomb-verify: 0 whole, 1 tampered, 2 cannot read,
3 consistent, but without a policy nobody vouches for the origin.

The till that is checked should not be the only judge of itself: an inspector
uses plomb-verify on another machine.`
}

// verifiedEpoch is what was found in one epoch.
type verifiedEpoch struct {
	Epoch      int               `json:"epoch"`
	Origin     string            `json:"origin"`
	Verdict    string            `json:"verdict"`
	Size       uint64            `json:"size"`
	Root       string            `json:"root"`
	Contents   uint64            `json:"contents"`   // entries whose contents were checked
	Erased     uint64            `json:"erased"`     // entries without a key
	Signatures uint64            `json:"signatures"` // verified with a key of the policy
	Signed     uint64            `json:"signed"`     // entries that they vouch for
	Torn       bool              `json:"torn"`
	Findings   []verifiedFinding `json:"findings"`
	More       uint64            `json:"moreFindings"`
	Notes      []string          `json:"notes,omitempty"` // what is no finding, and should be known
	verdict    verdict
}

type verifiedFinding struct {
	Index  uint64 `json:"index"`
	What   string `json:"what"`
	Detail string `json:"detail"`
}

// garbage is how many bytes of it may lie about for 100 in use while a journal is
// verified, as plomb-verify has it: what is in use are buffers of whole segments.
const garbage = 5

func (c journalVerify) Run(ctx context.Context, s streams) error {
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	epochs, err := c.epochs()
	if err != nil {
		return coded{err, unreadable}
	}
	opts, err := c.options()
	if err != nil {
		return coded{err, unreadable}
	}
	var results []verifiedEpoch
	worst := whole
	chain := newChain(c.tillFiles, opts.Keys)
	for i, n := range epochs {
		v, err := c.epoch(ctx, s, chain, epochs[i:], opts)
		if err != nil {
			return coded{fmt.Errorf("epoch %d: %w", n, err), unreadable}
		}
		results = append(results, v)
		worst = worst.or(v.verdict)
	}
	if err := c.print(s.Out, results, worst); err != nil {
		return err
	}
	return worst.err()
}

func (c journalVerify) options() (opts journal.VerifyOptions, err error) {
	keys, err := c.keys()
	if err != nil {
		return opts, err
	}
	if keys != nil {
		opts.Keys = keys
	}
	if c.Policy != "" {
		opts.Policy, err = readPolicy(c.Policy)
	}
	return opts, err
}

// epoch verifies one epoch, its contents by the fold that tills run.
// epochs holds it and those after it.
func (c journalVerify) epoch(ctx context.Context, s streams, chain *chain, epochs []int, opts journal.VerifyOptions) (verifiedEpoch, error) {
	n, dir := epochs[0], c.epochDir(epochs[0])
	content := &contents{ctx: ctx, chain: chain}
	if opts.Keys != nil {
		content.check = fiscal.NewCheck(content.lookup)
		opts.Check = content.entry
	}
	after := chain.hold(ctx, &opts, epochs)
	bar := newBar(s.Err, fmt.Sprintf("epoch %d", n))
	opts.Progress = func(p journal.Progress) { bar.ChangeMax(p.Segments); bar.Set(p.Segment) }
	report, err := journal.Verify(ctx, dir, opts)
	bar.Clear()
	if err != nil {
		return verifiedEpoch{}, err
	}
	v := c.result(n, report)
	chain.link(&v, content, after)
	return v, nil
}

func (c journalVerify) result(n int, r *journal.Report) verifiedEpoch {
	v := verifiedEpoch{
		Epoch: n, Origin: r.Origin, Size: r.Size, Root: r.Root.String(), Contents: r.Contents, Erased: r.Erased,
		Signatures: r.Signatures, Signed: r.Signed, Torn: r.Torn, More: r.More, Findings: []verifiedFinding{},
	}
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, verifiedFinding{f.Index, string(f.What), f.Detail})
	}
	switch {
	case !r.Consistent():
		v.verdict = tampered
	case c.Policy == "" || !r.OriginChecked():
		v.verdict = unchecked
	}
	v.Verdict = v.verdict.String()
	return v
}

func (c journalVerify) print(w io.Writer, results []verifiedEpoch, worst verdict) error {
	if c.JSON {
		return writeLine(w, struct {
			OK      bool            `json:"ok"` // exit code 0
			Verdict string          `json:"verdict"`
			Epochs  []verifiedEpoch `json:"epochs"`
		}{worst == whole, worst.String(), results})
	}
	for _, v := range results {
		fmt.Fprintf(w, "%s: %s\n  %d entries, root %s\n  contents of %d entries checked, %d without key, %d signatures verified up to entry %d\n",
			v.Origin, v.Verdict, v.Size, v.Root, v.Contents, v.Erased, v.Signatures, v.Signed)
		if v.Torn {
			fmt.Fprintln(w, "  the last group is torn or being written; it was never acknowledged")
		}
		for _, f := range v.Findings {
			fmt.Fprintf(w, "  entry %d: %s: %s\n", f.Index, f.What, f.Detail)
		}
		if v.More > 0 {
			fmt.Fprintf(w, "  and %d findings more\n", v.More)
		}
		for _, note := range v.Notes {
			fmt.Fprintf(w, "  note: %s\n", note)
		}
	}
	return nil
}

// contents holds entries against what the law asks while they stream past.
type contents struct {
	ctx   context.Context
	chain *chain // for originals of returns
	check *fiscal.Check
	first fiscal.Body // of entry 0; nil: not read
	next  uint64
}

func (c *contents) entry(head *proof.Head, body []byte) error {
	if head.Index > c.next {
		c.check.Missing(head.Index)
	}
	c.next = head.Index + 1
	if head.Index == 0 {
		c.first, _ = fiscal.Decode(head.Kind, body) // an error is a finding below
	}
	var errs []error
	for _, f := range c.check.Entry(head, body) {
		errs = append(errs, errors.New(f.Code+": "+f.Text))
	}
	return errors.Join(errs...)
}

// lookup reads an earlier receipt of the same journal or of an epoch before.
func (c *contents) lookup(origin string, index uint64) (*fiscal.Receipt, error) {
	j := c.chain.journals[origin]
	if j == nil {
		return nil, fiscal.ErrElsewhere
	}
	e, err := oneEntry(c.ctx, j, index)
	if err != nil {
		return nil, err
	}
	return receiptIn(&e)
}

// receiptIn is the receipt that an entry holds.
func receiptIn(e *journal.Entry) (*fiscal.Receipt, error) {
	b, err := fiscal.Decode(e.Head.Kind, e.Body)
	if err != nil {
		return nil, err
	}
	r, ok := b.(*fiscal.Receipt)
	if !ok {
		return nil, fmt.Errorf("entry %d is a %s, no receipt", e.Index(), fiscal.KindName(e.Head.Kind))
	}
	return r, nil
}

// verdict is an exit code, as plomb-verify has them; a higher one is not a worse one.
type verdict int

const (
	whole      verdict = 0
	tampered   verdict = 1
	unreadable verdict = 2
	unchecked  verdict = 3
)

func (v verdict) String() string {
	return [...]string{"whole", "TAMPERED", "cannot be read", "consistent, origin unchecked"}[v]
}

// or is the graver of two.
func (v verdict) or(w verdict) verdict {
	for _, g := range []verdict{tampered, unreadable, unchecked} {
		if v == g || w == g {
			return g
		}
	}
	return whole
}

// err makes the exit code; whole is none.
func (v verdict) err() error {
	if v == whole {
		return nil
	}
	return coded{errors.New(v.String()), v}
}

// coded is an error with a verdict for its exit code.
type coded struct {
	error
	v verdict
}

func (c coded) ExitCode() int { return int(c.v) }
func (c coded) Unwrap() error { return c.error }

// usageError is a command called wrongly in a way that only it can tell.
type usageError struct{ error }

func (usageError) ExitCode() int   { return exitUsage }
func (u usageError) Unwrap() error { return u.error }

// newBar shows progress on a terminal, and nothing elsewhere.
func newBar(w io.Writer, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetVisibility(isTerminal(w)),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true))
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// writeLine writes a value as one line of JSON.
func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.PreserveRawStrings(true))
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
