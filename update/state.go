package update

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/manifest"
)

// state is what the agent remembers across starts. It is no proof of anything: what
// it says of checks is checked again, and without it an update begins anew.
type state struct {
	Digest    manifest.Digest  `json:"digest,omitzero"` // of the release that the next six are about
	Announced time.Time        `json:"announced,omitzero"`
	Agreed    *Agreement       `json:"agreed,omitzero"`
	Spend     int64            `json:"spend,omitzero"` // bytes that a person agreed to
	AskAfter  time.Time        `json:"ask_after,omitzero"`
	Pointed   bool             `json:"pointed,omitzero"`
	Trials    int              `json:"trials,omitzero"` // that failed and were counted
	Said      map[Stage]string `json:"said,omitempty"`  // last event by stage, so that waiting does not fill the journal
	Tries     []try            `json:"tries,omitempty"`
	Seen      time.Time        `json:"seen,omitzero"` // latest time, see doubt
}

// Agreement is a person's consent to one release.
type Agreement struct {
	Person string    `json:"person"`
	Time   time.Time `json:"time"`
	Signed []byte    `json:"signed,omitempty"`
}

// try counts how often a release was rejected.
type try struct {
	Digest manifest.Digest `json:"digest"`
	Count  int             `json:"count"`
	After  time.Time       `json:"after"` // not tried again before
	Why    string          `json:"why"`
}

const (
	maxTries = 16 // releases remembered
	maxState = 256 << 10
	maxWhy   = 500
)

// loadState reads the state; none, or a bad one, is an empty one. Members that a newer
// version wrote on trial are passed over: attempts are counted on after a fall-back. What
// a person has agreed to is not believed of a disk: whoever was asked is asked again, and
// remembers.
func (s staging) loadState() (out state) {
	data, err := durable.ReadFile(s.fsys, s.path(stateFile), maxState)
	if err != nil || json.Unmarshal(data, &out) != nil {
		return state{}
	}
	out.Agreed = nil
	return out
}

// stateNow is a copy; its map and slices are not changed any more.
func (a *Agent) stateNow() state {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// change changes the state, durably.
func (a *Agent) change(f func(*state)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := a.state
	next.Said, next.Tries = maps.Clone(next.Said), slices.Clone(next.Tries)
	f(&next)
	data, err := json.Marshal(next, json.Deterministic(true))
	if err != nil {
		return wrap("keep the state of the update", err)
	}
	if err := durable.Replace(a.FS, a.staging.path(stateFile), data); err != nil {
		return wrap("keep the state of the update", err)
	}
	a.state = next
	return nil
}

func (s *state) say(stage Stage, said string) {
	if s.Said == nil {
		s.Said = map[Stage]string{}
	}
	s.Said[stage] = said[:min(len(said), maxWhy)]
}

// installs forgets what was said of the stages that follow: they happen anew.
func (s *state) installs() {
	s.Pointed = false
	for _, stage := range []Stage{Installed, Verified, Pointed} {
		delete(s.Said, stage)
	}
}

// about makes the state that of a release.
func (s *state) about(d manifest.Digest, now time.Time) {
	if s.Digest != d {
		*s = state{Digest: d, Announced: now, Tries: s.Tries, Seen: s.Seen, Said: map[Stage]string{Freshness: s.Said[Freshness]}}
	}
}

// rejected counts; the pause doubles from an hour up to eight.
func (s *state) rejected(d manifest.Digest, now time.Time, why string) {
	i := slices.IndexFunc(s.Tries, func(t try) bool { return t.Digest == d })
	if i < 0 {
		s.Tries = append(s.Tries[max(0, len(s.Tries)-maxTries+1):], try{Digest: d})
		i = len(s.Tries) - 1
	}
	t := &s.Tries[i]
	t.After, t.Why = now.Add(time.Hour<<min(t.Count, 3)), why[:min(len(why), maxWhy)]
	t.Count++
}

// mayTry says whether a release may be tried now, or why not. A clock that stands
// long before the end of a pause was set back and does not prolong it.
func (s state) mayTry(d manifest.Digest, now time.Time, most int) (why string, ok bool) {
	i := slices.IndexFunc(s.Tries, func(t try) bool { return t.Digest == d })
	if i < 0 {
		return "", true
	}
	t := s.Tries[i]
	paused := now.Before(t.After) && t.After.Sub(now) <= 8*time.Hour
	return t.Why, t.Count < most && !paused
}

// Progress is what the screen shows.
type Progress struct {
	Identity manifest.Identity
	Manifest *manifest.Manifest // read only
	Digest   manifest.Digest
	Stage    Stage // the last one that was reached
	Bytes    int64 // fetched
	Total    int64 // to fetch; 0: not known yet
	Deadline time.Time
	Overdue  bool
	Urgent   bool
}

type progress struct {
	bytes, total atomic.Int64
	last         atomic.Pointer[Progress]
}

func (p *progress) add(n int64) { p.bytes.Add(n) }

func (p *progress) expect(n int64) {
	p.bytes.Store(0)
	p.total.Store(n)
}

// Progress says how far the update is; ok is false when there is none.
func (a *Agent) Progress() (p Progress, ok bool) {
	last := a.progress.last.Load()
	if last == nil {
		return Progress{}, false
	}
	p = *last
	p.Overdue = a.Now().After(p.Deadline)
	p.Bytes, p.Total = a.progress.bytes.Load(), a.progress.total.Load()
	return p, true
}
