package proof

func EncodeBase45(b []byte) string { return string(appendBase45(nil, b)) }

var DecodeBase45 = decodeBase45

var KeyHashOf = keyHash
