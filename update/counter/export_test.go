package counter

import (
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/plomb-pos/plomb/update/slot"
)

// CreateThrough is Create with something between.
func CreateThrough(t TPM, between func(transport.TPM) transport.TPM, first Floors) error {
	return t.with("create", func(n nv) error { return nv{between(n.tpm)}.create(first) })
}

// RaiseThrough is Raise with something between.
func RaiseThrough(t TPM, between func(transport.TPM) transport.TPM, scope slot.Scope, to uint64) error {
	return t.with("raise", func(n nv) error { return nv{between(n.tpm)}.raise(scope, to) })
}
