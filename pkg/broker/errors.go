package broker

import "errors"

// MaxMessageBytes bounds a message: its ID, Key and Body together. It holds the
// largest value, 8 MiB, and what is written around it.
const MaxMessageBytes = 8<<20 + 256<<10

// Errors of Publish and Subscribe, for errors.Is.
var (
	ErrClosed     = errors.New("the broker is closed")
	ErrFull       = errors.New("the broker's queue is full")
	ErrTooLarge   = errors.New("the message is larger than a broker carries")
	ErrSubscribed = errors.New("the broker has a subscription already")
)
