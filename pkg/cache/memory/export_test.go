package memory

// CleanUp evicts what is over the budget now rather than soon.
func (c *Cache) CleanUp() { c.slots.CleanUp() }
