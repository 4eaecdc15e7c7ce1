package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
)

// verdict is an exit code.
type verdict int

// Exit codes.
const (
	whole      verdict = 0
	tampered   verdict = 1
	unreadable verdict = 2
	unchecked  verdict = 3
)

func (v verdict) String() string {
	return [...]string{"whole", "TAMPERED", "cannot be read", "consistent, origin unchecked"}[v]
}

// item is one journal, receipt, checkpoint or proof that was checked.
type item struct {
	Path          string    `json:"path"`
	Kind          string    `json:"kind"`
	Verdict       string    `json:"verdict"`
	Origin        string    `json:"origin,omitempty"`
	Size          uint64    `json:"size"`
	Root          string    `json:"root,omitempty"`
	OriginChecked bool      `json:"originChecked"`
	Contents      uint64    `json:"contents,omitempty"`   // entries opened and compared
	Erased        uint64    `json:"erased,omitempty"`     // entries without a key
	Signatures    uint64    `json:"signatures,omitempty"` // verified
	Signed        uint64    `json:"signed,omitempty"`     // size that they vouch for
	Torn          bool      `json:"torn,omitempty"`
	Witnesses     []string  `json:"witnesses,omitempty"`
	Entry         *entry    `json:"entry,omitempty"`
	Remarks       []string  `json:"remarks,omitempty"`
	Findings      []finding `json:"findings,omitempty"`
	More          uint64    `json:"moreFindings,omitempty"`
	Error         string    `json:"error,omitempty"`
}

// entry is what a receipt or proof shows of its entry.
type entry struct {
	Index    uint64   `json:"index"`
	Kind     uint16   `json:"kind"`
	Time     string   `json:"time"`
	Training bool     `json:"training,omitempty"`
	Unsure   bool     `json:"clockUnsure,omitempty"`
	Numbers  []number `json:"numbers,omitempty"`
}

type number struct {
	Tag   uint8 `json:"tag"`
	Value int64 `json:"value"`
}

// finding is one thing that is wrong.
type finding struct {
	Path    string `json:"path"`
	Index   uint64 `json:"index"`
	What    string `json:"what"`
	Detail  string `json:"detail"`
	Segment uint32 `json:"segment,omitempty"`
	Offset  uint32 `json:"offset,omitempty"`
}

func cannotRead(path, kind string, err error) item {
	return item{Path: path, Kind: kind, Error: err.Error()}
}

func (it *item) find(index uint64, what, detail string) {
	it.Findings = append(it.Findings, finding{Path: it.Path, Index: index, What: what, Detail: detail})
}

// say remarks on what is not wrong and has to be known.
func (it *item) say(format string, args ...any) {
	it.Remarks = append(it.Remarks, fmt.Sprintf(format, args...))
}

// describe shows what the head says; it counts as far as the signature does.
func (it *item) describe(head []byte) {
	h, err := proof.ParseHead(head)
	if err != nil {
		return
	}
	e := &entry{
		Index: h.Index, Kind: uint16(h.Kind), Time: time.UnixMilli(h.Time).UTC().Format("2006-01-02T15:04:05.000Z"),
		Training: h.Flags&proof.FlagTraining != 0, Unsure: h.Flags&proof.FlagClockUnsure != 0,
	}
	for _, n := range h.Numbers {
		e.Numbers = append(e.Numbers, number(n))
	}
	it.Entry = e
}

func (it *item) verdict() verdict {
	switch {
	case len(it.Findings) > 0:
		return tampered
	case it.Error != "":
		return unreadable
	case !it.OriginChecked:
		return unchecked
	}
	return whole
}

// result is everything that was checked.
type result struct {
	items []item
}

func (r *result) add(it item) {
	it.Verdict = it.verdict().String()
	r.items = append(r.items, it)
}

// unmatched reports checkpoints of journals that are not here: one may have been renamed.
func (r *result) unmatched(points []point) {
	for _, p := range points {
		if p.used {
			continue
		}
		it := item{Path: p.from, Kind: kindCheckpoint, Origin: p.Origin, Size: p.Size, Root: p.Root.String()}
		it.find(p.Size, "origin", fmt.Sprintf("none of the journals is %s", p.Origin))
		r.add(it)
	}
}

// verdict is the gravest of all: tampered, unreadable, unchecked, whole.
func (r *result) verdict() verdict {
	worst := whole
	for _, v := range []verdict{unchecked, unreadable, tampered} {
		for i := range r.items {
			if r.items[i].verdict() == v {
				worst = v
			}
		}
	}
	return worst
}

func (r *result) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return r.printJSON(w)
	}
	for i := range r.items {
		if err := r.items[i].print(w); err != nil {
			return err
		}
	}
	if len(r.items) > 1 {
		_, err := fmt.Fprintf(w, "all together: %v\n", r.verdict())
		return err
	}
	return nil
}

// printJSON prints one object; size and root are those of the last journal, or
// of the last thing checked where there is none.
func (r *result) printJSON(w io.Writer) error {
	out := struct {
		OK       bool      `json:"ok"` // exit code 0
		Verdict  string    `json:"verdict"`
		Origin   string    `json:"origin"`
		Size     uint64    `json:"size"`
		Root     string    `json:"root"`
		Findings []finding `json:"findings"`
		Checked  []item    `json:"checked"`
	}{OK: r.verdict() == whole, Verdict: r.verdict().String(), Findings: []finding{}, Checked: r.items}
	seen := ""
	for _, it := range r.items {
		out.Findings = append(out.Findings, it.Findings...)
		if it.Error == "" && (it.Kind == kindJournal || seen != kindJournal) {
			seen, out.Origin, out.Size, out.Root = it.Kind, it.Origin, it.Size, it.Root
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// print tells one item in words.
func (it *item) print(w io.Writer) error {
	p := printer{w: w}
	p.line("%s: %v", it.Path, it.verdict())
	if it.Error != "" {
		p.line("  %s", it.Error)
		return p.err
	}
	p.line("  %s of %s, %d entries, root %s", it.Kind, it.Origin, it.Size, it.Root)
	if e := it.Entry; e != nil {
		p.line("  entry %d of kind %d, %s, numbers %v", e.Index, e.Kind, e.Time, e.Numbers)
	}
	if it.Kind == kindReleases && len(it.Witnesses) > 0 {
		p.line("  cosigned by %s", strings.Join(it.Witnesses, ", "))
	}
	if it.Kind == kindJournal {
		p.line("  checked: the tree, the contents of %d entries, %d signatures", it.Contents, it.Signatures)
	}
	for _, s := range it.Remarks {
		p.line("  note: %s", s)
	}
	for _, f := range it.Findings {
		p.line("  %s: %s: %s%s", f.where(it), f.What, f.Detail, f.place())
	}
	if it.More > 0 {
		p.line("  and %d findings more", it.More)
	}
	return p.err
}

// where is the entry, or the file where there is no entry.
func (f *finding) where(it *item) string {
	if f.Path != it.Path {
		return f.Path
	}
	return fmt.Sprintf("entry %d", f.Index)
}

func (f *finding) place() string {
	if f.Segment == 0 {
		return ""
	}
	return fmt.Sprintf(" (segment %d at byte %d)", f.Segment, f.Offset)
}

// printer remembers the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}
