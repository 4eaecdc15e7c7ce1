package escpos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrShort says that the bytes end inside a command: more are needed.
var ErrShort = errors.New("incomplete printer command")

// maxRasterBytes bounds one picture: 4,096 dots wide and 8,192 high.
const maxRasterBytes = 512 * 8192

// UnknownError reports bytes that are no command of this package.
type UnknownError struct {
	Offset int
	Bytes  []byte
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown printer command % x at byte %d", e.Bytes, e.Offset)
}

// Step is a command and where it began.
type Step struct {
	Offset  int
	Command Command
}

// Parse splits data into commands. It always covers all of data: bytes that are no
// command appear as [Unknown], and the first of them is returned as an
// [UnknownError]. A command cut off at the end is Unknown too, and the error is
// then [ErrShort].
func Parse(data []byte) ([]Step, error) {
	var steps []Step
	var first error
	for at := 0; at < len(data); {
		c, n, err := Decode(data[at:])
		if err != nil {
			c, n = Unknown{Bytes: data[at:]}, len(data)-at
			err = fmt.Errorf("byte %d: %w", at, err)
		} else if u, ok := c.(Unknown); ok {
			err = &UnknownError{Offset: at, Bytes: u.Bytes}
		}
		if first == nil {
			first = err
		}
		steps = append(steps, Step{at, c})
		at += n
	}
	return steps, first
}

// Decode reads the first command of data and returns it with its length. The only
// error is [ErrShort]; a command never aliases data.
func Decode(data []byte) (Command, int, error) {
	if len(data) == 0 {
		return nil, 0, ErrShort
	}
	c, n, err := decode(data)
	if err == nil && c == nil {
		c = Unknown{Bytes: bytes.Clone(data[:n])}
	}
	return c, n, err
}

// decode returns a nil command and a length for what it does not know.
func decode(data []byte) (Command, int, error) {
	switch data[0] {
	case '\n':
		return LineFeed{}, 1, nil
	case '\r':
		return Return{}, 1, nil
	case dle, esc, fs, gs:
	default:
		return decodeText(data)
	}
	if len(data) < 2 {
		return nil, 0, ErrShort
	}
	switch data[0] {
	case dle:
		return decodeRealtime(data)
	case esc:
		return decodeEsc(data)
	case fs:
		return decodeFS(data)
	}
	return decodeGS(data)
}

func decodeText(data []byte) (Command, int, error) {
	n := 0
	for n < len(data) && data[n] >= ' ' {
		n++
	}
	if n == 0 {
		return nil, 1, nil
	}
	return Text{Bytes: bytes.Clone(data[:n])}, n, nil
}

func decodeFS(data []byte) (Command, int, error) {
	switch data[1] {
	case '&':
		return Kanji{On: true}, 2, nil
	case '.':
		return Kanji{}, 2, nil
	}
	return nil, 2, nil
}

func decodeRealtime(data []byte) (Command, int, error) {
	switch data[1] {
	case eot:
		return one(data, 1, 4, func(n byte) Command { return RealtimeStatus{n} })
	case enq:
		return one(data, 1, 2, func(n byte) Command { return RealtimeRecover{n} })
	case dc4:
		return decodeDC4(data)
	}
	return nil, 1, nil
}

func decodeDC4(data []byte) (Command, int, error) {
	if len(data) < 3 {
		return nil, 0, ErrShort
	}
	switch data[2] {
	case 1:
		if len(data) < 5 {
			return nil, 0, ErrShort
		}
		if data[3] <= 1 && data[4] >= 1 && data[4] <= 8 {
			return RealtimePulse{data[3], data[4]}, 5, nil
		}
		return nil, 5, nil
	case 8:
		return decodeClear(data)
	}
	return nil, 3, nil
}

func decodeClear(data []byte) (Command, int, error) {
	have := data[:min(len(data), len(clearSequence))]
	if !bytes.HasPrefix(clearSequence, have) {
		return nil, 3, nil
	}
	if len(have) < len(clearSequence) {
		return nil, 0, ErrShort
	}
	return RealtimeClear{}, len(have), nil
}

func decodeEsc(data []byte) (Command, int, error) {
	switch data[1] {
	case '@':
		return Init{}, 2, nil
	case '2':
		return DefaultSpacing{}, 2, nil
	case '3':
		return one(data, 0, 255, func(n byte) Command { return LineSpacing{n} })
	case 't':
		return one(data, 0, 255, func(n byte) Command { return CodePage{n} })
	case 'R':
		return one(data, 0, 255, func(n byte) Command { return Charset{n} })
	case 'E':
		return one(data, 0, 1, func(n byte) Command { return Bold{n == 1} })
	case '-':
		return one(data, 0, 2, func(n byte) Command { return Underline{n} })
	case '!':
		return one(data, 0, 255, func(n byte) Command { return PrintMode{n} })
	case 'a':
		return one(data, 0, 2, func(n byte) Command { return Align{n} })
	case 'd':
		return one(data, 0, 255, func(n byte) Command { return Feed{n} })
	case 'J':
		return one(data, 0, 255, func(n byte) Command { return FeedDots{n} })
	case 'p':
		return decodePulse(data)
	}
	return nil, 2, nil
}

