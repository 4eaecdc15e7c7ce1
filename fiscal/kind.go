package fiscal

import (
	"slices"

	"github.com/plomb-pos/plomb/journal/proof"
)

// The kinds of entries. Numbers and names are for ever: a kind that goes out of
// use keeps its number, a new one gets a new number.
const (
	KindCommission proof.Kind = 1 // first entry of the first epoch
	KindEpoch      proof.Kind = 2 // first entry of any later epoch
	KindSnapshot   proof.Kind = 3 // all state needed to sell
	KindDeviceHost proof.Kind = 4 // first entry of the journal of a host of devices

	KindDecommission proof.Kind = 5 // nothing is sold after it

	KindReceipt  proof.Kind = 10
	KindReturn   proof.Kind = 11
	KindVoid     proof.Kind = 12
	KindTraining proof.Kind = 13 // own numbering, outside all totals
	KindLate     proof.Kind = 14 // a receipt written by hand before
	KindCopy     proof.Kind = 15
	KindProForma proof.Kind = 16 // a bill before the sale is finished: no fiscal document

	KindAborted     proof.Kind = 20
	KindSuspended   proof.Kind = 21
	KindResumed     proof.Kind = 22
	KindLineRemoved proof.Kind = 23
	KindPriceLookup proof.Kind = 24

	KindShiftOpen    proof.Kind = 30
	KindFloatIn      proof.Kind = 31
	KindPayIn        proof.Kind = 32
	KindPayOut       proof.Kind = 33
	KindCount        proof.Kind = 34
	KindShiftClose   proof.Kind = 35
	KindDrawerOpened proof.Kind = 36 // the drawer itself
	KindDrawerClosed proof.Kind = 37
	KindNoSale       proof.Kind = 38

	KindXReport proof.Kind = 40
	KindZReport proof.Kind = 41

	KindLogin        proof.Kind = 50
	KindLogout       proof.Kind = 51
	KindLock         proof.Kind = 52
	KindUnlock       proof.Kind = 53
	KindAuthFail     proof.Kind = 54
	KindStepUp       proof.Kind = 55
	KindRefused      proof.Kind = 56
	KindTrainingMode proof.Kind = 57

	KindPriceChange   proof.Kind = 60
	KindArticleChange proof.Kind = 61
	KindTaxChange     proof.Kind = 62
	KindUserChange    proof.Kind = 63
	KindConfigChange  proof.Kind = 64

	KindSoftwareStart  proof.Kind = 70
	KindSoftwareChange proof.Kind = 71
	KindClockChange    proof.Kind = 72
	KindSignerDown     proof.Kind = 73
	KindSignerUp       proof.Kind = 74
	KindKeyRotate      proof.Kind = 75
	KindRecovery       proof.Kind = 76
	KindDeviceState    proof.Kind = 77

	KindSoftwareStage   proof.Kind = 78 // a step of an update, or a line of the launcher
	KindSoftwareConsent proof.Kind = 79 // what a person agreed to, or put off

	KindIntent      proof.Kind = 80
	KindOutcome     proof.Kind = 81
	KindPrinted     proof.Kind = 82
	KindPrintFailed proof.Kind = 83
	KindDispensed   proof.Kind = 84

	KindConnectionRefused proof.Kind = 85

	KindExport           proof.Kind = 90
	KindJournalViewed    proof.Kind = 91
	KindCountrySignature proof.Kind = 92
)

// registration is a row of the registry.
type registration struct {
	kind     proof.Kind
	name     string
	security bool
	make     func() Body
}

