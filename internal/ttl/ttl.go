// Package ttl has the one duration on which every layer has to agree: that of items and
// leases that never end. It is a package of its own because those layers share no other:
// protocol and store import nothing else of this project.
package ttl

import (
	"math"
	"time"
)

// Forever is the lease of a hold, the TTL of an item, or the length of a wait that does
// not end; as a moment on any clock, such as an expiry, the one that never comes.
const Forever = time.Duration(math.MaxInt64)
