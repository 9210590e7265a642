package policy

import (
	"fmt"
	"math"
	"strings"

	"github.com/trivetkv/trivet/services/autoscaler/forecast"
)

// Reason says what a size follows from.
type Reason string

// Reasons.
const (
	ReasonLoad     Reason = "load"     // what is offered now
	ReasonTrend    Reason = "trend"    // what will be offered when new pods are ready
	ReasonRhythm   Reason = "rhythm"   // what was offered at this time on other days
	ReasonHeld     Reason = "held"     // a recent peak
	ReasonOutage   Reason = "outage"   // the load vanished suddenly
	ReasonBlind    Reason = "blind"    // numbers are missing
	ReasonStarting Reason = "starting" // nothing has been learned yet
	ReasonQueue    Reason = "queue"    // messages wait
	ReasonIdle     Reason = "idle"     // nothing waits and nothing comes
)

// Decision is a size and everything that it follows from.
type Decision struct {
	Replicas int    `json:"replicas"`
	From     int    `json:"from"` // the size before
	Reason   Reason `json:"reason"`

	Offered  float64 `json:"offered"`  // requests per second, now
	Expected float64 `json:"expected"` // when pods asked for now are ready
	PodRate  float64 `json:"pod_rate"` // requests per second that one pod serves
	Lead     float64 `json:"lead_seconds"`

	Headroom float64 `json:"headroom"` // share kept above what is expected
	Hold     int     `json:"hold_minutes"`
	Rhythm   string  `json:"rhythm"`
	Trust    float64 `json:"trust"` // in the rhythm, 0 to 1

	Wanted        int    `json:"wanted"`          // before limits
	Limit         string `json:"limit,omitempty"` // which limit holds the size back
	Unschedulable int    `json:"unschedulable,omitempty"`
	Scraped       int    `json:"scraped"`
	Ready         int    `json:"ready"`

	Queue *QueueFigures `json:"queue,omitempty"`
}

// QueueFigures are what a decision about a queue follows from.
type QueueFigures struct {
	Waiting float64 `json:"waiting"` // messages, ready and unacknowledged
	Arrival float64 `json:"arrival"` // messages per second
	Oldest  float64 `json:"oldest_seconds"`
	Drain   float64 `json:"drain_seconds"` // until the queue is empty at the new size
}

// Explain says the decision in a sentence for people, such as "want 7: offered
// 3 400/s, pod serves 560/s, ready in 22 s, +18 % by then".
func (d *Decision) Explain() string {
	var text strings.Builder
	verb := "want"
	if d.Replicas == d.From {
		verb = "stay at"
	}
	fmt.Fprintf(&text, "%s %d: ", verb, d.Replicas)
	switch {
	case d.Reason == ReasonBlind && d.Scraped == 0:
		text.WriteString("no pod told its numbers, and what is not known never shrinks")
	case d.Queue != nil:
		d.explainQueue(&text)
	default:
		d.explainLoad(&text)
	}
	if d.Limit != "" {
		fmt.Fprintf(&text, "; %d would be needed, but %s", d.Wanted, d.Limit)
	}
	if d.Unschedulable > 0 {
		fmt.Fprintf(&text, "; %d pods wait for a node", d.Unschedulable)
	}
	return text.String()
}

func (d *Decision) explainQueue(text *strings.Builder) {
	fmt.Fprintf(text, "%s messages wait, the oldest %s, %s/s arrive, pod applies %s/s",
		number(d.Queue.Waiting), duration(d.Queue.Oldest), number(d.Queue.Arrival), number(d.PodRate))
	switch {
	case d.Reason == ReasonBlind:
		text.WriteString("; numbers are missing, and what is not known never shrinks")
	case d.Reason == ReasonIdle:
		text.WriteString("; nothing to do")
	case d.Queue.Drain > 0 && !math.IsInf(d.Queue.Drain, 1):
		fmt.Fprintf(text, ", drained in %s", duration(d.Queue.Drain))
	}
}

func (d *Decision) explainLoad(text *strings.Builder) {
	fmt.Fprintf(text, "offered %s/s, pod serves %s/s, ready in %s", number(d.Offered), number(d.PodRate), duration(d.Lead))
	more := ""
	if d.Offered > 0 && d.Expected > 1.005*d.Offered {
		more = fmt.Sprintf("%+.0f %%", 100*(d.Expected/d.Offered-1))
	}
	switch d.Reason {
	case ReasonTrend:
		fmt.Fprintf(text, ", %s by then", more)
	case ReasonRhythm:
		fmt.Fprintf(text, ", %s expected from the %s rhythm (trust %.0f %%)", more, d.Rhythm, 100*d.Trust)
	case ReasonHeld:
		fmt.Fprintf(text, ", %s/s within the last %d min", number(d.Expected), max(d.Hold, 1))
	case ReasonOutage:
		fmt.Fprintf(text, "; the load vanished at once from %s/s, as when something before us fails", number(d.Expected))
	case ReasonBlind:
		fmt.Fprintf(text, "; %d of %d pods told their numbers, and what is not known never shrinks", d.Scraped, d.Ready)
	case ReasonStarting:
		text.WriteString("; nothing shrinks until a minute has been seen")
	}
	if d.Headroom > 0 {
		fmt.Fprintf(text, ", headroom %.0f %%", 100*d.Headroom)
	}
}

// number writes a number with three digits that count, and thin groups.
func number(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "?"
	case v < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + " " + digits[i:]
	}
	return digits
}

func duration(seconds float64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	default:
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
}

// holdMinutes is the hold of a stance.
func (s *stance) holdMinutes() int { return forecast.Holds[s.hold] }
