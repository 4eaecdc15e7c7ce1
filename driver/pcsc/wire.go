package pcsc

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The daemon's protocol: a request is a header and a fixed message, some with bytes
// behind it; the answer is the same message filled in, without a header.
const (
	protocolMajor    = 4
	protocolMinor    = 4 // what we speak
	protocolMinorMax = 6 // what is known to understand it

	scopeSystem = 2

	maxReaders = 16
	maxName    = 128 // with its closing zero
	maxATR     = 33
	readerSize = 184

	// MaxAnswer is the longest answer of a card in bytes: 64 KiB, header, lengths
	// and status word, as in pcsc-lite's own buffers.
	MaxAnswer    = 4 + 3 + 1<<16 + 3 + 2
	maxAttribute = 264
)

// Commands.
const (
	cmdEstablish    = 0x01
	cmdConnect      = 0x04
	cmdReconnect    = 0x05
	cmdDisconnect   = 0x06
	cmdBegin        = 0x07
	cmdEnd          = 0x08
	cmdTransmit     = 0x09
	cmdControl      = 0x0A
	cmdStatus       = 0x0B
	cmdAttribute    = 0x0F
	cmdVersion      = 0x11
	cmdReadersState = 0x12
	cmdWaitChange   = 0x13
	cmdStopWaiting  = 0x14
)

// message is a request that comes back filled in.
type message interface{ result() Code }

type versionMessage struct {
	Major, Minor int32
	Result       Code
}

type establishMessage struct {
	Scope, Context uint32
	Result         Code
}

type connectMessage struct {
	Context         uint32
	Reader          [maxName]byte
	Share, Protocol uint32
	Card            int32
	Active          uint32
	Result          Code
}

type reconnectMessage struct {
	Card                    int32
	Share, Protocol, Action uint32
	Active                  uint32
	Result                  Code
}

type actionMessage struct { // disconnect, end
	Card   int32
	Action uint32
	Result Code
}

type cardMessage struct { // begin, status
	Card   int32
	Result Code
}

type transmitMessage struct {
	Card                     int32
	SendProtocol, SendPCI    uint32
	SendLength               uint32
	ReceiveProtocol, RecvPCI uint32
	ReceiveLength            uint32
	Result                   Code
}

type controlMessage struct {
	Card                           int32
	Control                        uint32
	SendLength, Capacity, Returned uint32
	Result                         Code
}

type attributeMessage struct {
	Card   int32
	ID     uint32
	Value  [maxAttribute]byte
	Length uint32
	Result Code
}

type waitMessage struct {
	Timeout uint32
	Result  Code
}

func (m *versionMessage) result() Code   { return m.Result }
func (m *establishMessage) result() Code { return m.Result }
func (m *connectMessage) result() Code   { return m.Result }
func (m *reconnectMessage) result() Code { return m.Result }
func (m *actionMessage) result() Code    { return m.Result }
func (m *cardMessage) result() Code      { return m.Result }
func (m *transmitMessage) result() Code  { return m.Result }
func (m *controlMessage) result() Code   { return m.Result }
func (m *attributeMessage) result() Code { return m.Result }
func (m *waitMessage) result() Code      { return m.Result }

// encode puts the header before a message, which may be nil.
func encode(command uint32, m message) []byte {
	size := 0
	if m != nil {
		size = binary.Size(m)
	}
	out := binary.NativeEndian.AppendUint32(make([]byte, 0, 8+size), uint32(size))
	out = binary.NativeEndian.AppendUint32(out, command)
	if m != nil {
		out, _ = binary.Append(out, binary.NativeEndian, m) // of fixed size: cannot fail
	}
	return out
}

// readerEntry is one of the daemon's sixteen places for readers.
type readerEntry struct {
	Name      [maxName]byte
	Events    uint32
	State     uint32
	Sharing   int32
	ATR       [maxATR]byte
	_         [3]byte
	ATRLength uint32
	Protocol  uint32
}

// decodeReaders reads the daemon's table; places without a name are empty.
func decodeReaders(data []byte) ([]Reader, error) {
	if len(data) != maxReaders*readerSize {
		return nil, fmt.Errorf("table of readers has %d bytes, want %d", len(data), maxReaders*readerSize)
	}
	var list []Reader
	for place := range maxReaders {
		var e readerEntry
		if _, err := binary.Decode(data[place*readerSize:][:readerSize], binary.NativeEndian, &e); err != nil {
			return nil, err
		}
		if e.Name[0] == 0 {
			continue
		}
		r, err := e.reader()
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (e *readerEntry) reader() (Reader, error) {
	end := bytes.IndexByte(e.Name[:], 0)
	if end < 0 {
		return Reader{}, fmt.Errorf("the name of a reader has no end")
	}
	r := Reader{Name: string(e.Name[:end]), Events: e.Events, State: State(e.State & 0xFFFF), Sharing: int(e.Sharing), Protocol: Protocol(e.Protocol)}
	if e.ATRLength > maxATR {
		return Reader{}, fmt.Errorf("reader %q: an ATR of %d bytes", r.Name, e.ATRLength)
	}
	if r.Present() {
		r.ATR = bytes.Clone(e.ATR[:e.ATRLength])
	}
	return r, nil
}
