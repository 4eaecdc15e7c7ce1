package cash_test

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/driver/sim/cash"
	"github.com/plomb-pos/plomb/driver/sim/cash/vault"
	"github.com/plomb-pos/plomb/driver/sim/simtest"
	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/xfs4iot/banknoteneutralization"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/token"
)

const (
	hostHex   = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	deviceHex = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
)

func key(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func secured(t *testing.T, o cash.Options) (*cash.Device, *simtest.Client) {
	o.Security = cash.Security{HostKey: hostHex, DeviceKey: deviceHex}
	return serve(t, o)
}

func nonce(t *testing.T, c *simtest.Client) string {
	t.Helper()
	got, _ := simtest.Must(c, common.GetCommandNonce, &common.GetCommandNonceCommand{})
	return got.CommandNonce
}

func order(t *testing.T, keyHex, nonce string, minor int64) string {
	t.Helper()
	text, err := token.ForDispense(key(t, keyHex), nonce, token.Amount{Minor: minor, Currency: "EUR"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func dispenseWith(c *simtest.Client, amount, text string) string {
	req := dispense(amount)
	req.Token = text
	_, _, err := simtest.Do(c, cashdispenser.Dispense, req)
	return simtest.Code(err)
}

// Requirement: XFS-14
func TestDispenseNeedsATrueTokenWhereOneIsConfigured(t *testing.T) {
	d, c := secured(t, cash.Options{})
	if code := dispenseWith(c, "50", ""); code != "authorisationRequired" {
		t.Errorf("without a token: %s", code)
	}
	old := order(t, hostHex, nonce(t, c), 5000)
	n := nonce(t, c)
	true1 := order(t, hostHex, n, 5000)
	for name, step := range map[string]struct{ text, amount, code string }{
		"replayed under an older nonce": {old, "50", "invalidTokenNonce"},
		"changed amount":                {strings.Replace(true1, "50.00", "90.00", 1), "90", "invalidTokenHMAC"},
		"wrong key":                     {order(t, deviceHex, n, 5000), "50", "invalidTokenHMAC"},
		"more than the token's":         {true1, "60", "invalidToken"},
		"not well-formed":               {strings.Replace(true1, "TOKENLENGTH=0", "TOKENLENGTH=1", 1), "50", "invalidTokenFormat"},
	} {
		if code := dispenseWith(c, step.amount, step.text); code != step.code {
			t.Errorf("%s: %s, want %s", name, code, step.code)
		}
	}
	if count(d, vault.Stacker) != 0 {
		t.Fatal("notes were moved")
	}
	if code := dispenseWith(c, "30", true1); code != "success" {
		t.Fatalf("the true one: %s", code)
	}
	simtest.Must(c, cashdispenser.Reject, &cashdispenser.RejectCommand{})
	if code := dispenseWith(c, "30", true1); code != "invalidToken" {
		t.Errorf("30 of the 20 that are left: %s", code)
	}
	if code := dispenseWith(c, "20", true1); code != "success" {
		t.Errorf("20 of the 20 that are left: %s", code)
	}
	c.Heard(&common.NonceClearedEvent{})
	simtest.Must(c, cashdispenser.Reject, &cashdispenser.RejectCommand{})
	if code := dispenseWith(c, "5", true1); code != "noCommandNonce" {
		t.Errorf("after its amount is used up: %s", code)
	}
}

// Requirement: XFS-14
func TestAClearedNonceVoidsItsTokens(t *testing.T) {
	_, c := secured(t, cash.Options{})
	text := order(t, hostHex, nonce(t, c), 5000)
	simtest.Must(c, common.ClearCommandNonce, &common.ClearCommandNonceCommand{})
	c.Heard(&common.NonceClearedEvent{})
	if code := dispenseWith(c, "50", text); code != "noCommandNonce" {
		t.Error(code)
	}
}

// Requirement: XFS-14
func TestATokenPaysForWhatWasStackedBeforePowerWasLost(t *testing.T) {
	disk := powercut.New()
	if err := disk.Mkdir("/cash"); err != nil {
		t.Fatal(err)
	}
	o := cash.Options{Directory: "/cash", FS: disk}
	d, c := secured(t, o)
	n := nonce(t, c)
	text := order(t, hostHex, n, 10000)
	if err := d.Arm(cash.FaultPower, 0); err != nil {
		t.Fatal(err)
	}
	if code := dispenseWith(c, "100", text); code != "deviceNotReady" {
		t.Fatal(code)
	}
	_, c = secured(t, o)
	simtest.Must(c, cashdispenser.Reject, &cashdispenser.RejectCommand{})
	if code := dispenseWith(c, "50", text); code != "noCommandNonce" {
		t.Errorf("after a loss of power: %s", code)
	}
	if again := nonce(t, c); again == n || again[:16] <= n[:16] {
		t.Errorf("nonce %s after %s: its counter did not go on", again, n)
	}
}

// Power is lost at every operation of the disk while nonces are given out; a device
// that is started then gives none whose counter was given before.
//
// Requirement: XFS-14
func TestNoNonceComesTwiceWhereverPowerIsLost(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := powercut.New()
	if err := errors.Join(disk.Mkdir("/cash"), disk.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	o := cash.Options{Directory: "/cash", FS: disk}
	_, c := secured(t, o)
	last := nonce(t, c)
	var after []*powercut.Disk
	disk.Before(func(powercut.Op) { after = append(after, disk.Cut(rng, powercut.AnyKeep(rng))) })
	for range 3 {
		n := nonce(t, c)
		for _, cut := range after {
			_, again := secured(t, cash.Options{Directory: "/cash", FS: cut})
			if got := nonce(t, again); got[:16] <= last[:16] {
				t.Fatalf("seed %d: %s after %s", seed, got, last)
			}
		}
		after, last = nil, n
	}
}

// Requirement: XFS-14
func TestGetPresentStatusIsProvenByAResponseToken(t *testing.T) {
	d, c := secured(t, cash.Options{})
	text := order(t, hostHex, nonce(t, c), 5000)
	if code := dispenseWith(c, "50", text); code != "success" {
		t.Fatal(code)
	}
	const mine = "1234414B0BA168ECFC39602F77D0C583"
	ask := func() token.Statement {
		got, _ := simtest.Must(c, cashdispenser.GetPresentStatus, &cashdispenser.GetPresentStatusCommand{Nonce: mine})
		s, err := token.ParseStatement(got.Token, key(t, deviceHex), mine)
		if err != nil {
			t.Fatal(err)
		}
		if s.DispenseID != text[len(text)-64:] || s.Dispensed["EUR"] != 5000 {
			t.Errorf("%+v", s)
		}
		return s
	}
	if s := ask(); s.Presented != nil || s.Retracted != nil {
		t.Errorf("before Present: %+v", s)
	}
	simtest.Must(c, cashdispenser.Present, &cashdispenser.PresentCommand{})
	if s := ask(); s.Presented["EUR"] != 5000 {
		t.Errorf("after Present: %+v", s)
	}
	if err := d.TooLate(); err != nil {
		t.Fatal(err)
	}
	if s := ask(); s.Retracted["EUR"] != 5000 {
		t.Errorf("after the notes were taken back: %+v", s)
	}
}

// Requirement: XFS-14
func TestADeviceThatAlwaysNeedsTokensDispensesNothingWithoutAKey(t *testing.T) {
	_, c := serve(t, cash.Options{Security: cash.Security{Always: true}})
	if code := dispenseWith(c, "50", ""); code != "authorisationRequired" {
		t.Error(code)
	}
	s, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
	if s.Common.EndToEndSecurity != "notConfigured" {
		t.Error(s.Common.EndToEndSecurity)
	}
}

// Requirement: XFS-14
func TestInkNeedsATokenTooAndMakesNotesWorthless(t *testing.T) {
	d, c := secured(t, cash.Options{Neutralization: true})
	n := nonce(t, c)
	arm, err := token.Build(key(t, hostHex), n, token.Field{Key: "PROTECTION", Value: "ARM"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"": "authorisationRequired", order(t, hostHex, n, 100): "invalidToken"} {
		_, _, err := simtest.Do(c, banknoteneutralization.SetProtection, &banknoteneutralization.SetProtectionCommand{NewState: "arm", Token: text})
		if simtest.Code(err) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
	simtest.Must(c, banknoteneutralization.SetProtection, &banknoteneutralization.SetProtectionCommand{NewState: "arm", Token: arm})
	if err := d.BreakIn(); err != nil {
		t.Fatal(err)
	}
	s, _ := simtest.Must(c, common.Status, &common.StatusCommand{})
	if s.BanknoteNeutralization.State.Mode != "neutralizationTriggered" || s.CashManagement.Dispenser != "stop" {
		t.Errorf("%+v %s", s.BanknoteNeutralization.State, s.CashManagement.Dispenser)
	}
}
