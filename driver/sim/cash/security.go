package cash

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/banknoteneutralization"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/token"
)

// Security sets up end-to-end security. Keys are HMAC-SHA256 keys of 16 bytes or
// more, in hexadecimal; they belong to the simulation, not to a shop.
type Security struct {
	HostKey   string `json:"hostKey,omitzero" toml:"host_key"`     // of the tokens that Dispense then needs
	DeviceKey string `json:"deviceKey,omitzero" toml:"device_key"` // of the tokens that GetPresentStatus answers with
	Always    bool   `json:"always,omitzero" toml:"always"`        // without a host's key nothing is dispensed at all
	Timeout   int    `json:"timeout,omitzero" toml:"timeout"`      // of a nonce, in seconds; 0 is without end
}

// secure makes the guard of command tokens, if there is a key for it.
func (d *Device) secure() error {
	s := d.o.Security
	if s.HostKey == "" && s.DeviceKey == "" {
		return nil
	}
	hostKey, err := hex.DecodeString(s.HostKey)
	if err == nil {
		d.deviceKey, err = hex.DecodeString(s.DeviceKey)
	}
	if err != nil {
		return fmt.Errorf("end-to-end key: not hexadecimal: %w", token.ErrKey)
	}
	if len(d.deviceKey) > 0 && len(d.deviceKey) < token.MinKey {
		return fmt.Errorf("device's key: %w", token.ErrKey)
	}
	if s.HostKey == "" {
		return nil
	}
	d.guard, err = token.NewGuard(token.Options{HostKey: hostKey, Timeout: time.Duration(s.Timeout) * time.Second, Counter: (*nonceCounter)(d),
		Cleared: func(reason string) { go d.nonceCleared(reason) }})
	return err
}

// nonceCleared runs apart, for it is told with the device's lock held and without.
func (d *Device) nonceCleared(reason string) {
	d.Lock()
	defer d.Unlock()
	d.Say(&common.NonceClearedEvent{ReasonDescription: reason})
}

// nonceCounter keeps the number of nonces given out in the vault.
type nonceCounter Device

// Next is called with the device's lock held, for nonces are made by a command.
func (c *nonceCounter) Next() (uint64, error) {
	d := (*Device)(c)
	err := d.change(func(_ *state, m *memory) error { m.Nonces++; return nil })
	return d.keep.Nonces, err
}

// securityCapability is nil for a device without end-to-end security.
func (d *Device) securityCapability() *common.EndToEndSecurity {
	if d.guard == nil && d.deviceKey == nil && !d.o.Security.Always {
		return nil
	}
	out := &common.EndToEndSecurity{Required: common.EndToEndSecurityRequiredIfConfigured, HardwareSecurityElement: no(),
		Commands: []string{cashdispenser.Dispense.Info().Name}, CommandNonceTimeout: &d.o.Security.Timeout}
	if d.o.Security.Always {
		out.Required = common.EndToEndSecurityRequiredAlways
	}
	if d.deviceKey != nil {
		out.ResponseSecurityEnabled = common.EndToEndSecurityResponseSecurityEnabledIfConfigured
	}
	if d.o.Neutralization {
		out.Commands = append(out.Commands, banknoteneutralization.SetProtection.Info().Name, banknoteneutralization.TriggerNeutralization.Info().Name)
	}
	return out
}

func (d *Device) securityStatus() common.EndToEndSecurityStatus {
	switch {
	case d.guard != nil:
		return common.EndToEndSecurityStatusEnforced
	case d.o.Security.Always || d.deviceKey != nil:
		return common.EndToEndSecurityStatusNotConfigured
	}
	return ""
}

// authorised takes amounts from the token of a dispense. The grant is nil where no
// token is asked for.
func (d *Device) authorised(text string, amounts map[string]int64) (*token.Grant, error) {
	switch {
	case d.guard == nil && d.o.Security.Always:
		return nil, &xfs4iot.Error{Code: xfs4iot.AuthorisationRequired, Description: "no key for tokens is configured"}
	case d.guard == nil:
		return nil, nil
	case text == "":
		return nil, &xfs4iot.Error{Code: xfs4iot.AuthorisationRequired, Description: "a token is required"}
	}
	grant, err := d.guard.Authorise(text, amounts)
	return grant, tokenError(err)
}

// accepted proves the token of a command that moves no amount.
func (d *Device) accepted(text string, want token.Field) error {
	switch {
	case d.guard == nil && !d.o.Security.Always:
		return nil
	case d.guard == nil || text == "":
		return &xfs4iot.Error{Code: xfs4iot.AuthorisationRequired, Description: "a token is required"}
	}
	return tokenError(d.guard.Accept(text, want))
}

func tokenError(err error) error {
	if err == nil {
		return nil
	}
	return &xfs4iot.Error{Code: token.Code(err), Description: err.Error()}
}

// statement is the response token of the last dispense; "" without a key for it.
func (d *Device) statement(nonce string) (string, error) {
	if len(d.deviceKey) == 0 {
		return "", nil
	}
	last := d.keep.Dispense
	s := token.Statement{DispenseID: last.Token, Dispensed: d.worth(last.Values), Presented: last.Presented, Retracted: last.Retracted}
	text, err := s.Token(d.deviceKey, nonce)
	return text, tokenError(err)
}

func (d *Device) handleCommon(s *host.Service) {
	serve(d, s, common.GetCommandNonce, d.getNonce)
	serve(d, s, common.ClearCommandNonce, d.clearNonce)
	serve(d, s, common.GetTransactionState, d.getTransaction)
	serve(d, s, common.SetTransactionState, d.setTransaction)
	serve(d, s, common.PowerSaveControl, d.powerSave)
}

func (d *Device) getNonce(job, *common.GetCommandNonceCommand) (*common.GetCommandNonceCompletion, error) {
	if d.guard == nil {
		return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "no key for tokens is configured"}
	}
	nonce, err := d.guard.Nonce()
	if err != nil {
		return nil, fault(err.Error())
	}
	return &common.GetCommandNonceCompletion{CommandNonce: nonce}, nil
}

func (d *Device) clearNonce(job, *common.ClearCommandNonceCommand) (*common.ClearCommandNonceCompletion, error) {
	if d.guard != nil && d.guard.Clear() {
		d.Say(&common.NonceClearedEvent{ReasonDescription: "the client cleared it"})
	}
	return nil, nil
}

func (d *Device) getTransaction(job, *common.GetTransactionStateCommand) (*common.GetTransactionStateCompletion, error) {
	out := &common.GetTransactionStateCompletion{State: common.GetTransactionStateCompletionStateInactive, TransactionID: d.keep.Transaction}
	if d.keep.InTransaction {
		out.State = common.GetTransactionStateCompletionStateActive
	}
	return out, nil
}

func (d *Device) setTransaction(_ job, req *common.SetTransactionStateCommand) (*common.SetTransactionStateCompletion, error) {
	return nil, d.change(func(_ *state, m *memory) error {
		m.InTransaction, m.Transaction = req.State == common.SetTransactionStateCommandStateActive, req.TransactionID
		return nil
	})
}

func (d *Device) powerSave(job, *common.PowerSaveControlCommand) (*common.PowerSaveControlCompletion, error) {
	return nil, &xfs4iot.Error{Code: xfs4iot.UnsupportedCommand, Description: "the device saves no power"}
}
