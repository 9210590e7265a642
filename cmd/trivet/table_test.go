package main

import (
	"bytes"
	"os"
	"testing"
)

func TestColumnsAreAlignedAndCellsStayOnTheirLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	term := &terminal{out: &out}
	rows := [][]string{{"a", "b\nc", ""}, {"longer", "\x1b[31mred", "last"}}
	if err := term.printTable([]string{"ONE", "TWO", "THREE"}, rows); err != nil {
		t.Fatal(err)
	}
	want := "ONE     TWO            THREE\n" +
		"a       \"b\\nc\"\n" +
		"longer  \"\\x1b[31mred\"  last\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestEscapeSequencesAreForTerminalsThatWantThem(t *testing.T) {
	t.Parallel()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = device.Close() })
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for _, test := range []struct {
		environ []string
		stream  any
		want    bool
	}{
		{[]string{"TERM=xterm"}, device, true},
		{[]string{"TERM=xterm", "NO_COLOR="}, device, true},
		{[]string{"TERM=xterm", "NO_COLOR=1"}, device, false},
		{[]string{"TERM=dumb"}, device, false},
		{[]string{"TERM=xterm"}, file, false},
		{[]string{"TERM=xterm"}, new(bytes.Buffer), false},
	} {
		if got := (&terminal{environ: test.environ}).coloured(test.stream); got != test.want {
			t.Errorf("%v on %T: %t", test.environ, test.stream, got)
		}
	}
}
