package epp

import (
	"context"
	"crypto/subtle"
	"maps"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/german"
	"github.com/plomb-pos/plomb/xfs4iot/host"
)

func (e *EPP) serveGerman(s *host.Service) {
	serveAlways(e, s, german.GetHSMTData, e.getHSMTData)
	serve(e, s, german.SetHSMTData, e.setHSMTData)
	serve(e, s, german.HSMInit, e.hsmInit)
	serve(e, s, german.SecureMsgSend, e.secureMsgSend)
	serve(e, s, german.SecureMsgReceive, e.secureMsgReceive)
}

// The keys that the HSM's state follows from, and those of messages.
const (
	keyUR, keyInit, keyPers = "KUR", "KINIT", "KPERS"
	keyMAC, keyPAC          = "KMAC", "KPAC"
)

// past is an online time that is over.
const past = "20000101000000"

// terminal is what SetHSMTData keeps.
type terminal struct {
	ID     string `json:"id,omitzero"`
	Bank   string `json:"bank,omitzero"`
	Online string `json:"online,omitzero"`
}

func (e *EPP) terminal() terminal {
	var t terminal
	if raw := e.store.Record(recordTerminal); raw != nil {
		_ = json.Unmarshal(raw, &t) // written by keepTerminal
	}
	return t
}

func (e *EPP) keepTerminal(t terminal) error {
	raw, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return e.store.Change(func(c *keystore.Contents) error {
		c.Records[recordTerminal] = raw
		return nil
	})
}

// hsmState is 1 to 5.
func (e *EPP) hsmState() int {
	if !e.o.HSM || e.hsmDead {
		return 1
	}
	for i, name := range []string{keyPers, keyInit, keyUR} {
		if k, ok := e.store.Key(name); ok && !k.Constructing {
			clear(k.Value)
			return 5 - i
		}
	}
	return 2
}

func (e *EPP) hsmtData() german.GetHSMTDataCompletion {
	t, state := e.terminal(), e.hsmState()
	return german.GetHSMTDataCompletion{TerminalID: t.ID, BankCode: t.Bank, OnlineDateAndTime: t.Online,
		ZkaID: "K00000P000000000", HsmStatus: &state, HsmManufacturerID: "H00000", HsmSerialNumber: "0000000001"}
}

func (e *EPP) getHSMTData(context.Context, *host.Command, *german.GetHSMTDataCommand) (*german.GetHSMTDataCompletion, error) {
	out := e.hsmtData()
	return &out, nil
}

// tellHSM sends the data after they changed, and asks for personalisation when the
// online time is over.
func (e *EPP) tellHSM() {
	d := e.hsmtData()
	e.Say(&german.HSMTDataChangedEvent{TerminalID: d.TerminalID, BankCode: d.BankCode, OnlineDateAndTime: d.OnlineDateAndTime,
		ZkaID: d.ZkaID, HsmStatus: d.HsmStatus, HsmManufacturerID: d.HsmManufacturerID, HsmSerialNumber: d.HsmSerialNumber})
	if d.OnlineDateAndTime == past {
		e.Say(&german.OPTRequiredEvent{})
	}
	e.show()
}

func (e *EPP) setHSMTData(_ context.Context, _ *host.Command, req *german.SetHSMTDataCommand) (*german.SetHSMTDataCompletion, error) {
	if e.hsmState() == 1 {
		return nil, refuse("hsmStateInvalid", "the HSM is out of order")
	}
	t := e.terminal()
	for _, set := range []struct {
		to   *string
		from string
	}{{&t.ID, req.TerminalID}, {&t.Bank, req.BankCode}, {&t.Online, req.OnlineDateAndTime}} {
		if set.from != "" {
			*set.to = set.from
		}
	}
	if err := e.keepTerminal(t); err != nil {
		return nil, err
	}
	e.tellHSM()
	return nil, nil
}

