package epp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/sim/chassis"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// keyError is a key that is not there or may not do what is asked. Its code is an
// errorCode of the command where that has it; other commands say it with the next
// best.
type keyError struct {
	key, code, text string
}

func (k *keyError) Error() string { return fmt.Sprintf("key %.64q: %s", k.key, k.text) }

// nextBest are errorCodes that stand for others in commands that lack them.
var nextBest = map[string]string{
	"modeOfUseNotSupported": "useViolation", "keyNoValue": "keyNotFound", "useViolation": "keyNotFound",
	"algorithmNotSupported": "useViolation", "cryptoMethodNotSupported": "modeOfUseNotSupported", "invalidKeyLength": "useViolation",
	"noKeyRam": "accessDenied", "contentInvalid": "formatInvalid", "formatInvalid": "invalidValue", "macInvalid": "signatureInvalid",
	"keyNotFound": "accessDenied", "modeNotSupported": "useViolation",
}

// fit makes a handler's error one that the command has.
func (e *EPP) fit(err error, codes []string) error {
	var k *keyError
	if errors.As(err, &k) {
		e.illegal(k)
		return named(k.code, k.Error(), codes)
	}
	var x *xfs4iot.Error
	if errors.As(err, &x) && x.ErrorCode != "" {
		return named(x.ErrorCode, x.Description, codes)
	}
	if errors.Is(err, keystore.ErrStopped) {
		e.show()
		return chassis.Broken(err.Error())
	}
	return err
}

func named(code, text string, codes []string) error {
	for range len(nextBest) {
		if slices.Contains(codes, code) {
			return host.Fail(code, text)
		}
		code = nextBest[code]
	}
	return chassis.Invalid(text)
}

// illegal tells every client that a key was used wrongly.
func (e *EPP) illegal(k *keyError) {
	code := keymanagement.IllegalKeyAccessEventErrorCode(k.code)
	if k.code == "modeOfUseNotSupported" {
		code = keymanagement.IllegalKeyAccessEventErrorCodeUseViolation
	}
	if code.Validate() == nil {
		e.Say(&keymanagement.IllegalKeyAccessEvent{KeyName: k.key, ErrorCode: code})
	}
}

// refuse ends a command with one of its errorCodes.
func refuse(code, text string) error { return host.Fail(code, text) }

type handlerOf[Req, Resp any] func(context.Context, *host.Command, *Req) (*Resp, error)

// serve handles a command that needs the security module.
func serve[Req, Resp any](e *EPP, s *host.Service, c xfs4iot.Command[Req, Resp], do handlerOf[Req, Resp]) {
	codes := c.Info().ErrorCodes
	host.Handle(s, c, func(ctx context.Context, cmd *host.Command, req *Req) (*Resp, error) {
		e.Lock()
		defer e.Unlock()
		if err := e.ready(codes); err != nil {
			return nil, err
		}
		resp, err := do(ctx, cmd, req)
		return resp, e.fit(err, codes)
	})
}

// serveAlways handles a command that a device out of order answers too, unless it
// has no power.
func serveAlways[Req, Resp any](e *EPP, s *host.Service, c xfs4iot.Command[Req, Resp], do handlerOf[Req, Resp]) {
	host.Handle(s, c, func(ctx context.Context, cmd *host.Command, req *Req) (*Resp, error) {
		e.Lock()
		defer e.Unlock()
		if e.off {
			return nil, errNoPower
		}
		resp, err := do(ctx, cmd, req)
		return resp, e.fit(err, c.Info().ErrorCodes)
	})
}

var errNoPower = &xfs4iot.Error{Code: xfs4iot.DeviceNotReady, Description: "the PIN pad has no power"}

// ready says why the module cannot work.
func (e *EPP) ready(codes []string) error {
	switch {
	case e.off:
		return errNoPower
	case e.tampered:
		return denied("the PIN pad was opened and has destroyed its keys", codes)
	case e.virgin:
		return denied("the PIN pad waits for Initialization", codes)
	case e.store.Failed() != nil:
		return chassis.Broken(e.store.Failed().Error())
	}
	return nil
}

func denied(why string, codes []string) error {
	if slices.Contains(codes, "accessDenied") {
		return refuse("accessDenied", why)
	}
	return chassis.Broken(why)
}

// use is what a command needs of a key.
type use struct {
	usages     []string
	algorithms string // letters; "": any
	modes      string // letters
}

