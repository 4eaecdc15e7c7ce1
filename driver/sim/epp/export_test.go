package epp

import "github.com/plomb-pos/plomb/xfs4iot/keymanagement"

// Offer checks what LoadCertificate is given, without a service.
func (e *EPP) Offer(der []byte, fresh bool) error {
	e.Lock()
	defer e.Unlock()
	by, err := e.authority(keymanagement.LoadCertificateCommandSignerCa)
	if err != nil {
		return err
	}
	_, err = e.offered(der, by, fresh)
	return err
}
