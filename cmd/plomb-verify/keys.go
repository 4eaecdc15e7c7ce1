package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/plomb-pos/plomb/journal"
)

// months are the keys of a --keys file. A month that is not in it counts as
// erased: its entries' contents cannot be checked, the tree can.
type months map[uint32][32]byte

// Month implements journal.MonthReader.
func (m months) Month(_ context.Context, yyyymm uint32) ([32]byte, error) {
	key, ok := m[yyyymm]
	if !ok {
		return key, journal.ErrErased
	}
	return key, nil
}

func readKeys(name string) (months, error) {
	text, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	m, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

var monthLine = regexp.MustCompile(`^month ([0-9]{4}(?:0[1-9]|1[0-2])) ([A-Za-z0-9+/]{43}=)$`)

// parseKeys parses the text form of month keys, each month once.
func parseKeys(text []byte) (months, error) {
	lines := strings.Split(string(text), "\n")
	if lines[0] != "plomb-keys 1" || lines[len(lines)-1] != "" {
		return nil, fmt.Errorf("no plomb-keys file of version 1")
	}
	m := months{}
	for i, line := range lines[1 : len(lines)-1] {
		f := monthLine.FindStringSubmatch(line)
		if f == nil {
			return nil, fmt.Errorf("line %d: not a month and its key", i+2)
		}
		yyyymm, err := strconv.ParseUint(f[1], 10, 32)
		key, kerr := base64.StdEncoding.Strict().DecodeString(f[2])
		if _, twice := m[uint32(yyyymm)]; err != nil || kerr != nil || twice {
			return nil, fmt.Errorf("line %d: key malformed or month given twice", i+2)
		}
		m[uint32(yyyymm)] = [32]byte(key)
	}
	return m, nil
}

// smallFile bounds what is read whole: policies, keys, notes and proofs, in bytes.
const smallFile = 1 << 20

func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > smallFile {
		return nil, fmt.Errorf("%s: %d bytes, more than any policy, key file, checkpoint or proof has", name, info.Size())
	}
	return os.ReadFile(name)
}
