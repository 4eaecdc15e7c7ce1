package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/receipt"
)

type receiptCommand struct {
	Show   receiptShow   `cmd:"" help:"Print a receipt, made again from its journal entry."`
	Verify receiptVerify `cmd:"" help:"Check the code of a receipt, alone and offline."`
}

type receiptShow struct {
	epochFiles
	Number   int64  `arg:"" help:"Document number."`
	Training bool   `help:"The number is that of a training receipt."`
	CopyText bool   `help:"Mark the text as a copy: how the next copy will look."`
	Code     bool   `help:"Print the text of the receipt's code only."`
	Columns  int    `enum:"32,48" default:"48" help:"Columns of the paper, 32 or 48."`
	Language string `enum:",en,de,pl,zh" default:"" help:"en, de, pl or zh; the shop's own otherwise."`
	JSON     bool   `name:"json" help:"One line of JSON."`
}

// shownReceipt is a receipt for a script.
type shownReceipt struct {
	Number   int64          `json:"number"`
	Kind     string         `json:"kind"`
	Origin   string         `json:"origin"`
	Index    uint64         `json:"index"`
	At       time.Time      `json:"at"`
	Total    money.Amount   `json:"total"` // minor units
	Currency money.Currency `json:"currency"`
	Copies   int            `json:"copies"` // recorded
	Code     string         `json:"code"`   // "": no signature is stored yet
	Text     string         `json:"text"`
}

// Help says that this is no copy in the law's sense.
func (receiptShow) Help() string {
	return `What is printed follows from the journal entry alone. It is a view for whoever may
read the till's files and leaves no entry; a copy for a customer is made at the
till, which records it.`
}

func (c receiptShow) Run(ctx context.Context, s streams) error {
	j, err := c.open()
	if err != nil {
		return err
	}
	e, copies, err := c.find(ctx, j)
	if err != nil {
		return err
	}
	doc, err := fiscal.ReceiptOf(e.Head, e.Body)
	if err != nil {
		return err
	}
	if doc.Code, err = codeOf(ctx, j, e); err != nil {
		return err
	}
	if c.CopyText {
		doc.Copy = copies + 1
	}
	if c.JSON {
		return writeLine(s.Out, shownReceipt{
			Number: doc.Number, Kind: fiscal.KindName(e.Head.Kind), Origin: doc.Origin, Index: doc.Index, At: doc.At, Total: doc.Sale.Total,
			Currency: doc.Sale.Currency, Copies: copies, Code: doc.Code, Text: receipt.PlainText(doc, c.Columns, c.Language),
		})
	}
	return c.print(s.Out, doc)
}

func (c receiptShow) print(w io.Writer, doc receipt.Document) error {
	if !c.Code {
		_, err := io.WriteString(w, receipt.PlainText(doc, c.Columns, c.Language))
		return err
	}
	if doc.Code == "" {
		return hint{fmt.Errorf("receipt %d: %w", c.Number, journal.ErrUnsigned), "the till stores a signature with the entries after it, and when it has come to rest"}
	}
	_, err := fmt.Fprintln(w, doc.Code)
	return err
}

// find looks for the document, and counts its recorded copies.
func (c receiptShow) find(ctx context.Context, j *journal.ReadOnly) (found *journal.Entry, copies int, err error) {
	tag := fiscal.TagDocument
	if c.Training {
		tag = fiscal.TagTraining
	}
	unread := 0
	for e, err := range j.Entries(ctx, 0, endOr(0)) {
		switch {
		case errors.Is(err, journal.ErrDamaged) || errors.Is(err, journal.ErrErased):
			unread++
		case err != nil:
			return nil, 0, err
		case found == nil && e.Sign && number(e.Head, tag) == c.Number:
			found = &e
		case found != nil && isCopyOf(&e, found):
			copies++
		}
	}
	if found == nil {
		return nil, 0, fmt.Errorf("receipt %d: %w among the entries that can be read (%d cannot)", c.Number, journal.ErrNotFound, unread)
	}
	return found, copies, nil
}

func number(h *proof.Head, tag uint8) int64 {
	n, _ := h.Number(tag)
	return n
}

