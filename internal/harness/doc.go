// Package harness is what tests of whole processes share: lockcached as a process, its
// ordinary clients, and the project's files. It knows nothing of what a test is about.
// What the machine has to offer is in internal/testenv.
package harness
