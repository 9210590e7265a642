package main

import (
	"errors"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// format is how a command prints its result.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

// flag adds -o to a command.
func (f *format) flag(cmd *cobra.Command) {
	*f = formatText
	cmd.Flags().VarP(f, "output", "o", "text or json")
}

// String, Set and Type make a format a flag's value.
func (f *format) String() string { return string(*f) }

// Set reads a format.
func (f *format) Set(text string) error {
	if format(text) != formatText && format(text) != formatJSON {
		return errors.New("it has to be text or json")
	}
	*f = format(text)
	return nil
}

// Type is what the help shows for the flag's value.
func (f *format) Type() string { return "FORMAT" }

// printable gives a key or value as it can be shown on one line of a terminal:
// itself, or quoted when it has anything else than printable characters.
func printable(text string) string {
	if utf8.ValidString(text) {
		plain := true
		for _, r := range text {
			plain = plain && (unicode.IsPrint(r) || r == ' ')
		}
		if plain {
			return text
		}
	}
	return strconv.Quote(text)
}
