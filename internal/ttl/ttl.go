// Package ttl has the one value of the time that items and leases last which every layer
// has to agree on. It is a package of its own because those layers have no other in
// common: protocol and store import nothing of this project.
package ttl

import (
	"math"
	"time"
)

// Forever is the lease of a hold, the TTL of an item, or the length of a wait that does
// not end; as a moment on any clock, such as an expiry, the one that never comes.
const Forever = time.Duration(math.MaxInt64)
