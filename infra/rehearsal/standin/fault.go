package standin

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Fault makes one create fail, once.
type Fault struct {
	Type string // token of the resources that are counted
	Nth  int    // which create of that type, from 1
	Kind FaultKind
}

// FaultKind is how a create fails.
type FaultKind string

// The ways to fail. A refusal and throttling leave nothing behind. After a
// time-out the object exists but nobody saw it become ready, which is the case
// that leaves duplicates when it is handled badly.
const (
	FaultRefuse   FaultKind = "refuse"
	FaultTimeout  FaultKind = "timeout"
	FaultThrottle FaultKind = "throttle"
)

// ParseFault reads TYPE#N, TYPE#N:timeout or TYPE#N:throttle, for instance
// aws:ec2/subnet:Subnet#3.
func ParseFault(text string) (Fault, error) {
	typ, rest, found := strings.Cut(text, "#")
	if !found || strings.Count(typ, ":") != 2 {
		return Fault{}, fmt.Errorf("fault %q: want TYPE#N, such as aws:ec2/subnet:Subnet#3", text)
	}
	number, kind, _ := strings.Cut(rest, ":")
	nth, err := strconv.Atoi(number)
	if err != nil || nth < 1 {
		return Fault{}, fmt.Errorf("fault %q: want a number from 1 after #", text)
	}
	switch FaultKind(kind) {
	case "":
		kind = string(FaultRefuse)
	case FaultRefuse, FaultTimeout, FaultThrottle:
	default:
		return Fault{}, fmt.Errorf("fault %q: want refuse, timeout or throttle after the number", text)
	}
	return Fault{Type: typ, Nth: nth, Kind: FaultKind(kind)}, nil
}

func (f Fault) String() string { return fmt.Sprintf("%s#%d:%s", f.Type, f.Nth, f.Kind) }

type fault struct {
	Fault
	seen int
}

// Fault tells how this create of a type shall fail; empty lets it succeed.
func (c *Cloud) Fault(typ string) FaultKind {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kind FaultKind
	for _, f := range c.faults {
		if f.Type != typ {
			continue
		}
		if f.seen++; f.seen == f.Nth {
			kind = f.Kind
		}
	}
	return kind
}

// Pending lists the faults that have not happened.
func (c *Cloud) Pending() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	var pending []Fault
	for _, f := range c.faults {
		if f.seen < f.Nth {
			pending = append(pending, f.Fault)
		}
	}
	return pending
}

// errNotReady is a create that has made its object and then timed out.
var errNotReady = errors.New("timeout while waiting for state to become 'available'")

// createWithFaults creates through the session, unless a fault is due.
func createWithFaults(ctx context.Context, cloud *Cloud, r Resource, create func() (*Object, error)) (*Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch cloud.Fault(r.Type) {
	case FaultRefuse:
		return nil, fmt.Errorf("creating %s: operation error: StatusCode: 400, planted by this rehearsal", r.Name)
	case FaultThrottle:
		return nil, fmt.Errorf("creating %s: operation error: StatusCode: 429, ThrottlingException: Rate exceeded, planted by this rehearsal", r.Name)
	case FaultTimeout:
		object, err := create()
		if err != nil {
			return nil, err
		}
		return object, fmt.Errorf("creating %s: %w, planted by this rehearsal", r.Name, errNotReady)
	}
	return create()
}
