//go:build unix

package jetstream_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain makes copies of the test binary do what a test asks them for.
func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		exit(runUntilKilled(dir, os.Getenv(killedRound)))
	}
	if dir := os.Getenv(limitedDir); dir != "" {
		exit(runUntilFull(dir))
	}
	os.Exit(m.Run())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
