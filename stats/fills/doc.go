// Package fills knows how long it takes to compute what a cache keeps: the times from a get
// that was told a miss to whatever stores the key, of keys and of their classes. From them it
// derives how long a filler is given, whether anybody should be held for it, and when a key
// that will expire should be filled early.
//
// A Book belongs to one shard, whose owner guards it; Shared is what all Books know together
// of classes, and may be used by all of them at once. It knows numbers only: no get, no clock,
// no wire.
package fills
