package jetstream_test

import (
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/brokertest"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
)

// options make retries quick and segments small, so that tests cross their
// boundaries: at 512 bytes when they are worked off, at 8 KiB in a backlog.
func options() jetstream.Options {
	return jetstream.Options{RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond, SegmentBytes: 512}
}

func open(t *testing.T, dir string, o jetstream.Options) *jetstream.Broker {
	t.Helper()
	b, err := jetstream.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestSuite(t *testing.T) {
	brokertest.Exercise(t, func(t *testing.T) brokertest.Harness {
		dir := t.TempDir()
		b := open(t, dir, options())
		return brokertest.Harness{
			Broker: b,
			Reopen: func(t *testing.T) broker.Broker {
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				b = open(t, dir, options())
				return b
			},
		}
	})
}
