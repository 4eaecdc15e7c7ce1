package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// The files of a party's folder, as plomb pki writes them.
const (
	certificateFile = "cert.pem"
	keyFile         = "key.pem"
)

// credentials reads the folder of a party: ca.pem, and as far as they are there
// crl.pem and the pair of cert.pem and key.pem.
func credentials(dir string, p pki.Policy) (*pki.Credentials, error) {
	files := pki.Files{Roots: filepath.Join(dir, pki.RootFile)}
	if _, err := os.Stat(files.Roots); err != nil {
		return nil, hint{fmt.Errorf("read the identity in %s: %w", dir, err), "plomb pki init makes an authority and identities to begin with"}
	}
	for _, f := range []struct {
		name string
		path *string
	}{{pki.ListFile, &files.Lists}, {certificateFile, &files.Certificate}, {keyFile, &files.Key}} {
		at := filepath.Join(dir, f.name)
		if _, err := os.Stat(at); err == nil {
			*f.path = at
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	c, err := pki.Load(files, p)
	if err != nil {
		return nil, fmt.Errorf("read the identity in %s: %w", dir, err)
	}
	return c, nil
}
