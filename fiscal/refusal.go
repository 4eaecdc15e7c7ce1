package fiscal

import "fmt"

// The codes of this package's refusals and findings.
const (
	CodeMalformed       = "malformed-body"
	CodeNotCanonical    = "body-not-canonical"
	CodeUnknownKind     = "unknown-kind"
	CodeNewer           = "newer-format"
	CodeWrongKind       = "body-of-another-kind"
	CodeIndex           = "index-gap"
	CodeTime            = "time-backwards"
	CodeOrigin          = "wrong-origin"
	CodeNumbers         = "numbers-differ"
	CodeFlags           = "flags-differ"
	CodeNotCommissioned = "not-commissioned"
	CodeCommissioned    = "already-commissioned"
	CodeDocumentNumber  = "document-number"
	CodeGrand           = "grand-totals"
	CodeFigures         = "figures-differ"
	CodeSnapshot        = "snapshot-differs"
	CodeReference       = "wrong-reference"
	CodeReturned        = "return-exceeds-original"
	CodeVoidClosed      = "void-after-close"
	CodeCopyNumber      = "copy-number"
	CodeSession         = "drawer-session-differs"
	CodeOutage          = "outage-mark"
	CodeShop            = "bad-shop"
	CodeMode            = "training-mode-differs"
	CodeTooLarge        = "body-too-large"
	CodeIntent          = "unknown-intent"
	CodeReason          = "reason-missing"
	CodeSoftware        = "bad-software-stage"
	CodeDecommissioned  = "decommissioned"
	CodeDayOpen         = "day-open"
	CodeSessionOpen     = "session-open"
)

// Error is a refusal, or a finding about an entry, with a stable code.
type Error struct {
	Reason string // one of the codes
	Detail string // for the log, English
	Err    error  // cause, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Code returns the stable code, such as "document-number".
func (e *Error) Code() string { return e.Reason }

func refuse(code, format string, args ...any) error {
	return &Error{Reason: code, Detail: fmt.Sprintf(format, args...)}
}

func because(code, doing string, err error) error {
	return &Error{Reason: code, Detail: doing, Err: err}
}
