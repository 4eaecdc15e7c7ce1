package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/till"
)

const (
	// heartbeat lets the page know that the node is there; it waits for 15 s.
	heartbeat = 10 * time.Second
	// writePatience is how long one event may take to be taken; a reader slower
	// than that is cut off and comes back by itself.
	writePatience = 5 * time.Second
)

// events streams the whole state at once and after each change, coalesced.
func (h *handler) events(w http.ResponseWriter, r *http.Request) error {
	s := &stream{w: w, control: http.NewResponseController(w)}
	watcher := h.node.Watch(token(r))
	if watcher == nil {
		return errTooMany
	}
	defer watcher.Leave()
	w.Header().Set("Content-Type", "text/event-stream")
	if h.page != "" {
		w.Header().Set(pageHeader, h.page)
	}
	if err := s.comment("here"); err != nil {
		return nil // gone before it began
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var err error
	for err == nil {
		select {
		case <-r.Context().Done(): // the reader has gone, or the program ends: its last word says why
			_ = s.state(h.node.State(token(r)))
			return nil
		case <-beat.C:
			err = s.comment("here")
		case <-watcher.Changed:
			err = s.state(h.node.State(token(r)))
		case n, open := <-watcher.Notices:
			if !open {
				return nil // too slow, or the node ends
			}
			err = s.event("notice", n)
		}
	}
	return nil // a reader that has gone or was too slow is nobody to tell
}

type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *stream) event(name string, v any) error {
	data, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return err
	}
	return s.send("event: " + name + "\ndata: " + string(data) + "\n\n")
}

func (s *stream) state(v till.State) error {
	data, err := v.AppendJSON([]byte("event: state\ndata: "))
	if err != nil {
		return err
	}
	return s.send(string(append(data, "\n\n"...)))
}

func (s *stream) comment(text string) error { return s.send(": " + text + "\n\n") }

func (s *stream) send(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writePatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
