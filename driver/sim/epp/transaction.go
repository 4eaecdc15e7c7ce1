package epp

import (
	"bytes"
	"errors"

	"github.com/plomb-pos/plomb/driver/dukpt"
	"github.com/plomb-pos/plomb/driver/keystore"
	"github.com/plomb-pos/plomb/driver/pinblock"
	"github.com/plomb-pos/plomb/driver/symmetric"
	"github.com/plomb-pos/plomb/xfs4iot/host"
	"github.com/plomb-pos/plomb/xfs4iot/keymanagement"
)

// next gives the next transaction key of a DUKPT key. The counter is durable before
// the key is used: power lost in between skips a number and never uses one twice.
func (e *EPP) next(cmd *host.Command, k keystore.Key) (dukpt.Transaction, error) {
	g, err := dukpt.Restore(k.Value)
	if err != nil {
		return dukpt.Transaction{}, keystore.ErrDamaged
	}
	defer g.Clear()
	tx, err := g.Next()
	if errors.Is(err, dukpt.ErrOverflow) {
		return tx, &keyError{k.Name, "dukptOverflow", err.Error()}
	}
	err = e.store.Change(func(c *keystore.Contents) error {
		at := c.Keys[k.Name]
		clear(at.Value)
		at.Value = g.State()
		c.Keys[k.Name] = at
		return nil
	})
	if err != nil {
		tx.Clear()
		return dukpt.Transaction{}, err
	}
	return tx, cmd.Event(&keymanagement.DUKPTKSNEvent{Key: k.Name, Ksn: bytes.Clone(tx.KSN)})
}

// blockDUKPT enciphers a PIN block under the next transaction's PIN key.
func (e *EPP) blockDUKPT(cmd *host.Command, k keystore.Key, clearBlock []byte, r pinRequest) ([]byte, error) {
	if r.format == pinblock.ISO4 || r.method != "" && r.method != symmetric.ECB {
		return nil, refuse("cryptoMethodNotSupported", "DUKPT keys encipher blocks of 8 bytes with ecb")
	}
	tx, err := e.next(cmd, k)
	if err != nil {
		return nil, err
	}
	defer tx.Clear()
	key := tx.PIN()
	defer clear(key)
	out, err := symmetric.Encrypt(symmetric.TDES, symmetric.ECB, key, nil, clearBlock)
	return out, wrong(k, err)
}
