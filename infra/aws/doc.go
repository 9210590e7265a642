// Package aws stands the platform up on Amazon Web Services: one component
// resource per tier, wired together by [New]'s Provision. What a tier needs of
// another is in its Args, what it gives is in its exported fields; no resource
// is made inside an apply, so that a preview shows every one of them.
package aws
