package amqp

import (
	"context"
	"time"
)

// balance spreads the partitions over the processes that consume. The server
// hands the messages of a queue to whoever asked first, so a process that starts
// later would have nothing to do; the one that has more than its share leaves
// some to it, and asks again behind it.
func (s *subscription) balance() {
	interval := s.broker.options.BalanceInterval
	before := make([]int64, len(s.consumers))
	for sleep(s.stopping, backOff(1, interval, interval)) {
		active := s.activeSince(before)
		processes, err := s.processes(interval)
		if err != nil || processes < 2 {
			continue
		}
		share := (len(s.consumers) + processes - 1) / processes
		for len(active) > share {
			active[0].leave()
			active = active[1:]
		}
	}
}

// activeSince gives the consumers that have handled messages since the last
// call, to which before belongs.
func (s *subscription) activeSince(before []int64) []*consumer {
	var active []*consumer
	for i, c := range s.consumers {
		handled := c.handled.Load()
		if handled != before[i] {
			active = append(active, c)
		}
		before[i] = handled
	}
	return active
}

// processes counts those that consume: each has one consumer for every queue.
func (s *subscription) processes(timeout time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(s.stopping, timeout)
	defer cancel()
	least := 0
	err := s.broker.inspector.look(ctx, func(v *view) error {
		for i := range s.consumers {
			q, err := v.queue(s.broker.topology.queue(i))
			if err != nil {
				return err
			}
			if i == 0 || q.Consumers < least {
				least = q.Consumers // a process that starts has not reached every queue yet
			}
		}
		return nil
	})
	return least, err
}

// leave ends the consumer's channel after the batch under way.
func (c *consumer) leave() {
	select {
	case c.handOver <- struct{}{}:
	default:
	}
}
