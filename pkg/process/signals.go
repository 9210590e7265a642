package process

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// exitNow is the exit code of a process that a second signal ended at once.
const exitNow = 130

// Signals gives a context that ends with the first SIGINT or SIGTERM, which
// asks for a graceful stop. A second one ends the process at once: nothing that
// was acknowledged is lost, requests under way are.
func Signals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
			signal.Stop(signals)
			return
		}
		<-signals
		os.Exit(exitNow)
	}()
	return ctx, cancel
}
