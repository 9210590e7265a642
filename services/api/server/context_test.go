package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestARequestsContextKeepsTheContract(t *testing.T) {
	t.Parallel()
	type key struct{}
	for name, waits := range map[string]bool{"somebody waits": true, "nobody waits": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
				defer cancel()
				c := &requestContext{parent: parent, id: "id", deadline: time.Now().Add(time.Second)}
				defer c.release()
				if waits {
					_ = c.Done()
				}
				if deadline, ok := c.Deadline(); !ok || !deadline.Equal(c.deadline) {
					t.Errorf("the deadline is %v, %v", deadline, ok)
				}
				if c.Value(key{}) != "value" || RequestID(c) != "id" || RequestID(t.Context()) != "" {
					t.Error("values are lost")
				}
				if c.Err() != nil {
					t.Errorf("it has ended: %v", c.Err())
				}
				time.Sleep(2 * time.Second)
				if !errors.Is(c.Err(), context.DeadlineExceeded) {
					t.Errorf("after its deadline: %v", c.Err())
				}
				cancel()
				<-c.Done()
				if !errors.Is(c.Err(), context.DeadlineExceeded) {
					t.Errorf("the reason has changed to %v", c.Err())
				}
			})
		})
	}
}

func TestARequestsContextEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	for name, deadline := range map[string]time.Time{"with a time limit": time.Now().Add(time.Hour), "without": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := &requestContext{parent: parent, deadline: deadline}
			defer c.release()
			child, stop := context.WithCancel(c)
			defer stop()
			cancel()
			<-child.Done()
			<-c.Done()
			if !errors.Is(c.Err(), context.Canceled) || !errors.Is(child.Err(), context.Canceled) {
				t.Errorf("got %v and %v", c.Err(), child.Err())
			}
		})
	}
}

func TestARequestsContextHasTheEarlierDeadline(t *testing.T) {
	t.Parallel()
	soon := time.Now().Add(time.Minute)
	parent, cancel := context.WithDeadline(t.Context(), soon)
	defer cancel()
	for _, limit := range []time.Time{{}, soon.Add(time.Hour)} {
		c := &requestContext{parent: parent, deadline: limit}
		if deadline, ok := c.Deadline(); !ok || !deadline.Equal(soon) {
			t.Errorf("with the limit %v: got %v, %v", limit, deadline, ok)
		}
	}
}
