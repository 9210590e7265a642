package control

import (
	"testing"
	"time"
)

func TestASchedulesLeastSizes(t *testing.T) {
	t.Parallel()
	s, err := ParseSchedule(`[{"days":["mon","tue","wed","thu","fri"],"from":"08:00","to":"20:00","min":6},{"days":["fri"],"from":"22:00","to":"02:00","min":9}]`)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"Mon 01 Jan 2024 07:59": 0, "Mon 01 Jan 2024 08:00": 6, "Mon 01 Jan 2024 19:59": 6, "Mon 01 Jan 2024 20:00": 0,
		"Sat 06 Jan 2024 12:00": 0, "Fri 05 Jan 2024 23:00": 9, "Sat 06 Jan 2024 01:59": 9, "Sat 06 Jan 2024 02:00": 0, "Sun 07 Jan 2024 01:00": 0,
	} {
		at, err := time.Parse("Mon 02 Jan 2006 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.least(at); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestASchedulesMistakesAreSaid(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, `[{"days":["monday"],"from":"08:00","to":"09:00"}]`, `[{"from":"8","to":"09:00"}]`, `[{"from":"08:00","to":"09:00","min":-1}]`, `[{"least":1}]`} {
		if _, err := ParseSchedule(text); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}
