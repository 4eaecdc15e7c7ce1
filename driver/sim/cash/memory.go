package cash

import (
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/xfs4iot/cashacceptor"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/cashmanagement"
)

// memoryName is where the device's memory stands in the vault.
const memoryName = "device"

// memory is what the device keeps beside the notes; it changes together with them.
type memory struct {
	Exchange      bool                                   `json:"exchange,omitzero"`
	Dispense      dispense                               `json:"dispense"`
	CashIn        cashIn                                 `json:"cashIn"`
	Units         map[string]setting                     `json:"units"`
	Tables        map[int]table                          `json:"tables"`
	Tellers       map[int]teller                         `json:"tellers"`
	Disabled      map[string]bool                        `json:"disabled"` // note types that are not accepted
	List          []cashmanagement.ClassificationElement `json:"list,omitzero"`
	ListName      string                                 `json:"listName,omitzero"`
	Serial        int64                                  `json:"serial"` // serial numbers given to notes so far
	Locks         map[string]bool                        `json:"locks"`
	DeviceLock    bool                                   `json:"deviceLock,omitzero"`
	Nonces        uint64                                 `json:"nonces"` // given out so far
	InTransaction bool                                   `json:"inTransaction,omitzero"`
	Transaction   string                                 `json:"transaction,omitzero"`
	Items         []item                                 `json:"items,omitzero"`    // of the last command that moved notes
	Inserted      []item                                 `json:"inserted,omitzero"` // in the slot, with known serial numbers
	Protection    protection                             `json:"protection"`
}

func (m *memory) complete() {
	if m.Units == nil {
		m.Units = map[string]setting{}
	}
	if m.Tables == nil {
		m.Tables = map[int]table{}
	}
	if m.Tellers == nil {
		m.Tellers = map[int]teller{}
	}
	if m.Disabled == nil {
		m.Disabled = map[string]bool{}
	}
	if m.Locks == nil {
		m.Locks = map[string]bool{}
	}
}

// setting is what clients set for a cassette in an exchange.
type setting struct {
	Name     string `json:"name,omitzero"`
	Low      *int   `json:"low,omitzero"`
	High     *int   `json:"high,omitzero"`
	LockIn   bool   `json:"lockIn,omitzero"`
	LockOut  bool   `json:"lockOut,omitzero"`
	Retracts *int   `json:"retracts,omitzero"`
	Accurate *bool  `json:"accurate,omitzero"` // nil: counted by the device since it was new
}

// dispense is the last one.
type dispense struct {
	Values     map[string]int                                       `json:"values,omitzero"`     // notes by cassette
	Currencies map[string]int64                                     `json:"currencies,omitzero"` // minor units
	Present    cashdispenser.GetPresentStatusCompletionPresentState `json:"present,omitzero"`
	Presented  map[string]int64                                     `json:"presented,omitzero"`
	Retracted  map[string]int64                                     `json:"retracted,omitzero"` // minor units; nil: nothing was retracted
	Token      string                                               `json:"token,omitzero"`     // HMAC of the token that ordered it
	Teller     int                                                  `json:"teller,omitzero"`
}

// cashIn is an open cash-in or what is known of the last one.
type cashIn struct {
	Status   cashacceptor.GetCashInStatusCompletionStatus `json:"status,omitzero"`
	Active   bool                                         `json:"active,omitzero"`
	Recycle  bool                                         `json:"recycle,omitzero"` // notes may go into recycling cassettes
	Items    int                                          `json:"items,omitzero"`   // limit; 0 is none
	Amounts  map[string]int64                             `json:"amounts,omitzero"` // limits by currency, minor units
	Refused  int                                          `json:"refused,omitzero"`
	Notes    vault.Notes                                  `json:"notes,omitzero"`    // accepted so far
	Returned vault.Notes                                  `json:"returned,omitzero"` // presented again: refused or rolled back
	Teller   int                                          `json:"teller,omitzero"`
}

// change moves notes and changes the memory in one step that survives a loss of
// power, and then tells clients what changed.
func (d *Device) change(do func(*vault.State, *memory) error) error {
	var next memory
	err := d.vault.Change(func(s *vault.State) error {
		if err := s.Recall(memoryName, &next); err != nil {
			return err
		}
		next.complete()
		if err := do(s, &next); err != nil {
			return err
		}
		return s.Remember(memoryName, &next)
	})
	if err != nil {
		return err
	}
	d.keep = next
	d.tellUnits()
	return nil
}
