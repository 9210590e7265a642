// Command trivet runs a Trivet server and talks to one.
package main

import (
	"io"
	"os"
)

// terminal is what the commands read and write, so that tests can stand in.
type terminal struct {
	environ []string
	args    []string // of the command line that is executed
	in      io.Reader
	out     io.Writer // results, and nothing else
	err     io.Writer // logs, progress and failures
}

func main() {
	t := &terminal{environ: os.Environ(), in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(t.execute(os.Args[1:]))
}
