package protocol

import (
	"bytes"
	"strconv"
	"time"
)

// ReservedPrefix begins the keys that are never stored. Reading such a key asks about a lock;
// adding one is a claim that may wait in line.
const ReservedPrefix = "lockcached:"

// Topic is what a reserved key is about.
type Topic uint8

// The topics. A reserved key without a topic means nothing.
const (
	NoTopic      Topic = iota
	WaitTopic          // lockcached:wait=DURATION[+]:KEY, a claim that may wait in line
	LockTopic          // lockcached:lock:KEY, what is known of a lock
	RetryTopic         // lockcached:retry:KEY, when to ask for it again
	ClassTopic         // lockcached:class:CLASS, what is known of a class of locks
	HeldTopic          // lockcached:held:LIMIT, a list of the locks that are held
	VersionTopic       // lockcached:version[:KEY], of the server; KEY lets clients choose the server
	OwnerTopic         // lockcached:owner:KEY, which node of a cluster serves a key
	ClusterTopic       // lockcached:cluster, the nodes of the cluster
	FillTopic          // lockcached:fill:KEY, what is known of the fills of a key
	FillsTopic         // lockcached:fills, what is known of all fills
)

const waitOption = "wait="

// topics maps the word between the prefix and the next colon to its topic.
var topics = map[string]Topic{
	"lock":    LockTopic,
	"retry":   RetryTopic,
	"class":   ClassTopic,
	"held":    HeldTopic,
	"version": VersionTopic,
	"owner":   OwnerTopic,
	"cluster": ClusterTopic,
	"fill":    FillTopic,
	"fills":   FillsTopic,
}

// ReservedKey is a parsed reserved key.
type ReservedKey struct {
	Topic  Topic
	Name   []byte // KEY, CLASS or LIMIT in the topic's form; a slice of the key
	Wait   time.Duration
	GoesOn bool // a plus sign: the client will continue to wait when this wait is over
}

// IsReserved reports whether a key begins with ReservedPrefix.
func IsReserved(key []byte) bool { return bytes.HasPrefix(key, []byte(ReservedPrefix)) }

// ParseKey parses a key that begins with ReservedPrefix. Only a key whose topic is WaitTopic
// can be invalid: then it returns ErrBadWait.
func ParseKey(key []byte) (ReservedKey, *Fault) {
	rest := key[len(ReservedPrefix):]
	if option, found := bytes.CutPrefix(rest, []byte(waitOption)); found {
		return parseWaitKey(option)
	}
	topic, name, _ := bytes.Cut(rest, []byte{':'})
	return ReservedKey{Topic: topics[string(topic)], Name: name}, nil
}

func parseWaitKey(option []byte) (ReservedKey, *Fault) {
	text, name, found := bytes.Cut(option, []byte{':'})
	text, goesOn := bytes.CutSuffix(text, []byte{'+'})
	wait, err := parseWait(string(text))
	if !found || err != nil || len(name) == 0 || IsReserved(name) {
		return ReservedKey{Topic: WaitTopic}, ErrBadWait
	}
	return ReservedKey{WaitTopic, name, wait, goesOn}, nil
}

// parseWait reads a Go duration or whole milliseconds.
func parseWait(text string) (time.Duration, error) {
	if ms, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(ms) * time.Millisecond, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = strconv.ErrRange
	}
	return d, err
}

// WaitKey is the key of an add that may wait in line for the lock of a key. The wait is cut to
// whole milliseconds.
func WaitKey(wait time.Duration, key string) string { return waitKey(wait, "", key) }

// WaitOnKey is WaitKey for a client that will continue to wait when this wait is over.
func WaitOnKey(wait time.Duration, key string) string { return waitKey(wait, "+", key) }

func waitKey(wait time.Duration, sign, key string) string {
	return ReservedPrefix + waitOption + strconv.FormatInt(wait.Milliseconds(), 10) + sign + ":" + key
}

// LockKey is the key to read for what is known of the lock of a key.
func LockKey(key string) string { return ReservedPrefix + "lock:" + key }

// RetryKey is the key to read for the advice when to claim a lock again.
func RetryKey(key string) string { return ReservedPrefix + "retry:" + key }

// ClassKey is the key to read for what is known of a class of locks.
func ClassKey(class string) string { return ReservedPrefix + "class:" + class }

// HeldKey is the key to read for a list of the locks that are held or waited for; limit, a
// decimal number, is how many it lists at most.
func HeldKey(limit string) string { return ReservedPrefix + "held:" + limit }

// VersionKey is the key to read for the version of the server that a key lives on. On
// memcached it is a miss.
func VersionKey(key string) string { return ReservedPrefix + "version:" + key }

// FillKey is the key to read for what is known of the fills of a key.
func FillKey(key string) string { return ReservedPrefix + "fill:" + key }

// FillsKey is the key to read for what is known of all fills.
const FillsKey = ReservedPrefix + "fills"

// OwnerKey is the key to read for the node of a cluster that serves a key. Outside of a cluster
// it is a miss.
func OwnerKey(key string) string { return ReservedPrefix + "owner:" + key }

// ClusterKey is the key to read for what a node knows of its cluster. Outside of a cluster it is
// a miss.
const ClusterKey = ReservedPrefix + "cluster"
