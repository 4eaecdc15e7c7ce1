package host

// QueryCommands lets a test hold the list against the description.
func QueryCommands() []string { return queries }

// State tells how many connections and waiting commands a service has.
func (s *Service) State() (conns, waiting int) {
	conns = len(s.connections())
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return conns, len(s.queue.items) + s.queue.reserved
}
