package load

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pacer waits for moments. The runtime's timers wake an idle process up to a
// millisecond late, more than many answers take, and the delay would be
// charged to the server; a timer that the network poller watches is on time.
type pacer struct {
	file *os.File
	raw  int
}

func newPacer() (*pacer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("load: make a timer: %w", err)
	}
	return &pacer{file: os.NewFile(uintptr(fd), "timer"), raw: fd}, nil
}

// until returns at the time t, or at once when it is past or interrupt was
// called, and gives the time.
func (p *pacer) until(t time.Time) time.Time {
	now := time.Now()
	wait := t.Sub(now)
	if wait <= 0 {
		return now
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}
	if err := unix.TimerfdSettime(p.raw, 0, &spec, nil); err != nil {
		time.Sleep(wait) // not met: the descriptor is a timer and the time is in range
		return time.Now()
	}
	var expirations [8]byte
	_, _ = p.file.Read(expirations[:]) // ends when the timer expires, or by interrupt
	return time.Now()
}

func (p *pacer) interrupt() { _ = p.file.SetReadDeadline(past) }

func (p *pacer) close() { _ = p.file.Close() }
