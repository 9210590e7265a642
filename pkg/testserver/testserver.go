// Package testserver starts the servers that tests run against: real ones, on
// free ports of the loopback interface, each with its data in a directory of
// its own.
//
// A test asks for what it needs and nothing has to run before:
//
//	url := testserver.PostgresURL(t)     // a fresh database on the server that the test binary shares
//	server := testserver.NewPostgres(t)  // a server of the test's own, to kill and pause
//
// A program that is not installed is installed from its Debian package where
// that is possible (see [Program]); else the test fails and names what to
// install. Servers end with the test that started them, shared ones with the
// test binary, also when it panics or is killed: see [Start].
//
// Programs such as benchmarks use [StartPostgres] and its like, which need no
// test.
//
// A new kind of server is a file here: a [Program] that finds it, a function
// that makes a [Spec] of a port and a directory and gives it to [Start], and a
// [Shared] where tests can share one.
package testserver
