package escpos

import (
	"context"
	"io"
	"sync"
	"time"
)

// session is one connection to a printer.
type session struct {
	conn    io.ReadWriteCloser
	printer *Printer
	closed  chan struct{} // the connection has ended
	changed chan struct{} // holds a token after a change of status
	once    sync.Once

	writing sync.Mutex // one write at a time; each is whole commands

	mu        sync.Mutex // guards what follows
	asked     []byte     // DLE EOT questions without answer, in order
	heard     time.Time
	id        [4]byte       // of the present job
	sending   bool          // the present job may still be sent
	confirmed chan struct{} // closed by the answer to id
	cleared   chan struct{} // closed by the answer to RealtimeClear
}

func newSession(conn io.ReadWriteCloser, p *Printer) *session {
	return &session{conn: conn, printer: p, closed: make(chan struct{}), changed: make(chan struct{}, 1), heard: time.Now()}
}

// run serves the connection until it or ctx ends, and returns when nothing of it
// runs any more.
func (s *session) run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(s.read)
	running.Go(s.beat)
	select {
	case <-ctx.Done():
	case <-s.closed:
	}
	s.close()
	running.Wait()
}

func (s *session) close() {
	s.once.Do(func() {
		close(s.closed)
		s.conn.Close() // the connection is given up: nothing can be done about an error
	})
}

func (s *session) notify() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// beat switches automatic reports on and asks for the status again and again. A
// printer that is silent for three beats is gone.
func (s *session) beat() {
	var first []byte
	if s.printer.takeCutOff() {
		first = RealtimeClear{}.AppendTo(first)
	}
	if err := s.write(AutoStatus{asbAllChanges}.AppendTo(first)); err != nil {
		s.close()
		return
	}
	tick := time.NewTicker(s.printer.Heartbeat)
	defer tick.Stop()
	for {
		if s.silence() > 3*s.printer.Heartbeat || s.ask() != nil {
			s.close()
			return
		}
		select {
		case <-s.closed:
			return
		case <-tick.C:
		}
	}
}

func (s *session) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.heard)
}

// ask sends the four questions about the status, unless some are still open.
func (s *session) ask() error {
	s.mu.Lock()
	if len(s.asked) > 0 {
		s.mu.Unlock()
		return nil
	}
	var questions []byte
	for what := byte(1); what <= 4; what++ {
		s.asked = append(s.asked, what)
		questions = RealtimeStatus{what}.AppendTo(questions)
	}
	s.mu.Unlock()
	return s.write(questions)
}

func (s *session) write(data []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.conn.Write(data)
	return err
}

// pieceSize is how much of a job is sent at once; between pieces the job can be
// abandoned and questions can be asked.
const pieceSize = 1024

// sendJob sends a job in pieces of whole commands, until it is abandoned. The
// channel brings the first error, or nil, once.
func (s *session) sendJob(id [4]byte, data []byte) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.sendPieces(id, data) }()
	return done
}

func (s *session) sendPieces(id [4]byte, data []byte) error {
	var piece []byte
	for len(data) > 0 {
		_, n, err := Decode(data)
		if err != nil {
			n = len(data)
		}
		piece, data = append(piece, data[:n]...), data[n:]
		if len(piece) < pieceSize && len(data) > 0 {
			continue
		}
		if err := s.sendPiece(id, piece); err != nil {
			return err
		}
		piece = piece[:0]
	}
	return nil
}

func (s *session) sendPiece(id [4]byte, piece []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.wanted(id) {
		return nil
	}
	_, err := s.conn.Write(piece)
	return err
}

func (s *session) wanted(id [4]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sending && s.id == id
}

// expect prepares for the answer to a job.
func (s *session) expect(id [4]byte) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.confirmed, s.sending = id, make(chan struct{}), true
	return s.confirmed
}

// clear abandons the job and has the printer throw its buffer away. The channel is
// closed by the printer's answer.
func (s *session) clear() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sending, s.cleared = false, make(chan struct{})
	go func() {
		if s.write(RealtimeClear{}.AppendTo(nil)) != nil {
			s.close()
		}
	}()
	return s.cleared
}

// maxAnswers bounds the bytes that wait for the rest of an answer.
const maxAnswers = 4096

func (s *session) read() {
	defer s.close()
	var pending []byte
	buf := make([]byte, 512)
	for {
		n, err := s.conn.Read(buf)
		if err != nil {
			return
		}
		pending = append(pending, buf[:n]...)
		pending = pending[s.answers(pending):]
		if len(pending) > maxAnswers {
			return
		}
	}
}

// answers handles all complete answers and returns their length.
func (s *session) answers(data []byte) (used int) {
	for {
		a, n, err := DecodeAnswer(data[used:])
		if err != nil {
			return used
		}
		used += n
		s.answer(a)
	}
}

func (s *session) answer(a Answer) {
	openLow := s.printer.profile.DrawerOpenLow
	switch a := a.(type) {
	case StatusReport:
		s.status(true, func(st Status) Status { return st.withReport(a.Bytes, openLow) })
	case RealtimeReply:
		what, last := s.question()
		s.status(last, func(st Status) Status { return st.withRealtime(what, a.Byte, openLow) })
	case ProcessIDReply:
		s.confirm(a.ID)
	case RequestReply:
		s.confirm(s.expected())
	case ClearedReply:
		s.confirmClear()
	}
	s.mu.Lock()
	s.heard = time.Now()
	s.mu.Unlock()
}

// status changes the printer's status. It counts as connected once all is known:
// after a full report or the last of the four answers.
func (s *session) status(complete bool, change func(Status) Status) {
	s.printer.update(func(st Status) Status {
		st = change(st)
		st.Connected = st.Connected || complete
		return st
	})
}

// question takes the oldest question without answer, 0 if there is none, and says
// whether it was the last.
func (s *session) question() (what byte, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) == 0 {
		return 0, false
	}
	what = s.asked[0]
	s.asked = s.asked[1:]
	return what, len(s.asked) == 0
}

func (s *session) expected() [4]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

func (s *session) confirm(id [4]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.confirmed != nil && id == s.id {
		close(s.confirmed)
		s.confirmed = nil
	}
}

func (s *session) confirmClear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cleared != nil {
		close(s.cleared)
		s.cleared = nil
	}
}
