package drive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// The part of NBD that QEMU needs: the fixed newstyle handshake and simple replies
// (https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md).
const (
	magic        = 0x4e42444d41474943 // "NBDMAGIC"
	optionMagic  = 0x49484156454f5054 // "IHAVEOPT"
	answerMagic  = 0x0003e889045565a9
	requestMagic = 0x25609513
	replyMagic   = 0x67446698

	fixedNewstyle = 1 // and 2, no zeroes: both sides

	optionAbort = 2
	optionGo    = 7
	answerAck   = 1
	answerInfo  = 3
	unsupported = 1<<31 | 1

	hasFlags  = 1
	sendFlush = 4

	commandRead  = 0
	commandWrite = 1
	commandEnd   = 2
	commandFlush = 3

	errInvalid = 22
)

// most bounds one request, in bytes.
const most = 32 << 20

// Listen serves the disk on a socket in the file system until the listener is closed:
// one machine after the other, each until its power is cut.
func (d *Drive) Listen(socket string) (io.Closer, error) {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("serve a disk: %w", err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go d.current().Serve(c)
		}
	}()
	return l, nil
}

// Serve speaks NBD with a machine, and closes the connection at its end. When the power
// is gone it is silent until then, so that nobody is told of an error that a machine
// without power could not see.
func (p *Power) Serve(c net.Conn) {
	defer c.Close()
	s := &session{power: p, r: bufio.NewReaderSize(c, 64<<10), c: c}
	err := s.greet()
	for err == nil {
		err = s.request()
	}
	if errors.Is(err, errOff) {
		_, _ = io.Copy(io.Discard, s.r) // the machine dies
	}
}

// session is one connection.
type session struct {
	power *Power
	r     *bufio.Reader
	mu    sync.Mutex // of writing
	c     net.Conn
}

// send writes a head, and data behind it, at once.
func (s *session) send(head any, data []byte) error {
	out, err := binary.Append(nil, binary.BigEndian, head)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.c.Write(append(out, data...))
	return err
}

// greet agrees with the other side on what is served.
func (s *session) greet() error {
	hello := struct {
		Magic, Option uint64
		Flags         uint16
	}{magic, optionMagic, fixedNewstyle | 2}
	if err := s.send(hello, nil); err != nil {
		return err
	}
	var flags uint32
	if err := binary.Read(s.r, binary.BigEndian, &flags); err != nil {
		return err
	}
	for {
		if done, err := s.option(); err != nil || done {
			return err
		}
	}
}

var (
	errEnd = errors.New("the other side ends")
	errOff = errors.New("the power is gone")
)

// option takes one option; done says that requests follow.
func (s *session) option() (done bool, err error) {
	var o struct {
		Magic          uint64
		Option, Length uint32
	}
	if err := binary.Read(s.r, binary.BigEndian, &o); err != nil {
		return false, err
	}
	if o.Magic != optionMagic || o.Length > 1<<16 {
		return false, errors.New("not an option")
	}
	if _, err := s.r.Discard(int(o.Length)); err != nil {
		return false, err
	}
	switch o.Option {
	case optionGo:
		return true, errors.Join(s.answer(o.Option, answerInfo, s.export()), s.answer(o.Option, answerAck, nil))
	case optionAbort:
		return false, errEnd
	}
	return false, s.answer(o.Option, unsupported, nil)
}

func (s *session) answer(option, kind uint32, data []byte) error {
	return s.send(struct {
		Magic                uint64
		Option, Kind, Length uint32
	}{answerMagic, option, kind, uint32(len(data))}, data)
}

// export describes the disk.
func (s *session) export() []byte {
	out := binary.BigEndian.AppendUint16(nil, 0)
	out = binary.BigEndian.AppendUint64(out, uint64(s.power.d.Size()))
	return binary.BigEndian.AppendUint16(out, hasFlags|sendFlush)
}

// request takes one request. Flushes are answered when they are done, the others at once.
func (s *session) request() error {
	var q struct {
		Magic          uint32
		Flags, Command uint16
		Handle, Offset uint64
		Length         uint32
	}
	if err := binary.Read(s.r, binary.BigEndian, &q); err != nil {
		return err
	}
	if q.Magic != requestMagic || q.Command == commandEnd || q.Length > most {
		return errEnd
	}
	if size := uint64(s.power.d.Size()); q.Offset > size || uint64(q.Length) > size-q.Offset {
		return errors.New("beyond the disk")
	}
	switch q.Command {
	case commandRead:
		data := make([]byte, q.Length)
		return s.reply(s.power.read(data, int64(q.Offset)), q.Handle, 0, data)
	case commandWrite:
		data := make([]byte, q.Length)
		if _, err := io.ReadFull(s.r, data); err != nil {
			return err
		}
		return s.reply(s.power.write(data, int64(q.Offset)), q.Handle, 0, nil)
	case commandFlush:
		go func() { _ = s.reply(s.power.flush(), q.Handle, 0, nil) }() // without a connection nobody waits for it
		return nil
	}
	return s.reply(true, q.Handle, errInvalid, nil)
}

// reply answers a request, unless the power is gone.
func (s *session) reply(on bool, handle uint64, code uint32, data []byte) error {
	if !on {
		return errOff
	}
	return s.send(struct {
		Magic, Code uint32
		Handle      uint64
	}{replyMagic, code, handle}, data)
}
