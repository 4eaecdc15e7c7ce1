package till

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/sale"
	"github.com/plomb-pos/plomb/staff"
	"github.com/plomb-pos/plomb/tax"
)

// State is what the screen shows, whole: docs/design/0002-till.md, "State".
// Amounts are minor units, quantities millionths, unit prices millionths of a
// major unit, times RFC 3339 UTC.
type State struct {
	Version     uint64            `json:"version"`
	Setup       string            `json:"setup"` // "done" or "needed"
	Shop        ShopState         `json:"shop"`
	Session     *SessionState     `json:"session"`
	Training    bool              `json:"training"`
	Basket      *BasketState      `json:"basket"`
	Suspended   []SuspendedBasket `json:"suspended"`
	Drawer      DrawerState       `json:"drawer"`
	Day         DayState          `json:"day"`
	Devices     []DeviceState     `json:"devices"`
	Notices     []Notice          `json:"notices"`
	LastReceipt *LastReceipt      `json:"lastReceipt"`
	Dispense    *DispenseState    `json:"dispense"` // cash whose outcome is open, null: none
	Journal     JournalState      `json:"journal"`
	Clock       ClockState        `json:"clock"`
	Software    SoftwareState     `json:"software"`
	// Ended is when the till was taken out of service for good, null: it was not.
	Ended *time.Time `json:"ended"`
	// Countries is there while the till is not set up.
	Countries []CountryState `json:"countries,omitzero"`
}

// ShopState is what the screen has to know of the shop's profile.
type ShopState struct {
	Name         string          `json:"name"`
	Country      money.Country   `json:"country"`
	Currency     money.Currency  `json:"currency"`
	Exponent     int             `json:"exponent"`
	Language     string          `json:"language"`
	Languages    []string        `json:"languages"`
	Zone         string          `json:"zone"`         // IANA name: times are shown in it
	CashRounding money.Amount    `json:"cashRounding"` // smallest amount payable in cash, 1: no rounding
	Tenders      []string        `json:"tenders"`
	Currencies   []CurrencyState `json:"currencies"`
	QuickCash    []money.Amount  `json:"quickCash"`
	// Denominations are the coins and notes that a count asks for.
	Denominations []money.Amount `json:"denominations"`

	text jsontext.Value // its JSON form, nil: not made yet
}

// CurrencyState is a foreign currency that the shop takes, and its rate as a
// plain decimal: shop currency for one unit of it.
type CurrencyState struct {
	Code money.Currency `json:"code"`
	Rate string         `json:"rate"`
}

// SessionState is who is signed in and what they may do: for each command
// "yes", "approval" or "no".
type SessionState struct {
	Person staff.Person            `json:"person"`
	Locked bool                    `json:"locked"`
	May    map[string]staff.Answer `json:"may"` // must not be changed

	may jsontext.Value // its JSON form, nil: not made yet
}

// BasketState is the basket on the screen.
type BasketState struct {
	ID        sale.ID         `json:"id"`
	Mode      sale.Mode       `json:"mode"`
	StartedAt time.Time       `json:"startedAt"`
	Lines     []LineState     `json:"lines"`
	Discounts []DiscountState `json:"discounts"`
	Taxes     []TaxState      `json:"taxes"`
	Total     money.Amount    `json:"total"`
	Rounding  money.Amount    `json:"rounding"`
	Tenders   []TenderState   `json:"tenders"`
	Paid      money.Amount    `json:"paid"`
	Due       money.Amount    `json:"due"`
	DueCash   money.Amount    `json:"dueCash"` // in coins that exist
	Change    money.Amount    `json:"change"`
	Original  *OriginalState  `json:"original"`
}

// LineState is one line of the basket. Gross is after all discounts.
type LineState struct {
	No             int             `json:"no"`
	SKU            string          `json:"sku"`
	Name           string          `json:"name"`
	Quantity       money.Quantity  `json:"quantity"`
	Unit           string          `json:"unit"`
	UnitPrice      money.UnitPrice `json:"unitPrice"`
	Gross          money.Amount    `json:"gross"`
	Discount       money.Amount    `json:"discount"`
	DiscountReason string          `json:"discountReason"`
	Letter         string          `json:"letter"`
	Rate           tax.Rate        `json:"rate"`
	Note           string          `json:"note"`
}

