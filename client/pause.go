package client

import (
	"math/rand/v2"
	"time"
)

// pauses are the limits of the pauses between tries. The shortest add up to more than
// a second, for as long may a server be away without anybody's noticing; and they
// are wide, so that a thousand clients that have lost their server in the same moment
// come back spread out. No second sees more than five tries.
var pauses = [...][2]time.Duration{
	{20 * time.Millisecond, 200 * time.Millisecond},
	{150 * time.Millisecond, 450 * time.Millisecond},
	{350 * time.Millisecond, 750 * time.Millisecond},
	{600 * time.Millisecond, 1000 * time.Millisecond},
}

// pauseAfter is the pause after so many tries in vain, the first being 0.
func pauseAfter(n int) time.Duration {
	limits := pauses[min(n, len(pauses)-1)]
	return limits[0] + rand.N(limits[1]-limits[0])
}
