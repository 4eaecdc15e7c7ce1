package counter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/plomb-pos/plomb/update/slot"
)

// NV indexes, in the range that the TCG's registry leaves to owners.
const (
	Application tpm2.TPMHandle = 0x018F5040 // counter, 8 bytes
	Platform    tpm2.TPMHandle = 0x018F5041 // counter, 8 bytes
	Base        tpm2.TPMHandle = 0x018F5042 // where both began; locked
)

// base is the content of the area Base: magic, then for each scope the value of its
// counter and the floor that this value stood for, 8 bytes each, big endian.
type base struct {
	counter, floor [2]uint64
}

const (
	baseMagic = "PLOMBFL1"
	baseSize  = len(baseMagic) + 4*8
)

func (b base) encode() []byte {
	out := []byte(baseMagic)
	for s := range b.counter {
		out = binary.BigEndian.AppendUint64(out, b.counter[s])
		out = binary.BigEndian.AppendUint64(out, b.floor[s])
	}
	return out
}

func decodeBase(data []byte) (b base, err error) {
	if len(data) != baseSize || !bytes.HasPrefix(data, []byte(baseMagic)) {
		return b, fmt.Errorf("%w: NV area %#x holds something else", ErrLost, Base)
	}
	for s := range b.counter {
		at := len(baseMagic) + 16*s
		b.counter[s] = binary.BigEndian.Uint64(data[at:])
		b.floor[s] = binary.BigEndian.Uint64(data[at+8:])
	}
	return b, nil
}

// floors are what counters at these values stand for.
func (b base) floors(now [2]uint64) (f Floors, err error) {
	for s := range f {
		if now[s] < b.counter[s] {
			return Floors{}, fmt.Errorf("%w: a counter is behind its beginning", ErrLost)
		}
		f[s] = b.floor[s] + (now[s] - b.counter[s])
	}
	return f, nil
}

// TPM is the path of a TPM 2.0: a device file, best that of the kernel's resource
// manager (/dev/tpmrm0), or the Unix socket of a simulator. It is opened for each
// call and closed after it.
type TPM string

// with opens the TPM for one piece of work.
func (t TPM) with(what string, work func(nv) error) error {
	c, err := Dial(string(t))
	if err != nil {
		return fmt.Errorf("%s: open TPM: %w", what, err)
	}
	if err := errors.Join(work(nv{c}), c.Close()); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Floors reads both counters and where they began. Errors wrap ErrLost where the TPM
// answers and holds no floor.
func (t TPM) Floors() (f Floors, err error) {
	err = t.with("read version floor", func(n nv) error {
		f, err = n.floors()
		return err
	})
	return f, err
}

// Raise increments until the floor is there, MaxSteps times at most.
func (t TPM) Raise(scope slot.Scope, to uint64) error {
	return t.with("raise version floor", func(n nv) error { return n.raise(scope, to) })
}

// Admit compares with the floor as the TPM has it.
func (t TPM) Admit(scope slot.Scope, to uint64) error {
	f, err := t.Floors()
	if err != nil {
		return err
	}
	return Reach(f[scope], to)
}

// Create makes the areas of a device whose floors begin at first. Where they are
// already, it changes nothing: the floors are the old ones, which Floors tells.
// It may be called again after it was cut off.
func (t TPM) Create(first Floors) error {
	return t.with("make version floor", func(n nv) error { return n.create(first) })
}

var counters = [2]tpm2.TPMHandle{slot.Application: Application, slot.Platform: Platform}

// nv is an open TPM's NV memory.
type nv struct{ tpm transport.TPM }

func (n nv) floors() (Floors, error) {
	_, written, err := n.public(Base)
	if err != nil {
		return Floors{}, err
	}
	if !written.WriteLocked {
		return Floors{}, fmt.Errorf("%w: it was never made to the end", ErrLost)
	}
	data, err := n.read(Base)
	if err != nil {
		return Floors{}, err
	}
	b, err := decodeBase(data)
	if err != nil {
		return Floors{}, err
	}
	var now [2]uint64
	for s, index := range counters {
		if now[s], err = n.value(index); err != nil {
			return Floors{}, err
		}
	}
	return b.floors(now)
}

func (n nv) raise(scope slot.Scope, to uint64) error {
	f, err := n.floors()
	if err != nil || f[scope] >= to {
		return err
	}
	if err := Reach(f[scope], to); err != nil {
		return err
	}
	for range to - f[scope] {
		if err := n.increment(counters[scope]); err != nil {
			return err
		}
	}
	return nil
}

// create makes the counters first: without a locked Base nothing relies on them.
func (n nv) create(first Floors) error {
	var b base
	for s, index := range counters {
		value, err := n.counter(index)
		if err != nil {
			return err
		}
		b.counter[s], b.floor[s] = value, first[s]
	}
	return n.setBase(b)
}

// public reads an area's name, which changes when it is first written, and its
// attributes. An area that does not exist is ErrLost.
func (n nv) public(index tpm2.TPMHandle) (tpm2.NamedHandle, tpm2.TPMANV, error) {
	rsp, err := tpm2.NVReadPublic{NVIndex: index}.Execute(n.tpm)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return tpm2.NamedHandle{}, tpm2.TPMANV{}, fmt.Errorf("%w: no NV area %#x", ErrLost, index)
	}
	if err != nil {
		return tpm2.NamedHandle{}, tpm2.TPMANV{}, fmt.Errorf("NV area %#x: %w", index, err)
	}
	pub, err := rsp.NVPublic.Contents()
	if err != nil {
		return tpm2.NamedHandle{}, tpm2.TPMANV{}, fmt.Errorf("NV area %#x: %w", index, err)
	}
	return tpm2.NamedHandle{Handle: index, Name: rsp.NVName}, pub.Attributes, nil
}

