package frame

import (
	"bytes"
	sysbzip "compress/bzip2"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/zstd"
)

// deflate compresses with the best ratio; dict is a raw dictionary or nil.
func deflate(data, dict []byte) ([]byte, error) {
	if dict == nil {
		return plainEncoder().EncodeAll(data, nil), nil
	}
	e, err := zstd.NewWriter(nil, append(encoderOptions(), zstd.WithEncoderDictRaw(1, dict), zstd.WithWindowSize(reach(len(dict)+len(data))))...)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	defer e.Close()
	return e.EncodeAll(data, nil), nil
}

func encoderOptions() []zstd.EOption {
	return []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false)}
}

// reach is the power of two that holds n bytes.
func reach(n int) int {
	size := zstd.MinWindowSize
	for size < n {
		size *= 2
	}
	return min(size, maxMemory)
}

var plainEncoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err) // such options are valid: shown by every test
	}
	return e
})

// maxMemory bounds what one frame or stream may become, whatever it says of itself.
const maxMemory = 8 << 20

// errLong says that data would become more than the frame has.
var errLong = errors.New("longer than it may be")

// inflate gives size bytes at most.
func (s *spares) inflate(wire, dict []byte, size int64) ([]byte, error) {
	if dict == nil {
		return s.inflateInto(nil, wire, size)
	}
	d, err := zstd.NewReader(nil, append(decoderOptions(), zstd.WithDecoderDictRaw(1, dict))...)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	defer d.Close()
	return decodeAll(d, nil, wire, size)
}

func decoderOptions() []zstd.DOption {
	return []zstd.DOption{
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMemory), zstd.WithDecoderMaxWindow(maxMemory), zstd.WithDecoderLowmem(true),
	}
}

// spares are decoders without dictionary that are not in use. They live as long as
// what is opened with them.
type spares struct{ pool sync.Pool }

// inflateInto gives size bytes at most, in dst where that has room.
func (s *spares) inflateInto(dst, wire []byte, size int64) (out []byte, err error) {
	d, _ := s.pool.Get().(*zstd.Decoder)
	if d == nil {
		if d, err = zstd.NewReader(nil, decoderOptions()...); err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
	}
	defer s.pool.Put(d)
	return decodeAll(d, dst, wire, size)
}

func decodeAll(d *zstd.Decoder, dst, wire []byte, size int64) ([]byte, error) {
	if int64(cap(dst)) < min(size, 2<<20) {
		dst = make([]byte, 0, min(size, 2<<20))
	}
	out, err := d.DecodeAll(wire, dst[:0])
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if int64(len(out)) > size {
		return nil, errLong
	}
	return out, nil
}

// bzip compresses with bzip2; only makers of packs do. The level is the size of a
// block in units of 100,000 bytes, for which whoever reads takes four times the room:
// no more than the data need, and [bzipLevel] at most.
func bzip(data []byte) ([]byte, error) {
	var out bytes.Buffer
	level := min(len(data)/100_000+1, bzipLevel)
	w, err := bzip2.NewWriter(&out, &bzip2.WriterConfig{Level: level})
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}

// bzipLevel keeps a till below 16 MB while it applies a delta; the highest level, 9,
// takes 2 MB more there, and makes a delta of plomb smaller by a third of a percent.
const bzipLevel = 4

// unbzip gives size bytes; the standard library reads.
func unbzip(wire []byte, size int64) ([]byte, error) {
	out := make([]byte, size)
	r := sysbzip.NewReader(bytes.NewReader(wire))
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if n, _ := r.Read(make([]byte, 1)); n != 0 {
		return nil, errLong
	}
	return out, nil
}
