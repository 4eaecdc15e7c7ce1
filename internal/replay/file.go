package replay

import (
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/money"
)

// ErrFile says that a file has not the columns of the data set, or a line not
// the form of one.
var ErrFile = errors.New("not a file of invoice lines")

// Line is one line of the file.
type Line struct {
	No       int // in the file, from 1; the first is the names of the columns
	Invoice  string
	Code     string // of the article
	Name     string
	Quantity int64
	At       time.Time    // as in the file; its zone is the shop's
	Price    money.Amount // pence a piece
	Customer string       // empty: not known
}

// Amount is what the line is worth, in pence.
func (l *Line) Amount() money.Amount { return money.Amount(l.Quantity) * l.Price }

// cancels reports whether the line is one of a cancellation.
func (l *Line) cancels() bool { return strings.HasPrefix(l.Invoice, "C") }

// Shop and currency of the data set.
const (
	currency = money.Currency("GBP")
	country  = money.Country("GB")
	zoneName = "Europe/London"
)

var columns = []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}

// fileLimit is more than a year of the data set, in bytes; it bounds memory.
const fileLimit = 256 << 20

// Limits of one line, far above any in the data set, by which sums of a file fit in 64 bits.
const (
	maxQuantity = 1_000_000
	maxPrice    = 1_000_000_000
)

// Read reads a file and decides what is to be booked of it.
func Read(r io.Reader) (*Plan, error) {
	sum := sha256.New()
	in := csv.NewReader(io.TeeReader(io.LimitReader(r, fileLimit+1), sum))
	in.FieldsPerRecord = len(columns)
	if head, err := in.Read(); err != nil || !slices.Equal(head, columns) {
		return nil, fmt.Errorf("%w: the first line does not name the columns %s", ErrFile, strings.Join(columns, ","))
	}
	var lines []Line
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFile, err)
		}
		no, _ := in.FieldPos(0)
		l, err := parseLine(no, fields)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFile, no, err)
		}
		lines = append(lines, l)
	}
	if in.InputOffset() > fileLimit || len(lines) == 0 {
		return nil, fmt.Errorf("%w: empty, or more than %d bytes", ErrFile, fileLimit)
	}
	return newPlan(lines, [sha256.Size]byte(sum.Sum(nil)))
}

func parseLine(no int, f []string) (Line, error) {
	quantity, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil || quantity > maxQuantity || quantity < -maxQuantity {
		return Line{}, fmt.Errorf("quantity %q", f[3])
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return Line{}, err
	}
	at, err := time.ParseInLocation(time.DateTime, f[4], zone)
	if err != nil {
		return Line{}, fmt.Errorf("date %q", f[4])
	}
	price, err := money.ParseAmount(f[5], currency)
	if err != nil || price < 0 || price > maxPrice {
		return Line{}, fmt.Errorf("price %q", f[5])
	}
	if f[0] == "" || !validCode(f[1]) {
		return Line{}, fmt.Errorf("invoice %q, stock code %q", f[0], f[1])
	}
	customer := strings.TrimSuffix(f[6], ".0") // the source writes numbers as fractions
	return Line{No: no, Invoice: f[0], Code: f[1], Name: strings.TrimSpace(f[2]), Quantity: quantity, At: at, Price: price, Customer: customer}, nil
}

// validCode reports whether an article number can be made of a stock code.
func validCode(s string) bool {
	return s != "" && len(s) <= 40 && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