func (e *EPP) hsmInit(_ context.Context, _ *host.Command, req *german.HSMInitCommand) (*german.HSMInitCompletion, error) {
	state := e.hsmState()
	gone := []string{keyInit, keyPers}
	switch {
	case req.InitMode == "":
		return nil, refuse("modeNotSupported", "the mode is missing")
	case state == 1 || req.InitMode == german.HSMInitCommandInitModeTemp && state == 2:
		return nil, refuse("hsmStateInvalid", "the HSM is not in a state for this")
	case req.InitMode != german.HSMInitCommandInitModeTemp:
		gone = append(gone, keyUR)
	}
	dead := req.InitMode == german.HSMInitCommandInitModeIrreversible
	if err := e.forgetHSMKeys(gone, dead); err != nil {
		return nil, err
	}
	t := e.terminal()
	if req.InitMode == german.HSMInitCommandInitModeTemp {
		t.Online = onlineTime(req.OnlineTime)
	}
	if err := e.keepTerminal(t); err != nil {
		return nil, err
	}
	e.tellHSM()
	return nil, nil
}

func onlineTime(given string) string {
	if strings.Trim(given, "0") == "" {
		return past
	}
	return given
}

func (e *EPP) forgetHSMKeys(names []string, dead bool) error {
	err := e.store.Change(func(c *keystore.Contents) error {
		for _, name := range names {
			clear(c.Keys[name].Value)
		}
		maps.DeleteFunc(c.Keys, func(name string, k keystore.Key) bool {
			for _, n := range names {
				if n == name {
					return true
				}
			}
			return false
		})
		if dead {
			c.Records[recordHSMDead] = []byte{1}
		}
		return nil
	})
	e.hsmDead = e.hsmDead || err == nil && dead
	return err
}

func (e *EPP) secureMsgSend(_ context.Context, _ *host.Command, req *german.SecureMsgSendCommand) (*german.SecureMsgSendCompletion, error) {
	if e.hsmState() < 3 {
		return nil, refuse("hsmStateInvalid", "the HSM has no key")
	}
	out := &german.SecureMsgSendCompletion{}
	var err error
	switch req.Protocol {
	case german.SecureMsgSendCommandProtocolRawData:
		out.Msg, err = e.sendRaw(req.Msg)
	case german.SecureMsgSendCommandProtocolIsoPs:
		out.Msg, err = e.sendISO(req.Msg)
	case german.SecureMsgSendCommandProtocolGenAs:
		out.Msg, err = e.sendGeneric(req.Msg)
	case german.SecureMsgSendCommandProtocolHsmLdi:
		out.Msg, err = e.sendKeyList(req.Msg)
	case german.SecureMsgSendCommandProtocolPinCmp:
		out.Msg, err = e.comparePIN(req.Msg)
	default:
		err = refuse("protocolInvalid", "the protocol is missing")
	}
	return out, err
}

// messageMAC is the retail MAC under KMAC.
func (e *EPP) messageMAC(msg []byte) ([]byte, error) {
	k, err := e.key(keyMAC, use{[]string{"M3"}, "T", "CGV"})
	if err != nil {
		return nil, refuse("keyNotFound", err.Error())
	}
	defer clear(k.Value)
	return symmetric.RetailMAC(k.Value, nil, msg, 0)
}

const macSize = 8

func (e *EPP) sendRaw(msg []byte) ([]byte, error) {
	if len(msg) == 0 {
		return nil, refuse("formatInvalid", "the message is empty")
	}
	mac, err := e.messageMAC(msg)
	return append(append([]byte(nil), msg...), mac...), err
}

// isoBody checks that an ISO 8583 message says in its bitmap that a MAC is its last
// field (64, or 128 with a second bitmap), and gives what the MAC is over.
func isoBody(msg []byte) ([]byte, error) {
	const typeSize, mapSize = 2, 8
	if len(msg) < typeSize+mapSize+macSize {
		return nil, refuse("formatInvalid", "too short for ISO 8583")
	}
	last := typeSize + mapSize - 1
	if msg[typeSize]&0x80 != 0 {
		last += mapSize
	}
	if len(msg) < last+1+macSize {
		return nil, refuse("formatInvalid", "too short for ISO 8583")
	}
	if msg[last]&1 == 0 {
		return nil, refuse("contentInvalid", "the bitmap has no MAC")
	}
	return msg[:len(msg)-macSize], nil
}

