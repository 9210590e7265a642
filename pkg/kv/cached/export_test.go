package cached

// CleanUp evicts what is over the process's budget now rather than soon.
func (s *Store) CleanUp() { s.process.entries.CleanUp() }
