package server

import (
	"fmt"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
)

// anonymous is the caller where authentication is off.
var anonymous = auth.Anonymous()

// admit finds out who is calling, and whether there is room for the call.
func (c *call) admit() (err error) {
	c.caller = anonymous
	switch {
	case c.server.opts.Authenticate == nil:
		err = checkLocal(c.r)
	case !c.route.open:
		c.caller, err = c.server.opts.Authenticate(c.r)
	}
	if err != nil {
		return err
	}
	return c.enter()
}

// authorize refuses a call that its caller's scopes do not grant: access to a
// key, or to all keys with a prefix.
func (c *call) authorize(ns, keyOrPrefix string, access ...auth.Access) error {
	for _, a := range access {
		if err := c.caller.Authorize(ns, keyOrPrefix, a); err != nil {
			return err
		}
	}
	return nil
}

// authorizeOperation refuses an operation that its caller's scopes do not
// grant. An increment answers the value, so it needs to read as well.
func (c *call) authorizeOperation(ns string, op kv.Operation) error {
	switch op.Kind {
	case kv.KindGet:
		return c.authorize(ns, op.Key, auth.Read)
	case kv.KindIncrement:
		return c.authorize(ns, op.Key, auth.Write, auth.Read)
	default:
		return c.authorize(ns, op.Key, auth.Write)
	}
}

// authorizeTxn refuses a transaction as a whole when one of its compares or
// operations, in either branch, is not granted.
func (c *call) authorizeTxn(ns string, txn kv.Txn) error {
	for i, compare := range txn.Compare {
		if err := c.authorize(ns, compare.Key, auth.Read); err != nil {
			return at(fmt.Sprintf("compare[%d]", i), err)
		}
	}
	return eachOperation(txn, func(place string, op kv.Operation) error {
		if err := c.authorizeOperation(ns, op); err != nil {
			return at(place, err)
		}
		return nil
	})
}

// at names the place of an error within a document.
func at(field string, err error) error {
	e := *kv.AsError(err)
	e.Field = field
	return &e
}

// administrator refuses everybody who does not administer the whole store.
func (c *call) administrator() error {
	if c.caller.IsAdministrator() {
		return nil
	}
	return kv.Errorf(kv.CodeForbidden, "this is for administrators of the whole store")
}

// maySeeNamespace tells whether the caller may see a namespace's settings and
// usage: who administers it, or may read all of it.
func (c *call) maySeeNamespace(ns string) bool {
	return c.caller.Allows(ns, "", auth.Admin) || c.caller.Allows(ns, "", auth.Read)
}

// maySeeOperation tells whether an operation is the caller's business.
func (c *call) maySeeOperation(record kv.Record) bool {
	if key := record.Result.Key; key != "" {
		return c.caller.Allows(record.Namespace, key, auth.Write) || c.caller.Allows(record.Namespace, key, auth.Read)
	}
	return c.caller.AllowsAny(record.Namespace, auth.Write, auth.Read)
}
