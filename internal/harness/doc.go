// Package harness is what tests of whole processes share: lockcached as a process, its
// ordinary clients, and the project's files. It knows nothing about what a test is about.
// Package internal/testenv says what the machine offers.
package harness
