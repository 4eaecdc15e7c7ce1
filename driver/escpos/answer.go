package escpos

import "bytes"

// Answer is something a printer says.
type Answer interface {
	AppendTo(dst []byte) []byte
}

// Answers.
type (
	// StatusReport is an automatic status report of four bytes (after GS a).
	StatusReport struct{ Bytes [4]byte }
	// RealtimeReply answers DLE EOT.
	RealtimeReply struct{ Byte byte }
	// RequestReply answers GS r.
	RequestReply struct{ Byte byte }
	// ProcessIDReply says that everything before [ProcessID] has been printed.
	ProcessIDReply struct{ ID [4]byte }
	// ClearedReply says that the buffers were thrown away (DLE DC4, function 8).
	ClearedReply struct{}
	// FlowControl is XON (0x11) or XOFF (0x13) of a serial line.
	FlowControl struct{ Byte byte }
	// UnknownAnswer is kept byte for byte.
	UnknownAnswer struct{ Bytes []byte }
)

func (a StatusReport) AppendTo(b []byte) []byte  { return append(b, a.Bytes[:]...) }
func (a RealtimeReply) AppendTo(b []byte) []byte { return append(b, a.Byte) }
func (a RequestReply) AppendTo(b []byte) []byte  { return append(b, a.Byte) }
func (a FlowControl) AppendTo(b []byte) []byte   { return append(b, a.Byte) }
func (a UnknownAnswer) AppendTo(b []byte) []byte { return append(b, a.Bytes...) }
func (ClearedReply) AppendTo(b []byte) []byte    { return append(b, replyHeader, replyCleared, 0) }

func (a ProcessIDReply) AppendTo(b []byte) []byte {
	b = append(b, replyHeader, replyProcessID)
	return append(append(b, a.ID[:]...), 0)
}

// maxBlock bounds the answers that end with NUL.
const maxBlock = 256

// DecodeAnswer reads the first answer of data and returns it with its length. The
// kinds are told apart by their fixed bits. The only error is [ErrShort].
func DecodeAnswer(data []byte) (Answer, int, error) {
	if len(data) == 0 {
		return nil, 0, ErrShort
	}
	switch first := data[0]; {
	case first == replyHeader:
		return decodeBlock(data)
	case first == 0x11 || first == 0x13:
		return FlowControl{first}, 1, nil
	case first&asbMarkMask == asbFixed:
		return decodeReport(data)
	case first&asbMarkMask == rtMark:
		return RealtimeReply{first}, 1, nil
	case first&0x90 == 0:
		return RequestReply{first}, 1, nil
	}
	return UnknownAnswer{[]byte{data[0]}}, 1, nil
}

func decodeReport(data []byte) (Answer, int, error) {
	if len(data) < 4 {
		return nil, 0, ErrShort
	}
	return StatusReport{[4]byte(data)}, 4, nil
}

func decodeBlock(data []byte) (Answer, int, error) {
	end := bytes.IndexByte(data, 0)
	switch {
	case end < 0 && len(data) < maxBlock:
		return nil, 0, ErrShort
	case end == 2 && data[1] == replyCleared:
		return ClearedReply{}, 3, nil
	case end == 6 && data[1] == replyProcessID:
		return ProcessIDReply{[4]byte(data[2:])}, 7, nil
	case end < 0 || end >= maxBlock:
		return UnknownAnswer{[]byte{data[0]}}, 1, nil
	}
	return UnknownAnswer{bytes.Clone(data[:end+1])}, end + 1, nil
}
