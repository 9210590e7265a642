package main

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/trivetkv/trivet/pkg/wire"
)

// format is how a command prints its result.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
	formatYAML format = "yaml"
)

// flag adds -o to a command.
func (f *format) flag(cmd *cobra.Command) {
	*f = formatText
	cmd.Flags().VarP(f, "output", "o", "text, json or yaml")
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{string(formatText), string(formatJSON), string(formatYAML)}, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc("output", complete); err != nil {
		panic(err) // the flag has two completions
	}
}

// String, Set and Type make a format a flag's value.
func (f *format) String() string { return string(*f) }

// Set reads a format.
func (f *format) Set(text string) error {
	switch format(text) {
	case formatText, formatJSON, formatYAML:
		*f = format(text)
		return nil
	default:
		return errors.New("it has to be text, json or yaml")
	}
}

// Type is what the help shows for the flag's value.
func (f *format) Type() string { return "FORMAT" }

// isText tells the form for people.
func (f *format) isText() bool { return *f == formatText }

// document writes a shape of package wire as one document, JSON or YAML.
func (f *format) document(out io.Writer, shape any) error {
	return f.encode(out, shape, false)
}

// element writes one shape of many: a line of JSON, or an element of what
// becomes one YAML sequence.
func (f *format) element(out io.Writer, shape any) error {
	return f.encode(out, shape, true)
}

func (f *format) encode(out io.Writer, shape any, element bool) error {
	text, err := wire.Marshal(shape)
	if err == nil && *f == formatYAML {
		text, err = toYAML(text, element)
	}
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

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

// isTerminal tells whether a person reads or writes at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// coloured tells whether a stream may be given escape sequences: a terminal
// that knows them, and nobody asked for none (https://no-color.org).
func (t *terminal) coloured(stream any) bool {
	return isTerminal(stream) && t.variable("NO_COLOR") == "" && t.variable("TERM") != "dumb"
}

// variable gives a variable of the environment, "" when it is not set.
func (t *terminal) variable(name string) string {
	for _, pair := range t.environ {
		if value, found := strings.CutPrefix(pair, name+"="); found {
			return value
		}
	}
	return ""
}

// moment shows a time to people, in their own zone; a zero one as never says.
func moment(at wire.Time, never string) string {
	if at.IsZero() {
		return never
	}
	return time.Time(at).Local().Format(time.DateTime)
}
