package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progressPause is the time between two lines of progress where nobody sits in
// front of a terminal.
const progressPause = 10 * time.Second

// progress shows how far a transfer has come: as a bar on a terminal, else as
// a line now and then.
type progress struct {
	out     io.Writer
	verb    string // exported or imported
	bar     *progressbar.ProgressBar
	started time.Time
	shown   time.Time
	first   int64 // entries that were done before
}

// startProgress begins to show a transfer; a total of -1 is not known.
func (t *terminal) startProgress(verb string, total int64, bytes bool) *progress {
	p := &progress{out: t.err, verb: verb, started: time.Now(), shown: time.Now(), first: -1}
	if !t.coloured(t.err) {
		return p
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(t.err),
		progressbar.OptionSetDescription(verb),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(total >= 0),
	}
	if bytes {
		options = append(options, progressbar.OptionShowBytes(true))
	} else {
		options = append(options, progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("entries"))
	}
	p.bar = progressbar.NewOptions64(total, options...)
	return p
}

// show says how much is done: entries, and what the total counts.
func (p *progress) show(entries, done int64) {
	if p.first < 0 {
		p.first = entries // the rate is of what this process did, more or less
	}
	if p.bar != nil {
		_ = p.bar.Set64(done) // a bar that cannot be drawn is no failure
		return
	}
	if time.Since(p.shown) >= progressPause {
		p.shown = time.Now()
		fmt.Fprintf(p.out, "%s %d entries, %.0f/s\n", p.verb, entries, p.rate(entries))
	}
}

func (p *progress) rate(entries int64) float64 {
	return float64(entries-max(p.first, 0)) / max(time.Since(p.started).Seconds(), 0.001)
}

// end takes the bar away and says what came of it.
func (p *progress) end(format string, args ...any) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintf(p.out, format+"\n", args...)
}

// took gives the time since the start, and the rate of what was done.
func (p *progress) took(entries int64) string {
	return fmt.Sprintf("in %v, %.0f entries/s", time.Since(p.started).Round(time.Millisecond), p.rate(entries))
}
