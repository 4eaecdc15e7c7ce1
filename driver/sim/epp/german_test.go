package epp_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/epp"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/german"
)

var hsmKeys = []epp.Preset{preset("KUR", "K0", "T", "D", double), preset("KPERS", "K0", "T", "D", double), preset("KMAC", "M3", "T", "C", double), preset("KPAC", "P0", "T", "E", double)}

func TestTheHSMKeepsTheTerminalsData(t *testing.T) {
	_, c := serve(t, epp.Options{HSM: true, Keys: hsmKeys})
	simtest.Must(c, german.SetHSMTData, &german.SetHSMTDataCommand{TerminalID: "00054321", BankCode: "00000414"})
	simtest.Must(c, german.SetHSMTData, &german.SetHSMTDataCommand{OnlineDateAndTime: "20261122060000"})
	got, _ := simtest.Must(c, german.GetHSMTData, nil)
	if got.TerminalID != "00054321" || got.BankCode != "00000414" || got.OnlineDateAndTime != "20261122060000" || *got.HsmStatus != 5 || got.Validate() != nil {
		t.Errorf("%+v, %v", got, got.Validate())
	}
	var event german.HSMTDataChangedEvent
	c.Heard(&event)
	c.Heard(&event)
	if event.OnlineDateAndTime != "20261122060000" || *event.HsmStatus != 5 {
		t.Errorf("%+v", event)
	}
}

func TestHSMInitGoesThroughTheStates(t *testing.T) {
	_, c := serve(t, epp.Options{HSM: true, Keys: hsmKeys})
	status := func() int {
		got, _ := simtest.Must(c, german.GetHSMTData, nil)
		return *got.HsmStatus
	}
	for _, step := range []struct {
		mode   german.HSMInitCommandInitMode
		want   string
		status int
	}{{"temp", "success", 3}, {"temp", "success", 3}, {"definite", "success", 2}, {"temp", "hsmStateInvalid", 2}, {"irreversible", "success", 1}, {"definite", "hsmStateInvalid", 1}} {
		if got := code(simtest.Do(c, german.HSMInit, &german.HSMInitCommand{InitMode: step.mode})); got != step.want || status() != step.status {
			t.Errorf("%s: %s, state %d; want %s, %d", step.mode, got, status(), step.want, step.status)
		}
	}
	c.Heard(&german.OPTRequiredEvent{})
	if got := code(simtest.Do(c, german.SetHSMTData, &german.SetHSMTDataCommand{TerminalID: "00000001"})); got != "hsmStateInvalid" {
		t.Errorf("SetHSMTData: %s", got)
	}
}

func TestMessagesAreSecured(t *testing.T) {
	e, c := serve(t, epp.Options{HSM: true, Keys: hsmKeys})
	mac := func(msg []byte) []byte {
		out, err := symmetric.RetailMAC(unhex(t, double), nil, msg, 0)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	text := []byte("a message")
	raw, _ := simtest.Must(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "rawData", Msg: text})
	if !bytes.Equal(raw.Msg, append(bytes.Clone(text), mac(text)...)) {
		t.Errorf("rawData: %x", raw.Msg)
	}
	iso := append(unhex(t, "0800 0000000000000001 1122"), make([]byte, 8)...)
	sent, _ := simtest.Must(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "isoPs", Msg: iso})
	if !bytes.Equal(sent.Msg, append(bytes.Clone(iso[:12]), mac(iso[:12])...)) {
		t.Errorf("isoPs: %x", sent.Msg)
	}
	generic, _ := simtest.Must(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "genAs", Msg: append([]byte{1}, text...)})
	for protocol, msg := range map[german.SecureMsgReceiveCommandProtocol][]byte{"rawData": raw.Msg, "isoPs": sent.Msg, "genAs": append(bytes.Clone(generic.Msg), text...)} {
		simtest.Must(c, german.SecureMsgReceive, &german.SecureMsgReceiveCommand{Protocol: protocol, Msg: msg})
		for i := range msg {
			changed := bytes.Clone(msg)
			changed[i] ^= 4
			if got := code(simtest.Do(c, german.SecureMsgReceive, &german.SecureMsgReceiveCommand{Protocol: protocol, Msg: changed})); got != "macInvalid" {
				t.Errorf("%s, byte %d changed: %s", protocol, i, got)
			}
		}
	}
	enter(t, e, c, "1234")
	pac, _ := simtest.Must(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "genAs", Msg: []byte("\x00401234567890")})
	if block, err := symmetric.Decrypt(symmetric.TDES, symmetric.ECB, unhex(t, double), nil, pac.Msg); err != nil || hex.EncodeToString(block) != "041274edcba9876f" {
		t.Errorf("PAC: %x, %v", block, err)
	}
	simtest.Must(c, german.SecureMsgReceive, &german.SecureMsgReceiveCommand{Protocol: "isoPs"}) // nobody answered
	list, _ := simtest.Must(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "hsmLdi"})
	if !bytes.Contains(list.Msg, unhex(t, "04"+hex.EncodeToString([]byte("KMAC"))+"0308d7b4")) {
		t.Errorf("hsmLdi: %x", list.Msg)
	}
}

func TestPINsAreCompared(t *testing.T) {
	e, c := serve(t, epp.Options{HSM: true, Keys: hsmKeys})
	compare := func(b byte) (*german.SecureMsgSendCompletion, error) {
		got, _, err := simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "pinCmp", Msg: []byte{b}})
		return got, err
	}
	if _, err := compare(0); simtest.Code(err) != "noPin" {
		t.Errorf("without a PIN: %v", err)
	}
	for second, want := range map[string]byte{"1234": 0, "1243": 1} {
		enter(t, e, c, "1234")
		if _, err := compare(0); err != nil {
			t.Fatal(err)
		}
		enter(t, e, c, second)
		if got, err := compare(1); err != nil || !bytes.Equal(got.Msg, []byte{want}) {
			t.Errorf("1234 and %s: %+v, %v", second, got, err)
		}
	}
}

func TestEachWrongMessageHasItsCode(t *testing.T) {
	_, c := serve(t, epp.Options{HSM: true, Keys: hsmKeys[:2]})
	_, none := serve(t, epp.Options{})
	for name, v := range map[string][2]string{
		"no MAC key":     {code(simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "rawData", Msg: []byte("x")})), "keyNotFound"},
		"no PAC key":     {code(simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "genAs", Msg: []byte("\x00401234567890")})), "keyNotFound"},
		"empty":          {code(simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "rawData"})), "formatInvalid"},
		"no protocol":    {code(simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Msg: []byte("x")})), "protocolInvalid"},
		"no MAC in ISO":  {code(simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "isoPs", Msg: make([]byte, 30)})), "contentInvalid"},
		"short ISO":      {code(simtest.Do(c, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "isoPs", Msg: make([]byte, 5)})), "formatInvalid"},
		"short received": {code(simtest.Do(c, german.SecureMsgReceive, &german.SecureMsgReceiveCommand{Protocol: "rawData", Msg: make([]byte, 8)})), "formatInvalid"},
		"no HSM":         {code(simtest.Do(none, german.SecureMsgSend, &german.SecureMsgSendCommand{Protocol: "rawData", Msg: []byte("x")})), "hsmStateInvalid"},
	} {
		if v[0] != v[1] {
			t.Errorf("%s: %s, want %s", name, v[0], v[1])
		}
	}
}
