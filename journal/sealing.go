package journal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
)

const (
	frameInfo = "plomb frame v1"
	headLen   = 2
	bodySalt  = 16
	gcmTag    = 16
	// sealOverhead is what sealing adds to head and body.
	sealOverhead = headLen + bodySalt + gcmTag
)

// monthOf names the month's key for a head's time: yyyymm in UTC.
func monthOf(ms int64) uint32 {
	t := time.UnixMilli(ms).UTC()
	return uint32(t.Year())*100 + uint32(t.Month())
}

// newFrame derives the cipher of one session and month.
func newFrame(month [32]byte, salt [16]byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, month[:], salt[:], frameInfo, 32)
	if err != nil {
		return nil, fmt.Errorf("derive frame key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("frame cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

// nonce is unique under a frame key: a session writes each index at most once.
func nonce(index uint64) (n [12]byte) {
	binary.BigEndian.PutUint64(n[4:], index)
	return n
}

// appendPlain appends what is sealed: head length, head, salt, body.
func appendPlain(dst, head []byte, salt [16]byte, body []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(head)))
	dst = append(dst, head...)
	dst = append(dst, salt[:]...)
	return append(dst, body...)
}

// plainEntry is an opened entry; the slices point into the opened bytes.
type plainEntry struct {
	head []byte
	salt [16]byte
	body []byte
}

// open decrypts e into dst, which must not overlap it.
func (e *sealedEntry) open(dst []byte, frame cipher.AEAD, origin string) (plainEntry, error) {
	n := nonce(e.Index)
	plain, err := frame.Open(dst, n[:], e.Sealed, []byte(origin))
	if err != nil {
		return plainEntry{}, fmt.Errorf("open entry %d: %w", e.Index, err)
	}
	return cutPlain(plain[len(dst):])
}

func cutPlain(b []byte) (plainEntry, error) {
	if len(b) < headLen {
		return plainEntry{}, errPayload
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > proof.MaxHead || len(b) < headLen+n+bodySalt {
		return plainEntry{}, errPayload
	}
	p := plainEntry{head: b[headLen : headLen+n : headLen+n], body: b[headLen+n+bodySalt:]}
	copy(p.salt[:], b[headLen+n:])
	return p, nil
}
