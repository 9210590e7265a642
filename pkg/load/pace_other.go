//go:build !linux

package load

import (
	"sync"
	"time"
)

// pacer waits for moments, as exactly as the runtime's timers do.
type pacer struct {
	once sync.Once
	done chan struct{}
}

func newPacer() (*pacer, error) { return &pacer{done: make(chan struct{})}, nil }

// until returns at the time t, or at once when it is past or interrupt was
// called, and gives the time.
func (p *pacer) until(t time.Time) time.Time {
	if wait := time.Until(t); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		}
	}
	return time.Now()
}

func (p *pacer) interrupt() { p.once.Do(func() { close(p.done) }) }

func (p *pacer) close() {}
