package sale

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The codes of this package's refusals. They are stable: the screen turns them
// into words.
const (
	CodeBadID             = "bad-basket-id"
	CodeBadMode           = "bad-mode"
	CodeBadTerms          = "bad-terms"
	CodeWrongMode         = "wrong-mode"
	CodeNotOpen           = "basket-not-open"
	CodeNotSuspended      = "basket-not-suspended"
	CodeTendered          = "basket-tendered"
	CodeEmpty             = "basket-empty"
	CodeNotEmpty          = "basket-not-empty"
	CodeTooManyLines      = "too-many-lines"
	CodeUnknownLine       = "unknown-line"
	CodeBadQuantity       = "bad-quantity"
	CodeQuantityLimit     = "quantity-too-large"
	CodeIndivisible       = "quantity-not-whole"
	CodeBadPrice          = "bad-price"
	CodePriceLimit        = "price-too-large"
	CodeAmountLimit       = "amount-too-large"
	CodeBadText           = "bad-text"
	CodeTextLimit         = "text-too-long"
	CodeReasonMissing     = "reason-missing"
	CodeApproverMissing   = "approver-missing"
	CodeBadTax            = "bad-tax"
	CodeFixedPrice        = "fixed-price"
	CodeBadDiscount       = "bad-discount"
	CodeDiscountLimit     = "too-many-discounts"
	CodeDiscountExceeds   = "discount-exceeds-amount"
	CodeUnknownDiscount   = "unknown-discount"
	CodeBadTender         = "bad-tender"
	CodeTenderNotAccepted = "tender-not-accepted"
	CodeTooManyTenders    = "too-many-tenders"
	CodeUnknownTender     = "unknown-tender"
	CodeTenderExceeds     = "tender-exceeds-due"
	CodeAlreadyPaid       = "already-paid"
	CodeNotPaid           = "not-paid"
	CodeChangeLimit       = "change-too-large"
	CodeForeign           = "foreign-tender-refused"
	CodeNoOriginal        = "return-without-original"
	CodeNotReturnable     = "receipt-not-returnable"
	CodeReturnQuantity    = "return-exceeds-quantity"
	CodeReturnMoney       = "return-exceeds-money"
	CodeLineReturned      = "line-already-in-return"
	CodeNotVoidable       = "receipt-not-voidable"
	CodeAlreadyReturned   = "receipt-already-returned"
	CodeDocument          = "document-inconsistent"
	CodeMalformed         = "malformed"
)

// Error is a refusal with a stable code for the screen's words.
type Error struct {
	Reason string // one of the codes
	Detail string // for the log, English
	Err    error  // what another package said, or nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Detail + ": " + e.Err.Error()
	}
	return e.Detail
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Err }

// Code returns the stable code, such as "return-exceeds-money".
func (e *Error) Code() string { return e.Reason }

func refuse(code, format string, args ...any) error {
	return &Error{Reason: code, Detail: fmt.Sprintf(format, args...)}
}

func because(code, doing string, err error) error {
	return &Error{Reason: code, Detail: doing, Err: err}
}

// text checks a text from outside: valid UTF-8, one line, at most limit characters.
func text(what, s string, limit int) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, control) {
		return refuse(CodeBadText, "%s is not one line of text", what)
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return refuse(CodeTextLimit, "%s has %d characters, at most %d are possible", what, n, limit)
	}
	return nil
}

func control(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029
}

func reason(s string) error {
	if strings.TrimSpace(s) == "" {
		return refuse(CodeReasonMissing, "a reason is needed")
	}
	return text("reason", s, MaxReason)
}
