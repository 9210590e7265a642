package main

import (
	"bytes"
	"strings"
	"text/tabwriter"
)

// Bold, and back to normal.
const (
	bold  = "\x1b[1m"
	plain = "\x1b[0m"
)

// printTable prints rows below their header, in aligned columns. Cells are
// made printable.
func (t *terminal) printTable(header []string, rows [][]string) error {
	var text bytes.Buffer
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable(cell)
		}
		if _, err := columns.Write([]byte(strings.Join(cells, "\t") + "\n")); err != nil {
			return err
		}
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for i, line := range strings.SplitAfter(text.String(), "\n") {
		line = strings.TrimRight(line, " \n") // of an empty last cell
		switch {
		case line == "":
			continue
		case i == 0 && t.coloured(t.out):
			line = bold + line + plain
		}
		if _, err := t.out.Write([]byte(line + "\n")); err != nil {
			return err
		}
	}
	return nil
}

// printFields prints a name and its value on each line.
func (t *terminal) printFields(fields [][2]string) error {
	columns := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, field := range fields {
		if _, err := columns.Write([]byte(field[0] + "\t" + printable(field[1]) + "\n")); err != nil {
			return err
		}
	}
	return columns.Flush()
}
