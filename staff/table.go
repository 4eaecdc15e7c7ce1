package staff

import "slices"

// Name names an operation, as the till's API and the glossary do.
type Name string

// Operation is a row of the table.
type Operation struct {
	Name   Name
	Roles  []Role // may do it alone
	StepUp []Role // may approve it for who may not do it alone, as far as Asks says
	Asks   []Role // may do it once somebody of StepUp has approved
	Entry  string // name of the journal kind that records it; "" where reading it leaves no trace
	Reauth bool   // the person has to prove who they are again, at once
}

// The operations of a till.
const (
	SignIn          Name = "sign-in"
	SignOut         Name = "sign-out"
	Lock            Name = "lock"
	Unlock          Name = "unlock"
	Sell            Name = "sell"
	Quantity        Name = "quantity"
	LineRemoval     Name = "line-removal"
	Abort           Name = "abort"
	Suspend         Name = "suspend"
	Resume          Name = "resume"
	Discount        Name = "discount"       // up to the shop's limit
	DiscountAbove   Name = "discount-above" // above the shop's limit
	PriceOverride   Name = "price-override"
	Tender          Name = "tender"
	Complete        Name = "complete"
	Return          Name = "return"
	ReturnNoReceipt Name = "return-without-receipt"
	Void            Name = "void"
	Copy            Name = "receipt-copy"
	ProForma        Name = "pro-forma" // a bill before the sale is finished
	PriceLookup     Name = "price-lookup"
	NoSale          Name = "no-sale"
	OpenShift       Name = "drawer-open"
	FloatIn         Name = "float-in"
	PayIn           Name = "pay-in"
	PayOut          Name = "pay-out"
	Count           Name = "count"
	CloseShift      Name = "drawer-close"
	XReport         Name = "x-report"
	ZReport         Name = "z-report"
	PeriodReport    Name = "period-report"
	JournalView     Name = "journal-view"
	SecurityView    Name = "security-view" // security events among the journal's entries
	Prove           Name = "prove"
	Export          Name = "export"
	TrainingStart   Name = "training-start"
	TrainingStop    Name = "training-stop"
	ArticlesImport  Name = "articles-import"
	PriceChange     Name = "price-change"
	TaxChange       Name = "tax-change"
	SettingsView    Name = "settings-view"
	SettingsChange  Name = "settings-change"
	PeopleView      Name = "people-view"
	PeopleChange    Name = "people-change"
	AppointAdmin    Name = "appoint-administrator"
	OwnPIN          Name = "own-pin"
	Language        Name = "language"
	DeviceTest      Name = "device-test"
	SoftwareUpdate  Name = "software-update" // agree to an installation, or to what its download costs
	SoftwareLater   Name = "software-later"
	SoftwareCheck   Name = "software-check"
	SoftwareView    Name = "software-view" // history of updates
	ClockSet        Name = "clock-set"
	KeyRotation     Name = "key-rotation"
	NewEpoch        Name = "new-epoch"
	LateEntry       Name = "late-entry"
	Decommission    Name = "decommission"
	ResolveOutcome  Name = "resolve-outcome" // decide what cannot be known, such as a print in a power cut
)

var (
	everyone  = Roles()
	people    = []Role{Operator, Supervisor, FinancialManager, Administrator, Service, Inspector, Responsible}
	sellers   = []Role{Operator, Supervisor}
	buyers    = []Role{Customer, Operator, Supervisor}
	approvers = []Role{Supervisor, Responsible}
	readers   = []Role{FinancialManager, Administrator, Inspector, Responsible}
	deciders  = []Role{Supervisor, Administrator, Service, Responsible} // about updates
)

