// Experiment is the experiment that the article "Lock retries with
// memcached" proposed and never published: clients that want one lock, the ways
// in which they can ask for it again, and what each way costs in tries, in
// waiting, and in time that the lock stands idle.
//
// It runs simulated, in virtual time and reproducible by a seed, or live, with
// connections to a real server and real sleeping. The advice that it simulates
// is the code of packages stats and stats/ledger that the server runs.
//
//	go run ./experiment -h
//
// A second experiment is about a cache: what happens when a page expires that many want, and what
// stops that. Its simulated cache is package locks itself.
//
//	go run ./experiment stampede -h
package main