func decodePulse(data []byte) (Command, int, error) {
	if len(data) < 5 {
		return nil, 0, ErrShort
	}
	if data[2] > 1 {
		return nil, 5, nil
	}
	return Pulse{data[2], data[3], data[4]}, 5, nil
}

func decodeGS(data []byte) (Command, int, error) {
	switch data[1] {
	case '!':
		return decodeSize(data)
	case 'B':
		return one(data, 0, 1, func(n byte) Command { return Invert{n == 1} })
	case 'h':
		return one(data, 1, 255, func(n byte) Command { return BarcodeHeight{n} })
	case 'w':
		return one(data, 1, 6, func(n byte) Command { return BarcodeWidth{n} })
	case 'H':
		return one(data, 0, 3, func(n byte) Command { return BarcodeText{n} })
	case 'a':
		return one(data, 0, 255, func(n byte) Command { return AutoStatus{n} })
	case 'r':
		return one(data, 1, 2, func(n byte) Command { return StatusRequest{n} })
	case 'V':
		return decodeCut(data)
	case 'k':
		return decodeBarcode(data)
	case 'v':
		return decodeRaster(data)
	case '(':
		return decodeGroup(data)
	}
	return nil, 2, nil
}

// one reads a command with one parameter from low to high.
func one(data []byte, low, high byte, make func(byte) Command) (Command, int, error) {
	if len(data) < 3 {
		return nil, 0, ErrShort
	}
	if n := data[2]; n >= low && n <= high {
		return make(n), 3, nil
	}
	return nil, 3, nil
}

func decodeSize(data []byte) (Command, int, error) {
	if len(data) < 3 {
		return nil, 0, ErrShort
	}
	if data[2]&0x88 != 0 {
		return nil, 3, nil
	}
	return Size{Width: data[2]>>4 + 1, Height: data[2]&7 + 1}, 3, nil
}

func decodeCut(data []byte) (Command, int, error) {
	if len(data) < 3 {
		return nil, 0, ErrShort
	}
	switch m := data[2]; m {
	case 0, 1:
		return Cut{Partial: m == 1}, 3, nil
	case 'A', 'B':
		if len(data) < 4 {
			return nil, 0, ErrShort
		}
		return Cut{Partial: m == 'B', Feed: true, Dots: data[3]}, 4, nil
	}
	return nil, 3, nil
}

func decodeBarcode(data []byte) (Command, int, error) {
	if len(data) < 4 {
		return nil, 0, ErrShort
	}
	if data[2] < 65 || data[2] > 79 {
		return nil, 3, nil
	}
	end := 4 + int(data[3])
	if len(data) < end {
		return nil, 0, ErrShort
	}
	return Barcode{Kind: data[2], Data: bytes.Clone(data[4:end])}, end, nil
}

func decodeRaster(data []byte) (Command, int, error) {
	if len(data) < 8 {
		return nil, 0, ErrShort
	}
	x, y := int(binary.LittleEndian.Uint16(data[4:])), int(binary.LittleEndian.Uint16(data[6:]))
	if data[2] != '0' || data[3] > 3 || x*y == 0 || x*y > maxRasterBytes {
		return nil, 4, nil
	}
	end := 8 + x*y
	if len(data) < end {
		return nil, 0, ErrShort
	}
	return Raster{data[3], x, y, bytes.Clone(data[8:end])}, end, nil
}

// decodeGroup reads the commands that carry their own length: GS ( letter.
func decodeGroup(data []byte) (Command, int, error) {
	if len(data) < 5 {
		return nil, 0, ErrShort
	}
	end := 5 + int(binary.LittleEndian.Uint16(data[3:]))
	if len(data) < end {
		return nil, 0, ErrShort
	}
	body := data[5:end]
	switch data[2] {
	case 'k':
		return decodeQR(body), end, nil
	case 'H':
		return decodeProcessID(body), end, nil
	}
	return nil, end, nil
}

func decodeProcessID(body []byte) Command {
	if len(body) != 6 || body[0] != '0' || body[1] != '0' {
		return nil
	}
	var c ProcessID
	for i, d := range body[2:] {
		if d < ' ' || d > '~' {
			return nil
		}
		c.ID[i] = d
	}
	return c
}

func decodeQR(body []byte) Command {
	if len(body) < 3 || body[0] != '1' {
		return nil
	}
	n, rest := body[2], body[3:]
	switch function := body[1]; {
	case function == 65 && len(rest) == 1 && rest[0] == 0 && (n == 49 || n == 50):
		return QRModel{n}
	case function == 67 && len(rest) == 0 && n >= 1 && n <= 16:
		return QRModule{n}
	case function == 69 && len(rest) == 0 && n >= 48 && n <= 51:
		return QRLevel{n}
	case function == 80 && n == '0' && len(rest) > 0:
		return QRStore{bytes.Clone(rest)}
	case function == 81 && n == '0' && len(rest) == 0:
		return QRPrint{}
	}
	return nil
}
