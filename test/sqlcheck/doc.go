// Package sqlcheck holds the SQL of package kv/postgres against what PostgreSQL
// and CockroachDB have in common: every statement has to parse with
// CockroachDB's own parser, and may use only functions and types of a list.
//
// It is a module of its own, since the parser wants other versions of what the
// workspace uses. Run it with GOWORK=off.
package sqlcheck