func owner() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
}

func (n nv) read(index tpm2.TPMHandle) ([]byte, error) {
	name, _, err := n.public(index)
	if err != nil {
		return nil, err
	}
	size := uint16(8)
	if index == Base {
		size = uint16(baseSize)
	}
	rsp, err := tpm2.NVRead{AuthHandle: owner(), NVIndex: name, Size: size}.Execute(n.tpm)
	if err != nil {
		return nil, fmt.Errorf("read NV area %#x: %w", index, err)
	}
	return rsp.Data.Buffer, nil
}

func (n nv) value(index tpm2.TPMHandle) (uint64, error) {
	data, err := n.read(index)
	if err != nil {
		return 0, err
	}
	if len(data) != 8 {
		return 0, fmt.Errorf("NV area %#x has %d bytes: %w", index, len(data), ErrLost)
	}
	return binary.BigEndian.Uint64(data), nil
}

func (n nv) increment(index tpm2.TPMHandle) error {
	name, _, err := n.public(index)
	if err != nil {
		return err
	}
	if _, err := (tpm2.NVIncrement{AuthHandle: owner(), NVIndex: name}).Execute(n.tpm); err != nil {
		return fmt.Errorf("increment NV counter %#x: %w", index, err)
	}
	return nil
}

// counter makes a counter if there is none, and gives it its first value: a TPM
// lets a new one begin above every counter that it ever deleted.
func (n nv) counter(index tpm2.TPMHandle) (uint64, error) {
	_, attributes, err := n.public(index)
	if errors.Is(err, ErrLost) {
		err = n.define(index, 8, tpm2.TPMANV{NT: tpm2.TPMNTCounter})
	}
	if err != nil {
		return 0, err
	}
	if !attributes.Written {
		if err := n.increment(index); err != nil {
			return 0, err
		}
	}
	return n.value(index)
}

func (n nv) define(index tpm2.TPMHandle, size uint16, attributes tpm2.TPMANV) error {
	attributes.OwnerWrite, attributes.OwnerRead, attributes.AuthRead, attributes.NoDA = true, true, true, true
	_, err := tpm2.NVDefineSpace{
		AuthHandle: owner(),
		PublicInfo: tpm2.New2B(tpm2.TPMSNVPublic{NVIndex: index, NameAlg: tpm2.TPMAlgSHA256, Attributes: attributes, DataSize: size}),
	}.Execute(n.tpm)
	if err != nil {
		return fmt.Errorf("make NV area %#x: %w", index, err)
	}
	return nil
}

// setBase writes where the counters began and locks it. An area that is locked is
// left as it is; one that is not was cut off, and nothing relied on it.
func (n nv) setBase(b base) error {
	_, attributes, err := n.public(Base)
	if errors.Is(err, ErrLost) {
		err = n.define(Base, uint16(baseSize), tpm2.TPMANV{NT: tpm2.TPMNTOrdinary, WriteDefine: true})
	}
	if err != nil || attributes.WriteLocked {
		return err
	}
	name, _, err := n.public(Base)
	if err != nil {
		return err
	}
	if _, err := (tpm2.NVWrite{AuthHandle: owner(), NVIndex: name, Data: tpm2.TPM2BMaxNVBuffer{Buffer: b.encode()}}).Execute(n.tpm); err != nil {
		return fmt.Errorf("write NV area %#x: %w", Base, err)
	}
	if name, _, err = n.public(Base); err != nil { // it was written: another name
		return err
	}
	if _, err := (tpm2.NVWriteLock{AuthHandle: owner(), NVIndex: name}).Execute(n.tpm); err != nil {
		return fmt.Errorf("lock NV area %#x: %w", Base, err)
	}
	return nil
}
