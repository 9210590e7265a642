// Package rehearsal runs a whole program through the real Pulumi engine on a
// machine without an account: plan, apply, a second plan that has nothing to
// do, drift, repair, destroy. Stand-ins take the place of the providers; see
// package standin for what they refuse and how they fail on demand. State is
// kept in a temporary directory, and nothing outside this machine is touched
// unless a cluster is named.
package rehearsal
