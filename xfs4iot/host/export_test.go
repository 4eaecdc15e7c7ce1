package host

// QueryCommands lets a test hold the list against the description.
func QueryCommands() []string { return queries }