// key finds a key for a use.
func (e *EPP) key(name string, u use) (keystore.Key, error) {
	k, err := e.find(name)
	if err != nil {
		return keystore.Key{}, err
	}
	switch {
	case !slices.Contains(u.usages, k.Usage):
		return keystore.Key{}, &keyError{name, "useViolation", "its usage is " + k.Usage}
	case u.algorithms != "" && !strings.Contains(u.algorithms, k.Algorithm):
		return keystore.Key{}, &keyError{name, "algorithmNotSupported", "its algorithm is " + k.Algorithm}
	case !strings.Contains(u.modes+"N", k.ModeOfUse):
		return keystore.Key{}, &keyError{name, "modeOfUseNotSupported", "its mode of use is " + k.ModeOfUse}
	}
	return k, nil
}

// find finds a key that has a value.
func (e *EPP) find(name string) (keystore.Key, error) {
	if name == "" {
		return keystore.Key{}, chassis.Invalid("a key's name is missing")
	}
	if strings.HasPrefix(name, "_") {
		if _, err := e.identity(); err != nil {
			return keystore.Key{}, err
		}
	}
	k, ok := e.store.Key(name)
	switch {
	case !ok:
		return keystore.Key{}, &keyError{name, "keyNotFound", "it is not there"}
	case k.Constructing:
		return keystore.Key{}, &keyError{name, "keyNoValue", "parts of it are missing"}
	}
	return k, nil
}

// attribute is one row of what keys may be: usage, algorithms, modes of use.
type attribute struct {
	usage, algorithms, modes string
}

// attributes are the keys that the device takes; capabilities are made from it and
// imports are checked by it. Mode N is only for key blocks.
var attributes = []attribute{
	{"B1", "T", "X"},
	{"B3", "T", "X"},
	{"D0", "DTA", "BDE"},
	{"D1", "R", "DE"},
	{"E0", "R", "V"}, {"E1", "R", "V"}, {"E2", "R", "V"}, {"E3", "R", "V"}, {"E4", "R", "V"}, {"E5", "R", "V"}, {"E6", "R", "V"},
	{"E7", "R", "E"},
	{"I0", "DTA", "B"},
	{"K0", "TA", "BD"},
	{"K1", "TA", "BD"},
	{"K3", "R", "D"},
	{"M0", "T", "CGV"},
	{"M1", "DTA", "CGV"},
	{"M3", "T", "CGV"},
	{"M6", "TA", "CGV"},
	{"M7", "H", "CGV"},
	{"P0", "TAR", "BE"},
	{"S0", "R", "SV"}, {"S1", "R", "V"}, {"S2", "R", "SV"},
	{"V0", "DT", "V"}, {"V1", "DT", "V"}, {"V2", "DT", "V"},
}

func row(usage string) (attribute, bool) {
	i := slices.IndexFunc(attributes, func(a attribute) bool { return a.usage == usage })
	if i < 0 {
		return attribute{}, false
	}
	return attributes[i], true
}

// allowed says whether the device takes keys of these attributes.
func allowed(usage, algorithm, mode string) bool {
	a, ok := row(usage)
	return ok && len(algorithm) == 1 && len(mode) == 1 && strings.Contains(a.algorithms, algorithm) && strings.Contains(a.modes+"N", mode)
}

// algorithm is a symmetric key's cipher.
func algorithm(k keystore.Key) symmetric.Algorithm { return symmetric.Algorithm(k.Algorithm[0]) }

// wrong turns an error of the symmetric computations into the command's.
func wrong(k keystore.Key, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, symmetric.ErrMode):
		return refuse("cryptoMethodNotSupported", err.Error())
	case errors.Is(err, symmetric.ErrIVLength), errors.Is(err, symmetric.ErrKeyLength):
		return refuse("invalidKeyLength", err.Error())
	case errors.Is(err, symmetric.ErrAlgorithm):
		return &keyError{k.Name, "algorithmNotSupported", err.Error()}
	}
	return chassis.Invalid(err.Error())
}

func eventsOf(interfaces ...xfs4iot.Interface) []xfs4iot.Event {
	var out []xfs4iot.Event
	for _, i := range interfaces {
		for _, info := range i.Events {
			if e, ok := info.New().(xfs4iot.Event); ok && info.Unsolicited {
				out = append(out, e)
			}
		}
	}
	return out
}
