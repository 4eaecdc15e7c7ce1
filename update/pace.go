package update

import (
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
)

// While somebody may sell, whoever goes through a release frame by frame rests after
// each one, rests times as long as it took: most sales then meet neither its processor
// time nor its writes, and those that do meet one frame's. A rest is leastRest for each
// byte at least, since frames that are only verified are hashed meanwhile, and maxRest
// at most: on a machine that is busy with other things a frame takes long for reasons
// that rests do not cure.
const (
	rests     = 4
	leastRest = 8 * time.Nanosecond
	maxRest   = 250 * time.Millisecond
)

// pacer rests between frames. It is used by one goroutine.
type pacer struct {
	load    func() Load
	resumed time.Time // end of the last rest
}

func (a *Agent) pacer() *pacer { return &pacer{load: a.bucket.load, resumed: time.Now()} }

// busy reports whether somebody may sell.
func (p *pacer) busy() bool { return p.load() != Quiet }

// rest takes all time since the last rest for work on n bytes.
func (p *pacer) rest(n int) {
	if p.busy() {
		time.Sleep(min(max(rests*time.Since(p.resumed), time.Duration(n)*leastRest), maxRest))
	}
	p.resumed = time.Now()
}

// paced is the disk for reading components whole: who reads one rests before each read
// of a frame, for what was done with the one before.
type paced struct {
	durable.FS
	agent *Agent
}

func (p paced) Open(name string) (durable.File, error) {
	f, err := p.FS.Open(name)
	if err != nil {
		return f, err
	}
	return pacedFile{f, p.agent.pacer()}, nil
}

type pacedFile struct {
	durable.File
	pace *pacer
}

// piece bytes and more are a part of a component; fewer are a paper.
func (f pacedFile) ReadAt(p []byte, at int64) (int, error) {
	if len(p) >= piece {
		f.pace.rest(len(p))
	}
	return f.File.ReadAt(p, at)
}
