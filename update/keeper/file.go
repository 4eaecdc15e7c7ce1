package keeper

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/plomb-pos/plomb/internal/durable"
)

// keyBytes is more than any key file has.
const keyBytes = 16 << 10

// writeFile encrypts a secret into its file.
func (f Folder) writeFile(name string, kind Kind, secret []byte, passphrase string) error {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return err
	}
	if f.Work > 0 {
		to.SetWorkFactor(f.Work)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "plomb-key/1 %s %s %s\n", name, kind, base64.StdEncoding.EncodeToString(secret)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return durable.Replace(f.FS, f.file(name, ".age"), out.Bytes())
}

// readFile decrypts a key's file and checks that it is the key that was asked for.
func (f Folder) readFile(name string, kind Kind, passphrase string) ([]byte, error) {
	sealed, err := durable.ReadFile(f.FS, f.file(name, ".age"), keyBytes)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(r, keyBytes))
	if err != nil {
		return nil, err
	}
	rest, ok := strings.CutPrefix(string(text), "plomb-key/1 "+name+" "+string(kind)+" ")
	if !ok {
		return nil, ErrOther
	}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(rest, "\n"))
	if err != nil {
		return nil, ErrFormat
	}
	return secret, nil
}