func isCopyOf(e, original *journal.Entry) bool {
	n, ok := e.Head.Number(fiscal.TagReferenced)
	return ok && e.Head.Kind == fiscal.KindCopy && uint64(n) == original.Index()
}

// codeOf is the receipt's code, empty while its signature is not stored.
func codeOf(ctx context.Context, j *journal.ReadOnly, e *journal.Entry) (string, error) {
	s, err := j.SignatureOf(ctx, e.Index(), e.Leaf)
	if errors.Is(err, journal.ErrUnsigned) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return fiscal.Code(e.HeadBytes, s.Checkpoint, s.KeyHash, s.Sig)
}

type receiptVerify struct {
	Text   string `arg:"" help:"Text of the receipt's code (PLOMB1:...), or - to read it from standard input."`
	Policy string `type:"existingfile" help:"Who may sign: a C2SP policy file from elsewhere than the receipt."`
	JSON   bool   `name:"json" help:"One line of JSON."`
}

// Help names the exit codes.
func (receiptVerify) Help() string {
	return `The code says what was recorded and is signed by the till's key. Exit codes as
those of plomb-verify: 0 genuine, 1 not genuine, 2 cannot be read, 3 well-formed,
but without a policy nobody vouches for the key.`
}

// verifiedReceipt is what the code says and whether that can be believed.
type verifiedReceipt struct {
	OK      bool                `json:"ok"` // exit code 0
	Verdict string              `json:"verdict"`
	Receipt *fiscal.Explanation `json:"receipt,omitzero"`
}

func (c receiptVerify) Run(s streams) error {
	text, err := c.text(s.In)
	if err != nil {
		return coded{err, unreadable}
	}
	keys := note.VerifierList()
	if c.Policy != "" {
		p, err := readPolicy(c.Policy)
		if err != nil {
			return coded{err, unreadable}
		}
		keys = p.Logs()
	}
	e, err := fiscal.Explain(text, keys)
	switch {
	case errors.Is(err, proof.ErrSignature):
		return c.answer(s.Out, tampered, nil)
	case err != nil:
		return coded{err, unreadable}
	}
	return c.answer(s.Out, c.judge(e), &e)
}

func (c receiptVerify) judge(e fiscal.Explanation) verdict {
	switch {
	case c.Policy == "":
		return unchecked
	case !e.Verified: // by a key that the policy does not list
		return tampered
	}
	return whole
}

// receiptLimit is more than any receipt code has, in bytes.
const receiptLimit = 16 << 10

func (c receiptVerify) text(stdin io.Reader) (string, error) {
	if c.Text != "-" {
		return c.Text, nil
	}
	b, err := io.ReadAll(io.LimitReader(stdin, receiptLimit))
	if err != nil {
		return "", fmt.Errorf("read receipt code: %w", err)
	}
	return string(bytes.TrimRight(b, "\r\n")), nil
}

func (c receiptVerify) answer(w io.Writer, v verdict, e *fiscal.Explanation) error {
	words := map[verdict]string{whole: "genuine", tampered: "NOT GENUINE", unchecked: "well-formed, nobody vouches for its key"}[v]
	if c.JSON {
		if err := writeLine(w, verifiedReceipt{v == whole, words, e}); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(w, words)
		if e != nil {
			fmt.Fprint(w, explained(e))
		}
	}
	if v == whole {
		return nil
	}
	return coded{errors.New(words), v}
}

// explained tells what the code says in words.
func explained(e *fiscal.Explanation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %d, %s %s (of it tax %s), %d lines\n", e.Kind, e.Number, e.Total.Text(e.Currency), e.Currency, e.Tax.Text(e.Currency), e.Lines)
	fmt.Fprintf(&b, "  recorded %s as entry %d of %s\n", e.At.Format(time.RFC3339), e.Index, e.Origin)
	for _, m := range []struct {
		holds bool
		words string
	}{{e.Training, "training: no business transaction"}, {e.Outage, "issued while the signer was down"}, {e.Late, "recorded after the fact"}, {e.Unsure, "the till's clock was in doubt"}} {
		if m.holds {
			fmt.Fprintf(&b, "  %s\n", m.words)
		}
	}
	return b.String()
}
