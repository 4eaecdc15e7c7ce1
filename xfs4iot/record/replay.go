package record

import (
	"context"
	"fmt"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/client"
)

// ReplayOptions tell how to play a recording.
type ReplayOptions struct {
	Client   client.Options
	Speed    float64       // times faster than recorded; 0: as fast as answers come
	Patience time.Duration // for one answer; default 30 s
}

// Outcome is how one recorded command went this time.
type Outcome struct {
	Command   string `json:"command"`
	RequestID int64  `json:"requestId"`
	Recorded  string `json:"recorded"`         // completion code, errorCode or status of the refusal
	Now       string `json:"now"`              // the same, of this time
	Skipped   string `json:"skipped,omitzero"` // why it was not sent
}

// Same tells whether the command was sent and went as recorded.
func (o Outcome) Same() bool { return o.Skipped == "" && o.Recorded == o.Now }

// Replay sends the commands of a recording to a service, over a connection of its own
// and with their recorded requestIds, and compares how they end. A command is sent
// when the answers that were recorded before it have come, so that a Cancel meets what
// it met then. Commands whose values are masked are skipped. Commands move devices:
// play recordings against simulators.
//
// The outcomes are in the order of the commands; the error says why it stopped early.
func Replay(ctx context.Context, url string, frames []Frame, o ReplayOptions) ([]Outcome, error) {
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	conn, err := client.DialRaw(ctx, url, o.Client)
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	defer conn.Close()
	p := &player{opts: o, conn: conn, open: map[int64]*Outcome{}}
	for i, f := range frames {
		if i > 0 {
			p.pause(ctx, f.At.Sub(frames[i-1].At))
		}
		if err := p.play(ctx, f); err != nil {
			return p.outcomes(), fmt.Errorf("replay, message %d: %w", i+1, err)
		}
	}
	return p.outcomes(), nil
}

type player struct {
	opts ReplayOptions
	conn *client.Raw
	list []*Outcome
	open map[int64]*Outcome // sent, not yet answered now
}

func (p *player) outcomes() []Outcome {
	var list []Outcome
	for _, o := range p.list {
		list = append(list, *o)
	}
	return list
}

func (p *player) pause(ctx context.Context, d time.Duration) {
	if p.opts.Speed <= 0 || d <= 0 {
		return
	}
	t := time.NewTimer(time.Duration(float64(d) / p.opts.Speed))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (p *player) play(ctx context.Context, f Frame) error {
	m, err := xfs4iot.Decode(f.Message, xfs4iot.Limits{})
	if err != nil && m.Header.Name == "" {
		return nil // recorded nonsense
	}
	if f.Dir == Sent {
		return p.send(ctx, f, m)
	}
	return p.answered(ctx, m)
}

func (p *player) send(ctx context.Context, f Frame, m *xfs4iot.Message) error {
	o := &Outcome{Command: m.Header.Name, RequestID: m.Header.RequestID}
	p.list = append(p.list, o)
	if f.Masked {
		o.Skipped = "it holds masked values"
		return nil
	}
	p.open[o.RequestID] = o
	return p.conn.Send(ctx, f.Message)
}

// answered takes a recorded last answer and waits for today's.
func (p *player) answered(ctx context.Context, m *xfs4iot.Message) error {
	result, last := ending(m)
	if !last {
		return nil
	}
	for i := len(p.list) - 1; i >= 0; i-- { // the newest of that id
		if o := p.list[i]; o.RequestID == m.Header.RequestID && o.Recorded == "" {
			o.Recorded = result
			return p.wait(ctx, o)
		}
	}
	return nil
}

func (p *player) wait(ctx context.Context, o *Outcome) error {
	if o.Skipped != "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.opts.Patience)
	defer cancel()
	for o.Now == "" {
		data, err := p.conn.Receive(ctx)
		if err != nil {
			return fmt.Errorf("answer to %s: %w", o.Command, err)
		}
		m, _ := xfs4iot.Decode(data, xfs4iot.Limits{}) // what cannot be read ends no command
		if result, last := ending(m); last && p.open[m.Header.RequestID] != nil {
			p.open[m.Header.RequestID].Now = result
			delete(p.open, m.Header.RequestID)
		}
	}
	return nil
}

// ending tells how a command ended, if the message is its last one.
func ending(m *xfs4iot.Message) (result string, last bool) {
	switch h := m.Header; {
	case h.Type == xfs4iot.TypeAcknowledge && h.Status != xfs4iot.StatusAccepted:
		return string(h.Status), true
	case h.Type == xfs4iot.TypeCompletion && h.CompletionCode == xfs4iot.CommandErrorCode:
		return m.ErrorCode(), true
	case h.Type == xfs4iot.TypeCompletion:
		return string(h.CompletionCode), true
	}
	return "", false
}
