package watch

// Live gives how many feeds are live in a namespace.
func (h *Hub) Live(ns string) int {
	h.mu.Lock()
	t := h.tailers[ns]
	h.mu.Unlock()
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	if t.index != nil {
		for range t.index.all() {
			n++
		}
	}
	return n
}