func (e *EPP) sendISO(msg []byte) ([]byte, error) {
	body, err := isoBody(msg)
	if err != nil {
		return nil, err
	}
	return e.sendRaw(body)
}

func (e *EPP) sendGeneric(msg []byte) ([]byte, error) {
	switch {
	case len(msg) < 2 || msg[0] > 1:
		return nil, refuse("formatInvalid", "the first byte is 0 (PAC) or 1 (MAC)")
	case msg[0] == 1:
		return e.messageMAC(msg[1:])
	}
	k, err := e.key(keyPAC, use{[]string{"P0"}, "T", "EB"})
	if err != nil {
		return nil, refuse("keyNotFound", err.Error())
	}
	defer clear(k.Value)
	var out []byte
	err = e.usePIN(func(pin []byte) error {
		block, err := pinblock.Format(pinblock.ISO0, pin, pinblock.Data{Customer: string(msg[1:])})
		if err != nil {
			return refuse("contentInvalid", err.Error())
		}
		defer clear(block)
		out, err = symmetric.Encrypt(symmetric.TDES, symmetric.ECB, k.Value, nil, block)
		return err
	})
	return out, err
}

func (e *EPP) sendKeyList(msg []byte) ([]byte, error) {
	if len(msg) > 0 {
		return nil, refuse("formatInvalid", "hsmLdi takes no message")
	}
	var out []byte
	for _, name := range e.store.Names() {
		k, _ := e.store.Key(name)
		check := kcv(k)
		clear(k.Value)
		if !k.Fixed {
			out = append(append(out, byte(len(name))), name...)
			out = append(append(out, byte(len(check))), check...)
		}
	}
	return out, nil
}

// comparePIN remembers a PIN, or compares the next with it.
func (e *EPP) comparePIN(msg []byte) ([]byte, error) {
	if len(msg) != 1 || msg[0] > 1 {
		return nil, refuse("formatInvalid", "the message is the byte 0 (remember) or 1 (compare)")
	}
	if len(e.pin) == 0 || msg[0] == 1 && e.compared == nil {
		return nil, errNoPIN
	}
	if msg[0] == 0 {
		clear(e.compared)
		e.compared = append([]byte(nil), e.pin...)
		return nil, nil
	}
	different := byte(1 - subtle.ConstantTimeCompare(e.compared, e.pin))
	clear(e.compared)
	e.compared = nil
	return []byte{different}, nil
}

func (e *EPP) secureMsgReceive(_ context.Context, _ *host.Command, req *german.SecureMsgReceiveCommand) (*german.SecureMsgReceiveCompletion, error) {
	switch {
	case e.hsmState() < 3:
		return nil, refuse("hsmStateInvalid", "the HSM has no key")
	case req.Protocol == "":
		return nil, refuse("protocolInvalid", "the protocol is missing")
	case req.Msg == nil:
		return nil, nil // the partner did not answer
	case len(req.Msg) <= macSize:
		return nil, refuse("formatInvalid", "the message is too short")
	}
	body, mac, err := received(req)
	if err != nil {
		return nil, err
	}
	want, err := e.messageMAC(body)
	if err == nil && subtle.ConstantTimeCompare(want, mac) != 1 {
		err = refuse("macInvalid", "the MAC does not fit")
	}
	return nil, err
}

func received(req *german.SecureMsgReceiveCommand) (body, mac []byte, err error) {
	cut := len(req.Msg) - macSize
	switch req.Protocol {
	case german.SecureMsgReceiveCommandProtocolGenAs:
		return req.Msg[macSize:], req.Msg[:macSize], nil
	case german.SecureMsgReceiveCommandProtocolIsoPs:
		_, err = isoBody(req.Msg)
	}
	return req.Msg[:cut], req.Msg[cut:], err
}
