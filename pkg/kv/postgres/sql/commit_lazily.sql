-- The transaction is over before it is on disk, though not before those that it
-- has seen. CockroachDB takes the setting and does nothing about it.
SET LOCAL synchronous_commit = off
