//go:build !unix

package durable

import (
	"errors"
	"fmt"
	"io"
)

func lock(name string) (io.Closer, error) {
	return nil, fmt.Errorf("lock %s: %w", name, errors.ErrUnsupported)
}
