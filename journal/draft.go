package journal

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
)

// MaxBody is the largest body in bytes. A journal with small segments takes less.
const MaxBody = 8 << 20

// Draft is an entry before it has its index.
type Draft struct {
	Kind    proof.Kind
	Flags   proof.Flags
	Time    time.Time     // wall clock; milliseconds are kept
	Uptime  time.Duration // since boot, monotonic; milliseconds are kept
	Boot    [16]byte
	Command [16]byte // UUIDv7, zero where none
	Numbers []proof.Number
	Body    []byte // not kept after Stage has returned
	Sign    bool   // a receipt: sign a checkpoint that ends with this entry
}

// prepared is a draft with everything done that does not need its index.
type prepared struct {
	head  []byte // encoded, with index, time and flags still to be set
	salt  [16]byte
	body  []byte
	time  int64
	flags proof.Flags
	sign  bool
}

// Where the fields stand that are set last: docs/design/0001-journal.md, "Head and body".
const (
	headFlags = 1
	headIndex = 4
	headTime  = 12
)

func (d *Draft) prepare(p *prepared, origin string, salts io.Reader, buf []byte) ([]byte, error) {
	if len(d.Body) > MaxBody {
		return buf, fmt.Errorf("body of %d bytes: %w", len(d.Body), ErrTooLarge)
	}
	if _, err := io.ReadFull(salts, p.salt[:]); err != nil {
		return buf, fmt.Errorf("draw body salt: %w", err)
	}
	head := proof.Head{
		Flags: d.Flags, Kind: d.Kind, Uptime: uint64(max(0, d.Uptime.Milliseconds())), Boot: d.Boot, Command: d.Command,
		Body: proof.Commit(p.salt, d.Body), BodyLen: uint32(len(d.Body)), Origin: origin, Numbers: d.Numbers,
	}
	start := len(buf)
	buf, err := head.AppendBinary(buf)
	if errors.Is(err, proof.ErrHeadTooLong) {
		return buf, fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	if err != nil {
		return buf, err
	}
	p.head = buf[start:len(buf):len(buf)]
	p.body, p.time, p.flags, p.sign = d.Body, d.Time.UnixMilli(), d.Flags, d.Sign
	return buf, nil
}

// space is the room that the sealed entry's record takes.
func (p *prepared) space() int {
	return recordSpace(sealedPrefix + sealOverhead + len(p.head) + len(p.body))
}
