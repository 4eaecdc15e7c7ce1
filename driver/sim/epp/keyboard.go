package epp

import (
	"context"
	"encoding/hex"
	"slices"

	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
)

func (e *EPP) serveKeyboard(s *host.Service) {
	serveAlways(e, s, keyboard.DataEntry, e.dataEntry)
	serve(e, s, keyboard.PinEntry, e.pinEntry)
	serve(e, s, keyboard.SecureKeyEntry, e.secureKeyEntry)
	serveAlways(e, s, keyboard.KeypressBeep, e.keypressBeep)
	serveAlways(e, s, keyboard.GetLayout, e.getLayout)
	serveAlways(e, s, keyboard.DefineLayout, e.defineLayout)
	serveAlways(e, s, keyboard.Reset, e.resetKeyboard)
}

// actives reads the active keys of a command.
func actives[T any](m map[string]T, terminate func(T) *bool) map[string]bool {
	out := map[string]bool{}
	for name, v := range m {
		out[name] = yes(terminate(v))
	}
	return out
}

func number(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func (e *EPP) dataEntry(ctx context.Context, cmd *host.Command, req *keyboard.DataEntryCommand) (*keyboard.DataEntryCompletion, error) {
	n := &entry{mode: dataMode, max: number(req.MaxLen), autoEnd: yes(req.AutoEnd)}
	n.active = actives(req.ActiveKeys, func(v *keyboard.DataEntryCommandActiveKeysValue) *bool {
		if v == nil {
			return nil
		}
		return v.Terminate
	})
	if err := e.checkActive(dataMode, n.active, "noActivekeys"); err != nil {
		return nil, err
	}
	if err := e.wait(ctx, cmd, n); err != nil {
		return nil, err
	}
	return &keyboard.DataEntryCompletion{Keys: new(len(n.keys)), PinKeys: n.keys, Completion: n.completed}, nil
}

func (e *EPP) pinEntry(ctx context.Context, cmd *host.Command, req *keyboard.PinEntryCommand) (*keyboard.PinEntryCompletion, error) {
	n := &entry{mode: pinMode, min: number(req.MinLen), max: number(req.MaxLen), autoEnd: yes(req.AutoEnd)}
	n.active = actives(req.ActiveKeys, func(v *keyboard.PinEntryCommandActiveKeysValue) *bool {
		if v == nil {
			return nil
		}
		return v.Terminate
	})
	if err := e.checkPINEntry(n); err != nil {
		return nil, err
	}
	if err := e.wait(ctx, cmd, n); err != nil {
		return nil, err
	}
	digits := len(n.digits)
	if n.completed == keyboard.EntryCompletionCancel || n.completed == keyboard.EntryCompletionClear {
		n.forget()
	}
	e.pin = n.digits
	return &keyboard.PinEntryCompletion{Digits: &digits, Completion: n.completed}, nil
}

func (e *EPP) checkPINEntry(n *entry) error {
	if err := e.checkActive(pinMode, n.active, "noActivekeys"); err != nil {
		return err
	}
	switch {
	case n.max > maxPIN || n.min > maxPIN:
		return refuse("minimumLength", "a PIN has at most 16 digits")
	case n.max > 0 && n.min > n.max:
		return refuse("minimumLength", "the minimum is above the maximum")
	case !terminates(n.active) && !(n.autoEnd && n.max > 0):
		return refuse("noTerminatekeys", "no key ends the entry")
	}
	return nil
}

// part is a key part that was entered by hand.
type part struct {
	value []byte
	kcv   []byte
}

func (p *part) forget() {
	if p != nil {
		clear(p.value)
	}
}

func (e *EPP) secureKeyEntry(ctx context.Context, cmd *host.Command, req *keyboard.SecureKeyEntryCommand) (*keyboard.SecureKeyEntryCompletion, error) {
	n := &entry{mode: secureMode, autoEnd: yes(req.AutoEnd)}
	n.active = actives(req.ActiveKeys, func(v *keyboard.SecureKeyEntryCommandActiveKeysValue) *bool {
		if v == nil {
			return nil
		}
		return v.Terminate
	})
	cipher, err := e.checkKeyEntry(n, req)
	if err != nil {
		return nil, err
	}
	if err := e.wait(ctx, cmd, n); err != nil {
		return nil, err
	}
	defer n.forget()
	out := &keyboard.SecureKeyEntryCompletion{Digits: new(len(n.digits)), Completion: n.completed}
	if n.completed == keyboard.EntryCompletionCancel || len(n.digits) < n.max {
		return out, nil
	}
	out.Kcv, err = e.keepPart(n.digits, cipher, req.VerificationType)
	return out, err
}

// keepPart decodes the digits and gives the check value.
func (e *EPP) keepPart(digits []byte, cipher symmetric.Algorithm, how keyboard.SecureKeyEntryCommandVerificationType) ([]byte, error) {
	value := make([]byte, len(digits)/2)
	if _, err := hex.Decode(value, digits); err != nil {
		return nil, chassis.Invalid("the digits make no key")
	}
	check := symmetric.KCV
	if how == keyboard.SecureKeyEntryCommandVerificationTypeSelf {
		check = symmetric.SelfKCV
	}
	kcv, err := check(cipher, value)
	if err != nil {
		return nil, refuse("invalidKeyLength", err.Error())
	}
	e.part = &part{value, kcv}
	return kcv, nil
}

// entryCiphers are what a number of digits can be a key of, the first by default.
var entryCiphers = map[int][]keyboard.SecureKeyEntryCommandCryptoMethod{
	16: {keyboard.SecureKeyEntryCommandCryptoMethodDes},
	32: {keyboard.SecureKeyEntryCommandCryptoMethodTripleDes, keyboard.SecureKeyEntryCommandCryptoMethodAes},
	48: {keyboard.SecureKeyEntryCommandCryptoMethodTripleDes, keyboard.SecureKeyEntryCommandCryptoMethodAes},
	64: {keyboard.SecureKeyEntryCommandCryptoMethodAes},
}

// checkKeyEntry sets the number of digits and gives the cipher of the check value.
func (e *EPP) checkKeyEntry(n *entry, req *keyboard.SecureKeyEntryCommand) (symmetric.Algorithm, error) {
	if err := e.checkActive(secureMode, n.active, "noActiveKeys"); err != nil {
		return 0, err
	}
	for _, name := range append(digitKeys[:], "a", "b", "c", "d", "e", "f") {
		if _, there := n.active[name]; !there {
			return 0, refuse("missingKeys", "a key needs all hexadecimal digits")
		}
	}
	if !terminates(n.active) && !n.autoEnd {
		return 0, refuse("noTerminatekeys", "no key ends the entry")
	}
	if req.KeyLen == nil {
		return 0, refuse("invalidKeyLength", "the key's length is missing")
	}
	n.max = int(*req.KeyLen)
	return cipherOf(n.max, req.CryptoMethod)
}

func cipherOf(digits int, method keyboard.SecureKeyEntryCommandCryptoMethod) (symmetric.Algorithm, error) {
	fitting := entryCiphers[digits]
	if len(fitting) == 0 || method != "" && !slices.Contains(fitting, method) {
		return 0, refuse("invalidKeyLength", "the length does not fit the method")
	}
	if method == "" {
		method = fitting[0]
	}
	return map[keyboard.SecureKeyEntryCommandCryptoMethod]symmetric.Algorithm{
		keyboard.SecureKeyEntryCommandCryptoMethodDes:       symmetric.DES,
		keyboard.SecureKeyEntryCommandCryptoMethodTripleDes: symmetric.TDES,
		keyboard.SecureKeyEntryCommandCryptoMethodAes:       symmetric.AES,
	}[method], nil
}

func (e *EPP) keypressBeep(_ context.Context, _ *host.Command, req *keyboard.KeypressBeepCommand) (*keyboard.KeypressBeepCompletion, error) {
	if req.Mode == nil {
		return nil, chassis.Invalid("no mode is given")
	}
	e.beep = beep{yes(req.Mode.Active), yes(req.Mode.Inactive)}
	e.show()
	return nil, nil
}

func (e *EPP) getLayout(_ context.Context, _ *host.Command, req *keyboard.GetLayoutCommand) (*keyboard.GetLayoutCompletion, error) {
	out := &keyboard.LayoutNullable{}
	if req.EntryMode == "" || req.EntryMode == keyboard.GetLayoutCommandEntryModeData {
		out.Data = e.layout.Data
	}
	if req.EntryMode == "" || req.EntryMode == keyboard.GetLayoutCommandEntryModePin {
		out.Pin = e.layout.Pin
	}
	if req.EntryMode == "" || req.EntryMode == keyboard.GetLayoutCommandEntryModeSecure {
		out.Secure = e.layout.Secure
	}
	return &keyboard.GetLayoutCompletion{Layout: out}, nil
}

func (e *EPP) defineLayout(_ context.Context, _ *host.Command, req *keyboard.DefineLayoutCommand) (*keyboard.DefineLayoutCompletion, error) {
	return nil, e.define(req.Layout)
}

func (e *EPP) resetKeyboard(context.Context, *host.Command, *keyboard.ResetCommand) (*keyboard.ResetCompletion, error) {
	e.reset()
	return nil, nil
}

// reset forgets all that is half done; keys stay.
func (e *EPP) reset() {
	e.forgetEntries()
	clear(e.compared)
	e.compared, e.preset, e.maintain = nil, nil, false
	e.exchange, e.challenge = nil, nil
	e.show()
}