// DiscountState is a discount of the whole receipt.
type DiscountState struct {
	No     int          `json:"no"`
	Amount money.Amount `json:"amount"`
	Reason string       `json:"reason"`
}

// TaxState is the tax at one rate.
type TaxState struct {
	Letter string       `json:"letter"`
	Rate   tax.Rate     `json:"rate"`
	Net    money.Amount `json:"net"`
	Tax    money.Amount `json:"tax"`
	Gross  money.Amount `json:"gross"`
}

// TenderState is one payment. Amount is in Currency's minor units.
type TenderState struct {
	No       int            `json:"no"`
	Type     string         `json:"type"`
	Amount   money.Amount   `json:"amount"`
	Currency money.Currency `json:"currency"`
	Tip      money.Amount   `json:"tip"`
}

// OriginalState is the receipt that a return is against, and what can still be
// given back from it.
type OriginalState struct {
	Number int64          `json:"number"`
	At     time.Time      `json:"at"`
	Lines  []OriginalLine `json:"lines"`
}

// OriginalLine is one line of the original.
type OriginalLine struct {
	No         int             `json:"no"`
	Name       string          `json:"name"`
	Quantity   money.Quantity  `json:"quantity"`
	Returnable money.Quantity  `json:"returnable"`
	Unit       string          `json:"unit"`
	UnitPrice  money.UnitPrice `json:"unitPrice"`
	Gross      money.Amount    `json:"gross"`
}

// SuspendedBasket is a basket that waits.
type SuspendedBasket struct {
	ID    sale.ID      `json:"id"`
	Label string       `json:"label"`
	Lines int          `json:"lines"`
	Total money.Amount `json:"total"`
	At    time.Time    `json:"at"`
}

// DrawerState is the cash drawer: its session, and whether it stands open.
type DrawerState struct {
	Session        string     `json:"session"` // "open" or "closed"
	Since          *time.Time `json:"since"`
	PhysicallyOpen bool       `json:"physicallyOpen"`
	Counted        bool       `json:"counted"`
}

// DayState is the day since the last Z.
type DayState struct {
	ZNumber  int64 `json:"zNumber"` // of the Z that will close the day
	Receipts int64 `json:"receipts"`
}

// DeviceState is one device as the till sees it.
type DeviceState struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`  // "printer", "scanner", "display", "drawer", "dispenser"
	State string `json:"state"` // "ready", "attention", "down"
	Code  string `json:"code"`
	Text  string `json:"text"`
}

// Notice is something that the person at the till should know.
type Notice struct {
	ID    string `json:"id"`
	Level string `json:"level"` // "info", "warn", "error"
	Code  string `json:"code"`
	Text  string `json:"text"`
	Hint  string `json:"hint"`
}

// Printed says what became of a receipt's paper.
type Printed string

// The answers about a print.
const (
	PrintedYes     Printed = "yes"
	PrintedNo      Printed = "no"      // known not to have happened: the next print is the original
	PrintedUnknown Printed = "unknown" // the next print is a copy
	PrintPending   Printed = "pending"
)

// LastReceipt is the receipt completed last. Code is empty while unsigned.
type LastReceipt struct {
	Index   uint64       `json:"index"`
	Number  int64        `json:"number"`
	Total   money.Amount `json:"total"`
	Change  money.Amount `json:"change"`
	Code    string       `json:"code"`
	Printed Printed      `json:"printed"`
	// Dispensed says what became of the change where a dispenser was to pay it; empty:
	// it is in the drawer.
	Dispensed Printed `json:"dispensed,omitzero"`
}

// JournalState is how far the journal is: entries, signed, verified since the start.
type JournalState struct {
	Size      uint64 `json:"size"`
	Signed    uint64 `json:"signed"`
	Verified  uint64 `json:"verified"`
	Verifying bool   `json:"verifying"`
	Searched  uint64 `json:"searched"` // entries that questions can find already
	Signer    string `json:"signer"`   // "ok" or "down"
	Origin    string `json:"origin"`
}

// ClockState is the till's time and whether it is in doubt.
type ClockState struct {
	Now    time.Time `json:"now"`
	Unsure bool      `json:"unsure"`
}
