package fiscal

import "sync"

// commandLog is what the command lists of a state and its clones have in common,
// so that a clone need not copy 20,000 of them: entries are only ever added
// behind the last one, and each state sees a stretch of them.
type commandLog struct {
	mu      sync.Mutex // clones may be used by different goroutines
	entries []Command
	at      map[string]int // the last entry of each id
}

// newCommandLog begins a log with what a state remembers.
func newCommandLog(kept []Command) *commandLog {
	l := &commandLog{entries: make([]Command, 0, 2*len(kept)+1), at: make(map[string]int, 2*len(kept)+1)}
	for _, c := range kept {
		l.push(c)
	}
	return l
}

func (l *commandLog) push(c Command) {
	l.at[c.ID] = len(l.entries)
	l.entries = append(l.entries, c)
}

// slack is how many forgotten commands a log may hold besides as many as are
// remembered.
const slack = 1024

// add adds a command behind a stretch of kept ones that ends at end, and returns
// the longer stretch. It does not where another clone has added to that stretch
// already, or where most of the log is forgotten: then a new log has to begin.
func (l *commandLog) add(c Command, end, kept int) ([]Command, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if end != len(l.entries) || end > 2*kept+slack {
		return nil, false
	}
	l.push(c)
	return l.entries[end-kept : end+1 : end+1], true
}

// last is the place of the last entry of an id, -1 if there is none.
func (l *commandLog) last(id string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i, ok := l.at[id]; ok {
		return i
	}
	return -1
}

// rememberCommand adds a command to those that the state remembers.
func (s *State) rememberCommand(c Command) {
	if s.log != nil {
		if longer, ok := s.log.add(c, s.logEnd, len(s.Commands)); ok {
			s.Commands, s.logEnd = longer, s.logEnd+1
			return
		}
	}
	s.log = newCommandLog(s.Commands)
	s.Commands, _ = s.log.add(c, len(s.Commands), len(s.Commands))
	s.logEnd = len(s.Commands)
}

// commandAt is the place of an id's last entry among those that are remembered,
// or -1.
func (s *State) commandAt(id string) int {
	if s.log == nil {
		return scanCommands(s.Commands, id)
	}
	i := s.log.last(id)
	if i >= s.logEnd { // another clone's; this one may have an earlier one
		return scanCommands(s.Commands, id)
	}
	return max(-1, i-(s.logEnd-len(s.Commands)))
}

// scanCommands looks from the newest back.
func scanCommands(list []Command, id string) int {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].ID == id {
			return i
		}
	}
	return -1
}
