// Package sqlcheck holds the SQL of package kv/postgres against what PostgreSQL
// and CockroachDB have in common: every statement has to parse with
// CockroachDB's own parser, and may use only functions and types of a list.
//
// It is a module of its own, since the parser wants other versions of what the
// workspace uses: run it with GOWORK=off, and with -count=1, since the go command
// does not see when files of another module have changed.
package sqlcheck
