package counter

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/plomb-pos/plomb/internal/durable"
)

// File, in a device's boot folder, names the TPM that holds the version floor, on
// one line.
const File = "tpm"

// Open is the counter of the device with this boot folder: its TPM, or Table where
// File does not exist. It does not speak to the TPM yet.
func Open(fsys durable.FS, boot string) (Counter, error) {
	name, err := durable.ReadFile(fsys, path.Join(boot, File), 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return Table{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which TPM holds the version floor: %w", err)
	}
	return TPM(strings.TrimSpace(string(name))), nil
}