var registry = []registration{
	{KindCommission, "commission", true, func() Body { return new(Commission) }},
	{KindEpoch, "epoch", true, func() Body { return new(Epoch) }},
	{KindSnapshot, "snapshot", false, func() Body { return new(Snapshot) }},
	{KindDeviceHost, "device-host", true, func() Body { return new(DeviceHost) }},
	{KindDecommission, "decommission", true, func() Body { return new(Decommission) }},
	{KindReceipt, "receipt", false, func() Body { return new(Receipt) }},
	{KindReturn, "return", false, func() Body { return new(Receipt) }},
	{KindVoid, "void", false, func() Body { return new(Receipt) }},
	{KindTraining, "training", false, func() Body { return new(Receipt) }},
	{KindLate, "late-entry", false, func() Body { return new(Receipt) }},
	{KindCopy, "copy", false, func() Body { return new(Copy) }},
	{KindProForma, "pro-forma", false, func() Body { return new(ProForma) }},
	{KindAborted, "aborted", false, func() Body { return new(Aborted) }},
	{KindSuspended, "suspended", false, func() Body { return new(Suspended) }},
	{KindResumed, "resumed", false, func() Body { return new(Resumed) }},
	{KindLineRemoved, "line-removed", false, func() Body { return new(LineRemoved) }},
	{KindPriceLookup, "price-lookup", false, func() Body { return new(PriceLookup) }},
	{KindShiftOpen, "shift-open", false, func() Body { return new(ShiftOpen) }},
	{KindFloatIn, "float-in", false, func() Body { return new(FloatIn) }},
	{KindPayIn, "pay-in", false, func() Body { return new(PayIn) }},
	{KindPayOut, "pay-out", false, func() Body { return new(PayOut) }},
	{KindCount, "count", false, func() Body { return new(Count) }},
	{KindShiftClose, "shift-close", false, func() Body { return new(ShiftClose) }},
	{KindDrawerOpened, "drawer-opened", false, func() Body { return new(DrawerOpened) }},
	{KindDrawerClosed, "drawer-closed", false, func() Body { return new(DrawerClosed) }},
	{KindNoSale, "no-sale", false, func() Body { return new(NoSale) }},
	{KindXReport, "x-report", false, func() Body { return new(XReport) }},
	{KindZReport, "z-report", false, func() Body { return new(ZReport) }},
	{KindLogin, "login", true, func() Body { return new(Login) }},
	{KindLogout, "logout", true, func() Body { return new(Logout) }},
	{KindLock, "lock", true, func() Body { return new(Lock) }},
	{KindUnlock, "unlock", true, func() Body { return new(Unlock) }},
	{KindAuthFail, "auth-fail", true, func() Body { return new(AuthFail) }},
	{KindStepUp, "step-up", true, func() Body { return new(StepUp) }},
	{KindRefused, "refused", true, func() Body { return new(Refused) }},
	{KindTrainingMode, "training-mode", false, func() Body { return new(TrainingMode) }},
	{KindPriceChange, "price-change", false, func() Body { return new(PriceChange) }},
	{KindArticleChange, "article-change", false, func() Body { return new(ArticleChange) }},
	{KindTaxChange, "tax-change", true, func() Body { return new(TaxChange) }},
	{KindUserChange, "user-change", true, func() Body { return new(UserChange) }},
	{KindConfigChange, "config-change", true, func() Body { return new(ConfigChange) }},
	{KindSoftwareStart, "software-start", true, func() Body { return new(SoftwareStart) }},
	{KindSoftwareChange, "software-change", true, func() Body { return new(SoftwareChange) }},
	{KindClockChange, "clock-change", true, func() Body { return new(ClockChange) }},
	{KindSignerDown, "signer-down", true, func() Body { return new(SignerDown) }},
	{KindSignerUp, "signer-up", true, func() Body { return new(SignerUp) }},
	{KindKeyRotate, "key-rotate", true, func() Body { return new(KeyRotate) }},
	{KindRecovery, "recovery", true, func() Body { return new(Recovery) }},
	{KindDeviceState, "device-state", true, func() Body { return new(DeviceState) }},
	{KindSoftwareStage, "software-stage", true, func() Body { return new(SoftwareStage) }},
	{KindSoftwareConsent, "software-consent", true, func() Body { return new(SoftwareConsent) }},
	{KindIntent, "intent", false, func() Body { return new(Intent) }},
	{KindOutcome, "outcome", false, func() Body { return new(Outcome) }},
	{KindPrinted, "printed", false, func() Body { return new(Printed) }},
	{KindPrintFailed, "print-failed", false, func() Body { return new(PrintFailed) }},
	{KindDispensed, "dispensed", false, func() Body { return new(Dispensed) }},
	{KindConnectionRefused, "connection-refused", true, func() Body { return new(ConnectionRefused) }},
	{KindExport, "export", true, func() Body { return new(Export) }},
	{KindJournalViewed, "journal-viewed", true, func() Body { return new(JournalViewed) }},
	{KindCountrySignature, "country-signature", false, func() Body { return new(CountrySignature) }},
}

func lookup(k proof.Kind) (registration, bool) {
	i, ok := slices.BinarySearchFunc(registry, k, func(r registration, k proof.Kind) int { return int(r.kind) - int(k) })
	if !ok {
		return registration{}, false
	}
	return registry[i], true
}

// Kinds returns all kinds in the order of their numbers.
func Kinds() []proof.Kind {
	out := make([]proof.Kind, len(registry))
	for i, r := range registry {
		out[i] = r.kind
	}
	return out
}

// KindName returns the name of a kind, "receipt", or "" for an unknown one.
func KindName(k proof.Kind) string {
	r, _ := lookup(k)
	return r.name
}

// KindNamed returns the kind with a name.
func KindNamed(name string) (proof.Kind, bool) {
	i := slices.IndexFunc(registry, func(r registration) bool { return r.name == name })
	if i < 0 {
		return 0, false
	}
	return registry[i].kind, true
}

// Security reports whether entries of a kind are security events, which views
// and exports show to administrators and inspectors only.
func Security(k proof.Kind) bool {
	r, _ := lookup(k)
	return r.security
}
