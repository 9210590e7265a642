//go:build !race

package pebble_test

// raceEnabled tells that allocations are not those of a normal build.
const raceEnabled = false