var table = []Operation{
	{Name: SignIn, Roles: people, Entry: "login"},
	{Name: SignOut, Roles: everyone, Entry: "logout"},
	{Name: Lock, Roles: everyone, Entry: "lock"},
	{Name: Unlock, Roles: everyone, Entry: "unlock", Reauth: true},

	{Name: Sell, Roles: buyers, Entry: "receipt"},
	{Name: Quantity, Roles: buyers},
	{Name: LineRemoval, Roles: sellers, Asks: []Role{Customer}, StepUp: []Role{Operator, Supervisor, Responsible}, Entry: "line-removed"},
	{Name: Abort, Roles: sellers, Asks: []Role{Customer}, StepUp: []Role{Operator, Supervisor, Responsible}, Entry: "aborted"},
	{Name: Suspend, Roles: sellers, Entry: "suspended"},
	{Name: Resume, Roles: sellers, Entry: "resumed"},
	{Name: Discount, Roles: sellers, Entry: "receipt"},
	{Name: DiscountAbove, Roles: []Role{Supervisor}, Asks: []Role{Operator}, StepUp: approvers, Entry: "receipt"},
	{Name: PriceOverride, Roles: []Role{Supervisor}, Asks: []Role{Operator}, StepUp: approvers, Entry: "receipt"},
	{Name: Tender, Roles: buyers, Entry: "receipt"},
	{Name: Complete, Roles: buyers, Entry: "receipt"},
	{Name: Return, Roles: []Role{Supervisor}, Asks: []Role{Operator}, StepUp: approvers, Entry: "return"},
	{Name: ReturnNoReceipt, Asks: sellers, StepUp: approvers, Entry: "return"},
	{Name: Void, Roles: []Role{Supervisor}, Asks: []Role{Operator}, StepUp: approvers, Entry: "void", Reauth: true},
	{Name: Copy, Roles: []Role{Operator, Supervisor, FinancialManager, Responsible}, Entry: "copy"},
	{Name: ProForma, Roles: sellers, Entry: "pro-forma"},
	{Name: PriceLookup, Roles: buyers, Entry: "price-lookup"},

	{Name: NoSale, Roles: []Role{Supervisor}, Asks: []Role{Operator}, StepUp: approvers, Entry: "no-sale"},
	{Name: OpenShift, Roles: sellers, Entry: "shift-open"},
	{Name: FloatIn, Roles: []Role{Operator, Supervisor, FinancialManager}, Entry: "float-in"},
	{Name: PayIn, Roles: []Role{Supervisor, FinancialManager}, Asks: []Role{Operator}, StepUp: []Role{Supervisor, FinancialManager, Responsible}, Entry: "pay-in"},
	{Name: PayOut, Roles: []Role{Supervisor, FinancialManager}, Asks: []Role{Operator}, StepUp: []Role{Supervisor, FinancialManager, Responsible}, Entry: "pay-out", Reauth: true},
	{Name: Count, Roles: []Role{Operator, Supervisor, FinancialManager}, Entry: "count"},
	{Name: CloseShift, Roles: []Role{Operator, Supervisor, FinancialManager}, Entry: "shift-close"},

	{Name: XReport, Roles: []Role{Supervisor, FinancialManager, Inspector, Responsible}, Asks: []Role{Operator}, StepUp: []Role{Supervisor, FinancialManager, Responsible}, Entry: "x-report"},
	{Name: ZReport, Roles: []Role{Supervisor, FinancialManager, Responsible}, Asks: []Role{Operator}, StepUp: []Role{Supervisor, FinancialManager, Responsible}, Entry: "z-report", Reauth: true},
	{Name: PeriodReport, Roles: []Role{FinancialManager, Inspector, Responsible}, Entry: "journal-viewed"},
	{Name: JournalView, Roles: append([]Role{Supervisor}, readers...), Entry: "journal-viewed"},
	{Name: SecurityView, Roles: []Role{Administrator, Inspector}, Entry: "journal-viewed"},
	{Name: Prove, Roles: append([]Role{Operator, Supervisor}, readers...)},
	{Name: Export, Roles: []Role{FinancialManager, Inspector, Responsible}, Entry: "export", Reauth: true},

	{Name: TrainingStart, Roles: []Role{Supervisor, Administrator}, Asks: []Role{Operator}, StepUp: approvers, Entry: "training-mode"},
	{Name: TrainingStop, Roles: []Role{Operator, Supervisor, Administrator, Responsible}, Entry: "training-mode"},

	{Name: ArticlesImport, Roles: []Role{Administrator}, Entry: "article-change"},
	{Name: PriceChange, Roles: []Role{Administrator}, Entry: "price-change"},
	{Name: TaxChange, Roles: []Role{}, Asks: []Role{Administrator}, StepUp: []Role{FinancialManager, Responsible}, Entry: "tax-change", Reauth: true},
	{Name: SettingsView, Roles: []Role{Administrator, FinancialManager, Service, Inspector, Responsible}},
	{Name: SettingsChange, Roles: []Role{Administrator}, Entry: "config-change", Reauth: true},
	{Name: PeopleView, Roles: []Role{Administrator, Inspector, Responsible}},
	{Name: PeopleChange, Roles: []Role{Administrator}, Entry: "user-change", Reauth: true},
	{Name: AppointAdmin, Roles: []Role{Responsible}, Asks: []Role{Administrator}, StepUp: []Role{Responsible}, Entry: "user-change", Reauth: true},
	{Name: OwnPIN, Roles: people, Entry: "user-change", Reauth: true},
	{Name: Language, Roles: everyone},

	{Name: DeviceTest, Roles: []Role{Supervisor, Administrator, Service}, Entry: "device-state"},
	{Name: SoftwareUpdate, Roles: []Role{Supervisor, Administrator, Responsible}, Asks: []Role{Service}, StepUp: []Role{Supervisor, Administrator, Responsible}, Entry: "software-consent", Reauth: true},
	{Name: SoftwareLater, Roles: deciders, Entry: "software-consent"},
	{Name: SoftwareCheck, Roles: deciders, Entry: "software-stage"},
	{Name: SoftwareView, Roles: append([]Role{FinancialManager, Inspector}, deciders...)},
	{Name: ClockSet, Asks: []Role{Administrator, Service}, StepUp: []Role{Responsible}, Entry: "clock-change", Reauth: true},
	{Name: KeyRotation, Asks: []Role{Administrator, Service}, StepUp: []Role{Responsible}, Entry: "key-rotate", Reauth: true},
	{Name: NewEpoch, Asks: []Role{Administrator, Service}, StepUp: []Role{Responsible}, Entry: "epoch", Reauth: true},
	{Name: Decommission, Asks: []Role{Administrator, Service}, StepUp: []Role{Responsible}, Entry: "decommission", Reauth: true},
	{Name: LateEntry, Roles: []Role{Supervisor}, Asks: []Role{Operator}, StepUp: approvers, Entry: "late-entry"},
	{Name: ResolveOutcome, Roles: []Role{Operator, Supervisor, Responsible}, Entry: "outcome"},
}

// Table returns a copy of the table: what it holds cannot be changed at run
// time.
func Table() []Operation {
	out := make([]Operation, len(table))
	for i, o := range table {
		out[i] = o.clone()
	}
	return out
}

func (o Operation) clone() Operation {
	o.Roles, o.StepUp, o.Asks = slices.Clone(o.Roles), slices.Clone(o.StepUp), slices.Clone(o.Asks)
	return o
}

// Find returns the row of an operation.
func Find(op Name) (Operation, bool) {
	i := slices.IndexFunc(table, func(o Operation) bool { return o.Name == op })
	if i < 0 {
		return Operation{}, false
	}
	return table[i].clone(), true
}
