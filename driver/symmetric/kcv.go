package symmetric

// KCV is the key check value by zeros: for DES and triple DES the first 3 bytes of
// an enciphered block of zeros, for AES the first 5 of the CMAC of one
// (ANSI X9.24-1:2017, annex A).
func KCV(a Algorithm, key []byte) ([]byte, error) {
	block, err := New(a, key)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, block.BlockSize())
	if a == AES {
		return CMAC(block, zeros)[:5], nil
	}
	block.Encrypt(zeros, zeros)
	return zeros[:3], nil
}

// SelfKCV is the key check value by the key itself: its first block enciphered
// under all of it, as many bytes as KCV has.
func SelfKCV(a Algorithm, key []byte) ([]byte, error) {
	block, err := New(a, key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, block.BlockSize())
	block.Encrypt(out, key)
	if a == AES {
		return out[:5], nil
	}
	return out[:3], nil
}
