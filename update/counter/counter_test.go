package counter_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/plomb-pos/plomb/internal/tpmtest"
	"github.com/plomb-pos/plomb/update/counter"
	"github.com/plomb-pos/plomb/update/slot"
)

func check(t *testing.T, c counter.TPM, want counter.Floors) {
	t.Helper()
	if got, err := c.Floors(); err != nil || got != want {
		t.Fatalf("floors %v, %v, want %v", got, err, want)
	}
}

func create(t *testing.T, first counter.Floors) (counter.TPM, *tpmtest.TPM) {
	t.Helper()
	tpm := tpmtest.Start(t)
	c := counter.TPM(tpm.Socket)
	if err := c.Create(first); err != nil {
		t.Fatal(err)
	}
	check(t, c, first)
	return c, tpm
}

// Requirement: CU-10
func TestAFloorRisesByJumpsAndStaysThroughALossOfPower(t *testing.T) {
	c, tpm := create(t, counter.Floors{1000, 7})
	for _, to := range []uint64{1001, 1001, 1000, 1064} {
		if err := c.Raise(slot.Application, to); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Raise(slot.Platform, 9); err != nil {
		t.Fatal(err)
	}
	tpm.Off()
	tpm.On()
	check(t, c, counter.Floors{1064, 9})
}

func TestAFloorDoesNotJumpTooFar(t *testing.T) {
	c, _ := create(t, counter.Floors{1, 1})
	for _, f := range []func(slot.Scope, uint64) error{c.Admit, c.Raise} {
		if err := f(slot.Application, 2+counter.MaxSteps); !errors.Is(err, counter.ErrTooFar) {
			t.Errorf("a jump of %d: %v", counter.MaxSteps+1, err)
		}
	}
	check(t, c, counter.Floors{1, 1})
	if err := c.Raise(slot.Application, 1+counter.MaxSteps); err != nil {
		t.Error(err)
	}
}

func TestANewDiskInAnOldTillBeginsAtTheOldFloor(t *testing.T) {
	c, _ := create(t, counter.Floors{5, 1})
	if err := c.Raise(slot.Application, 8); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(counter.Floors{1, 1}); err != nil {
		t.Fatal(err)
	}
	check(t, c, counter.Floors{8, 1})
}

// cut is a TPM that is not there any more after some commands.
type cut struct {
	transport.TPM
	left *int
}

func (c cut) Send(input []byte) ([]byte, error) {
	if *c.left == 0 {
		return nil, errors.New("power cut")
	}
	*c.left--
	return c.TPM.Send(input)
}

func TestWhatAPowerCutLeftHalfMadeIsFinished(t *testing.T) {
	for commands := 0; ; commands++ {
		tpm := tpmtest.Start(t)
		c, left := counter.TPM(tpm.Socket), commands
		err := counter.CreateThrough(c, func(t transport.TPM) transport.TPM { return cut{t, &left} }, counter.Floors{3, 4})
		if err == nil {
			if commands < 10 {
				t.Fatalf("made with %d commands", commands)
			}
			break
		}
		if _, err := c.Floors(); err == nil {
			t.Fatalf("a floor that is half made, after %d commands, is taken", commands)
		}
		if err := c.Create(counter.Floors{3, 4}); err != nil {
			t.Fatalf("after %d commands: %v", commands, err)
		}
		check(t, c, counter.Floors{3, 4})
		tpm.Off()
	}
}

func TestARaiseThatIsCutOffGoesOnWhereItWas(t *testing.T) {
	c, _ := create(t, counter.Floors{1, 1})
	for commands := range 30 {
		left := commands
		_ = counter.RaiseThrough(c, func(t transport.TPM) transport.TPM { return cut{t, &left} }, slot.Application, 10) // cut
		f, err := c.Floors()
		if err != nil || f[0] > 10 {
			t.Fatalf("floors %v, %v", f, err)
		}
	}
	if err := c.Raise(slot.Application, 10); err != nil {
		t.Fatal(err)
	}
	check(t, c, counter.Floors{10, 1})
}

func TestWhereACounterBeganCannotBeWrittenAgain(t *testing.T) {
	c, tpm := create(t, counter.Floors{3, 3})
	d, err := counter.Dial(tpm.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	owner := tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
	for index, size := range map[tpm2.TPMHandle]int{counter.Base: 40, counter.Application: 8} {
		pub, err := tpm2.NVReadPublic{NVIndex: index}.Execute(d)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tpm2.NVWrite{AuthHandle: owner, NVIndex: tpm2.NamedHandle{Handle: index, Name: pub.NVName}, Data: tpm2.TPM2BMaxNVBuffer{Buffer: make([]byte, size)}}.Execute(d)
		if err == nil {
			t.Errorf("NV area %#x was written", index)
		}
	}
	check(t, c, counter.Floors{3, 3})
}

func TestACounterThatWasDeletedDoesNotCountBack(t *testing.T) {
	c, tpm := create(t, counter.Floors{3, 3})
	if err := c.Raise(slot.Application, 9); err != nil {
		t.Fatal(err)
	}
	d, err := counter.Dial(tpm.Socket)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pub, err := tpm2.NVReadPublic{NVIndex: counter.Application}.Execute(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (tpm2.NVUndefineSpace{AuthHandle: tpm2.TPMRHOwner, NVIndex: tpm2.NamedHandle{Handle: counter.Application, Name: pub.NVName}}).Execute(d); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Floors(); !errors.Is(err, counter.ErrLost) {
		t.Errorf("a floor without its counter: %v", err)
	}
	if err := c.Create(counter.Floors{1, 1}); err != nil {
		t.Fatal(err)
	}
	if f, err := c.Floors(); err != nil || f[0] < 9 {
		t.Errorf("floors %v, %v", f, err)
	}
}

func TestNoTPMIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tpm")
	if _, err := counter.TPM(name).Floors(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := counter.TPM(name).Floors(); err == nil {
		t.Error("a plain file is a TPM")
	}
}
