package drive_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/plomb-pos/plomb/internal/powercut/rig/drive"
)

// machine is the other side of NBD.
type machine struct {
	testing.TB
	net.Conn
}

const (
	read  = 0
	write = 1
	flush = 3
)

// plug connects a machine to a disk that is on, as QEMU does.
func plug(t testing.TB, p *drive.Power) machine {
	t.Helper()
	here, there := net.Pipe()
	go p.Serve(there)
	m := machine{t, here}
	m.want("NBDMAGICIHAVEOPT\x00\x03")
	m.send("\x00\x00\x00\x03", "IHAVEOPT\x00\x00\x00\x08\x00\x00\x00\x00")                     // structured replies
	m.want("\x00\x03\xe8\x89\x04\x55\x65\xa9\x00\x00\x00\x08\x80\x00\x00\x01\x00\x00\x00\x00") // are not known
	m.send("IHAVEOPT\x00\x00\x00\x07\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00")                 // go, with a name of no bytes
	m.want("\x00\x03\xe8\x89\x04\x55\x65\xa9\x00\x00\x00\x07\x00\x00\x00\x03\x00\x00\x00\x0c\x00\x00")
	var size uint64
	must(t, binary.Read(m, binary.BigEndian, &size))
	m.want("\x00\x05\x00\x03\xe8\x89\x04\x55\x65\xa9\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00")
	return m
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m machine) send(parts ...string) {
	m.Helper()
	for _, p := range parts {
		_, err := io.WriteString(m, p)
		must(m, err)
	}
}

func (m machine) want(text string) {
	m.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(m, got)
	must(m, err)
	if string(got) != text {
		m.Fatalf("got %q, want %q", got, text)
	}
}

// ask sends a request and does not wait for the answer.
func (m machine) ask(command uint16, at, length int, data []byte) {
	m.Helper()
	must(m, binary.Write(m, binary.BigEndian, struct {
		Magic          uint32
		Flags, Command uint16
		Handle, Offset uint64
		Length         uint32
	}{0x25609513, 0, command, 77, uint64(at), uint32(length)}))
	if len(data) > 0 {
		_, err := m.Write(data)
		must(m, err)
	}
}

func (m machine) done() {
	m.Helper()
	m.want("\x67\x44\x66\x98\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x4d")
}

func (m machine) put(at int, data []byte) {
	m.Helper()
	m.ask(write, at, len(data), data)
	m.done()
}

func (m machine) flush() {
	m.Helper()
	m.ask(flush, 0, 0, nil)
	m.done()
}

func (m machine) get(at, length int) []byte {
	m.Helper()
	m.ask(read, at, length, nil)
	m.done()
	out := make([]byte, length)
	_, err := io.ReadFull(m, out)
	must(m, err)
	return out
}

const blocks = 6

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// ever is what each block may hold after a cut: what was flushed, and what was written later.
type ever [blocks][]byte

func (e *ever) wrote(at, n int, value byte) {
	for i := at; i < at+n; i++ {
		e[i] = append(e[i], value)
	}
}

func (e *ever) flushed() {
	for i := range e {
		e[i] = e[i][len(e[i])-1:]
	}
}

func TestACutLosesOnlyWhatWasNotFlushedAndNoBlockByHalf(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := drive.New(make([]byte, blocks*drive.Block))
		var e ever
		e.wrote(0, blocks, 0)
		value := byte(0)
		for range rapid.IntRange(1, 3).Draw(rt, "lives") {
			power := d.On()
			m := plug(t, power)
			for i := range blocks {
				got := m.get(i*drive.Block, drive.Block)
				if !bytes.Equal(got, bytes.Repeat(got[:1], drive.Block)) || !slices.Contains(e[i], got[0]) {
					rt.Fatalf("block %d begins with %d; there was %v", i, got[0], e[i])
				}
				e[i] = got[:1]
			}
			for range rapid.IntRange(0, 6).Draw(rt, "requests") {
				if rapid.IntRange(0, 5).Draw(rt, "request") == 0 {
					m.flush()
					e.flushed()
					continue
				}
				value++
				at := rapid.IntRange(0, blocks-1).Draw(rt, "at")
				n := rapid.IntRange(1, blocks-at).Draw(rt, "blocks")
				m.put(at*drive.Block, bytes.Repeat([]byte{value}, n*drive.Block))
				e.wrote(at, n, value)
			}
			power.Cut(random(rapid.Uint64().Draw(rt, "seed")))
			m.Close()
		}
	})
}

// cuts tells what became of two writes of four blocks in many cuts.
func cuts(t *testing.T, faithful bool) (total drive.Loss) {
	for seed := range uint64(100) {
		d := drive.New(make([]byte, 8*drive.Block))
		d.Faithful = faithful
		power := d.On()
		m := plug(t, power)
		m.put(0, make([]byte, 4*drive.Block))
		m.put(4*drive.Block, make([]byte, 4*drive.Block))
		power.Cut(random(seed))
		m.Close()
		loss := power.Loss()
		total.Cached, total.Lost, total.Torn = total.Cached+loss.Cached, total.Lost+loss.Lost, total.Torn+loss.Torn
	}
	return total
}

func TestWritesThatWereNotFlushedAreLostTornOrKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if got := cuts(t, false); got.Cached != 200 || got.Lost < 20 || got.Torn < 20 || got.Lost+got.Torn > 180 {
			t.Errorf("%+v", got)
		}
		if got := cuts(t, true); got != (drive.Loss{Cached: 200}) {
			t.Errorf("a disk that loses nothing: %+v", got)
		}
	})
}

func TestACutInAFlushLeavesItUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := drive.New(make([]byte, drive.Block))
		power := d.On()
		m := plug(t, power)
		power.CutInFlush(time.Hour, random(1))
		m.flush() // of nothing
		begin := time.Now()
		m.put(0, []byte{1})
		m.ask(flush, 0, 0, nil)
		<-power.Off()
		if took := time.Since(begin); took > time.Second || power.Loss().Cached != 1 {
			t.Errorf("after %v: %+v", took, power.Loss())
		}
		must(t, m.SetReadDeadline(time.Now().Add(time.Minute)))
		if n, err := m.Read(make([]byte, 1)); n > 0 || err == io.EOF {
			t.Errorf("the machine reads %d bytes, %v", n, err)
		}
		m.Close()
	})
}

func TestACutWaitsForAFlushAsLongAsItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		power := drive.New(make([]byte, drive.Block)).On()
		power.CutInFlush(time.Minute, random(1))
		<-power.Off()
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("cut after %v", took)
		}
	})
}

func TestAMachineThatDiesLateWritesNothingToTheNextOnesDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := drive.New(make([]byte, drive.Block))
		before := d.On()
		m := plug(t, before)
		before.Cut(random(1))
		next := plug(t, d.On())
		m.ask(write, 0, 4, []byte("late"))
		synctest.Wait()
		if got := next.get(0, 4); string(got) != "\x00\x00\x00\x00" {
			t.Errorf("%q was written", got)
		}
		m.Close()
		next.Close()
	})
}

// Whatever a machine says, the disk neither panics nor writes beyond itself.
func FuzzAMachineMaySayAnything(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x07\x00\x00\x00\x00\x25\x60\x95\x13\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01x"))
	f.Add([]byte("\x00\x00\x00\x03IHAVEOPT\x00\x00\x00\x07\x00\x00\x00\x00\x25\x60\x95\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, said []byte) {
		here, there := net.Pipe()
		go func() {
			_, _ = here.Write(said) // the disk may hang up
			here.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, here) }()
		drive.New(make([]byte, drive.Block)).On().Serve(there)
	})
}
