package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule are least sizes by time of the week.
type Schedule []Period

// Period is a time of day on some days, and the least size then: "at least 6
// on weekdays from 8 to 20".
type Period struct {
	Days []string `json:"days"` // mon to sun; none: every day
	From string   `json:"from"` // HH:MM
	To   string   `json:"to"`   // HH:MM, exclusive; before From: over midnight
	Min  int      `json:"min"`
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseSchedule reads a schedule's JSON.
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return nil, fmt.Errorf("the schedule is no list of periods: %w", err)
	}
	for _, p := range s {
		for _, day := range p.Days {
			if !slices.Contains(weekdays, day) {
				return nil, fmt.Errorf("the schedule's day %q is none of %s", day, strings.Join(weekdays, ", "))
			}
		}
		for _, clock := range []string{p.From, p.To} {
			if _, err := time.Parse("15:04", clock); err != nil {
				return nil, fmt.Errorf("the schedule's time %q is not HH:MM", clock)
			}
		}
		if p.Min < 0 {
			return nil, fmt.Errorf("the schedule's min %d is below 0", p.Min)
		}
	}
	return s, nil
}

// least is the largest of the least sizes at a time.
func (s Schedule) least(at time.Time) int {
	least := 0
	for _, p := range s {
		if p.covers(at) {
			least = max(least, p.Min)
		}
	}
	return least
}

func (p Period) covers(at time.Time) bool {
	clock, day := at.Format("15:04"), int(at.Weekday())
	on := func(day int) bool { return len(p.Days) == 0 || slices.Contains(p.Days, weekdays[day]) }
	if p.From <= p.To {
		return on(day) && p.From <= clock && clock < p.To
	}
	// Over midnight the day is that on which it began.
	return on(day) && p.From <= clock || on((day+6)%7) && clock < p.To
}

// apply gives the size that orders make of a decision, and what to say of it.
func (o *Orders) apply(decided, current int, at time.Time) (size int, said string) {
	if o.Fixed != nil {
		return *o.Fixed, fmt.Sprintf("; somebody has set it to %d", *o.Fixed)
	}
	if o.Problem != "" {
		// Orders that cannot be read may say anything; nothing shrinks.
		return max(decided, current), "; " + o.Problem
	}
	if least := o.Schedule.least(at); decided < least {
		return least, fmt.Sprintf("; the schedule asks for at least %d now", least)
	}
	return decided, ""
}
