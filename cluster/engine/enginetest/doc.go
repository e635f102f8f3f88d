// Package enginetest has an engine for tests, and the tests for engines.
//
// A Fake is a store in memory that several Nodes share, as the machines of a cluster do. It
// does what a network and an election do to them: answers are late or lost, requests are
// carried out twice, or long after their sender gave up, a node is cut off, the leader
// changes. A test says so by the methods of Fake and Node, or leaves it to chance with
// Rates. The clock is package time's, so a Fake belongs into a bubble of testing/synctest:
// it has no goroutine of its own, and in a bubble nothing happens by accident.
//
// Cases are what every engine has to do. They run on a Fake and on etcd.
package enginetest
