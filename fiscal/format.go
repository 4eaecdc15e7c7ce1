package fiscal

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Formats of what a till writes: bodies and snapshots. A program reads all of them up
// to its Format, and nothing beyond. What is added later is of the next one: a kind has
// its row in kindFormats, a member is told by its body's method format.
//
//	1  what there was until software had metadata
//	2  SoftwareStage.Metadata and StageMetadata, Updates.Metadata; Release.Approved; the kinds
//	   pro-forma and decommission
//
// A till writes a format only once every version of its software that may still be
// started reads it (till.Options.Format), so that a version which is fallen back to
// reads all that the other wrote.
const Format = 2

// Formats are those that this program reads, as a release's manifest says them.
func Formats() (out []int) {
	for f := 1; f <= Format; f++ {
		out = append(out, f)
	}
	return out
}

// LowestFormat is the one that a till which may write no newer one keeps to.
const LowestFormat = 1

// kindFormats are the formats that brought kinds; a kind that is not there was there
// from the beginning.
var kindFormats = map[proof.Kind]int{KindDecommission: 2, KindProForma: 2}

// FormatOf is the lowest format in which a body can be written.
func FormatOf(b Body) int {
	f := max(LowestFormat, kindFormats[b.Kind()])
	if m, ok := b.(interface{ format() int }); ok {
		f = max(f, m.format())
	}
	return f
}

// IsNewer reports whether an error of Decode or Restore says that a newer program wrote
// what this one cannot read: it is whole, and of a kind or with members from later.
func IsNewer(err error) bool {
	var e *Error
	return errors.As(err, &e) && NewerCode(e.Reason)
}

// NewerCode is IsNewer for the code of a finding.
func NewerCode(code string) bool { return code == CodeUnknownKind || code == CodeNewer }

// malformed is the refusal of JSON that cannot be read: members from later are no
// damage.
func malformed(doing string, data []byte, err error) error {
	var e *json.SemanticError
	if errors.As(err, &e) && errors.Is(e.Err, json.ErrUnknownName) && jsontext.Value(data).IsValid() {
		return because(CodeNewer, doing+", of a newer program", err)
	}
	return because(CodeMalformed, doing, err)
}
