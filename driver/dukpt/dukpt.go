// Package dukpt is the device's side of TDES DUKPT, Derived Unique Key Per
// Transaction (ANSI X9.24-1:2009, annex A): every transaction has a key of its own,
// and a device that is taken apart gives away none of the past ones.
//
// A [Generator] starts from an initial key and its key serial number. Next gives the
// key of the next transaction and forgets what it was derived from, as the standard
// asks: the initial key itself is gone after New. After about a million
// transactions the generator is used up and says ErrOverflow.
//
// State must be durable before a key that Next gave is used: a generator that is
// restored to an earlier state would use a key twice. The package itself writes
// nothing.
//
//	g, err := dukpt.New(initialKey, ksn)
//	t, err := g.Next()
//	block := t.PIN() // the key for a PIN block; t.KSN goes to the host with it
package dukpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

const (
	// KeySize is the length of every key in bytes: double-length triple DES.
	KeySize = 16
	// SerialSize is the length of a key serial number in bytes: 59 bits name the
	// device and its key, 21 count transactions.
	SerialSize = 10

	registers = 21
	last      = 1<<registers - 1
	maxOnes   = 10 // set bits of a counter that is used (X9.24-1, A.2)
)

// Errors of New, Restore and Next.
var (
	ErrLength   = errors.New("the key or its serial number has a wrong length")
	ErrOverflow = errors.New("the transaction counter is used up: a new initial key is needed")
)

// Generator is the future keys of one initial key. It is not safe for concurrent
// use.
type Generator struct {
	ksn     [SerialSize]byte // of the transaction before the next; its counter in the low 21 bits
	future  [registers][]byte
	current uint32
}

// New takes an initial key with its serial number, whose counter is ignored.
func New(initial, ksn []byte) (*Generator, error) {
	if len(initial) != KeySize || len(ksn) != SerialSize {
		return nil, ErrLength
	}
	g := &Generator{}
	copy(g.ksn[:], ksn)
	g.count(0)
	for bit := range registers {
		g.future[bit] = g.derive(initial, 1<<bit)
	}
	return g, nil
}

// InitialKey derives the initial key of a device from its base derivation key: the
// host's side, here for hosts that load devices and for tests.
func InitialKey(base, ksn []byte) ([]byte, error) {
	if len(base) != KeySize || len(ksn) != SerialSize {
		return nil, ErrLength
	}
	id := bytes.Clone(ksn[:8])
	id[7] &^= 0x1f
	left, right := make([]byte, 8), make([]byte, 8)
	triple(base, left, id)
	triple(masked(base, mask), right, id)
	return append(left, right...), nil
}

// Transaction is the key of one transaction and its serial number, as the host
// needs it.
type Transaction struct {
	KSN []byte
	key []byte
}

// Next gives the key of the next transaction and forgets it and all it came from.
func (g *Generator) Next() (Transaction, error) {
	next, ok := following(g.current)
	if !ok {
		return Transaction{}, ErrOverflow
	}
	bit := bits.TrailingZeros32(next)
	key := g.future[bit]
	if key == nil {
		return Transaction{}, fmt.Errorf("register %d is empty: %w", bit, ErrOverflow)
	}
	g.future[bit] = nil
	g.count(next)
	if bits.OnesCount32(next) < maxOnes {
		for below := range bit {
			g.future[below] = g.derive(key, next|1<<below)
		}
	}
	return Transaction{KSN: bytes.Clone(g.ksn[:]), key: key}, nil
}

// following is the next counter that is used: those with more than ten set bits
// are skipped.
func following(counter uint32) (uint32, bool) {
	next := counter + 1
	if bits.OnesCount32(counter) >= maxOnes {
		next = counter + 1<<bits.TrailingZeros32(counter)
	}
	return next, next <= last
}

// KSN is the serial number of the transaction that Next gave last.
func (g *Generator) KSN() []byte { return bytes.Clone(g.ksn[:]) }

func (g *Generator) count(to uint32) {
	g.current = to
	low := binary.BigEndian.Uint64(g.ksn[2:])&^last | uint64(to)
	binary.BigEndian.PutUint64(g.ksn[2:], low)
}

// derive is the non-reversible key generation (X9.24-1, A.2) for a counter.
func (g *Generator) derive(key []byte, counter uint32) []byte {
	input := make([]byte, 8)
	binary.BigEndian.PutUint64(input, binary.BigEndian.Uint64(g.ksn[2:])&^last|uint64(counter))
	return append(half(masked(key, mask), input), half(key, input)...)
}

func half(key, input []byte) []byte {
	out := make([]byte, 8)
	xor(out, input, key[8:])
	single(key[:8], out)
	xor(out, out, key[8:])
	return out
}

// State is the generator in 10 + 21*17 bytes: it holds keys and must be sealed.
func (g *Generator) State() []byte {
	out := bytes.Clone(g.ksn[:])
	for _, key := range g.future {
		if key == nil {
			out = append(out, make([]byte, 1+KeySize)...)
			continue
		}
		out = append(append(out, 1), key...)
	}
	return out
}

// Restore reads what State gave.
func Restore(state []byte) (*Generator, error) {
	if len(state) != SerialSize+registers*(1+KeySize) {
		return nil, ErrLength
	}
	g := &Generator{}
	copy(g.ksn[:], state)
	g.current = uint32(binary.BigEndian.Uint64(g.ksn[2:]) & last)
	for bit := range registers {
		at := state[SerialSize+bit*(1+KeySize):]
		if at[0] != 0 {
			g.future[bit] = bytes.Clone(at[1 : 1+KeySize])
		}
	}
	return g, nil
}

// Clear forgets all keys.
func (g *Generator) Clear() {
	for bit := range g.future {
		clear(g.future[bit])
		g.future[bit] = nil
	}
}
