package admin

import (
	"fmt"
	"strings"
	"time"

	"github.com/lockcached/lockcached/stats"
)

// From when on the numbers of a class call for advice.
const (
	someHolds  = 10   // fewer prove nothing
	manyTries  = 3    // claims for each grant
	manyIdle   = 0.10 // share of the time for which a lock was wanted
	manyExpire = 0.05 // share of the holds
)

// advice is what the numbers of a class call for, a sentence or two each.
func (s *sight) advice() []string {
	list := []string{}
	if s.known == nil { // the sum of many classes
		return list
	}
	for _, text := range []string{s.aboutTTL(), s.aboutPolling(), s.aboutIdling()} {
		if text != "" {
			list = append(list, text)
		}
	}
	return list
}

// aboutTTL tells a TTL that is too short from holders that never come back.
func (s *sight) aboutTTL() string {
	ended := s.Count(stats.Released) + s.Count(stats.Expired)
	expired, late := s.Count(stats.Expired), s.Count(stats.Overrun)+s.Count(stats.LateReleases)
	switch {
	case ended < someHolds || expired == 0:
		return ""
	case late > 0:
		text := fmt.Sprintf("The TTL is too short: it ended %d of %d holds, and %d of their holders were still at work then.", expired, ended, late)
		if ttl := s.suggested(); ttl != "" {
			text += " A TTL of " + ttl + " would do."
		}
		return text
	case float64(expired) >= manyExpire*float64(ended):
		return fmt.Sprintf("The TTL ended %d of %d holds, and no release came after that: holders crash, or forget to release.", expired, ended)
	}
	return ""
}

// suggested is the TTL that the server suggests, "" if it does not know one.
func (s *sight) suggested() string {
	for _, f := range s.known {
		if f.Name == "suggested_ttl_ms" && f.Text != "0" {
			return f.Text + " ms"
		}
	}
	return ""
}

func (s *sight) aboutPolling() string {
	tries := s.perSecond(stats.Refused)
	if s.Count(stats.Acquired) < someHolds || s.tries() < manyTries || tries < 1 {
		return ""
	}
	return fmt.Sprintf("Clients ask %.1f times for each grant. With --wait '%s=2s' they would wait in line, and %.0f tries a second would go away.",
		s.tries(), s.glob(), tries)
}

func (s *sight) aboutIdling() string {
	if s.Gap.Count() < someHolds || s.idle() < manyIdle {
		return ""
	}
	return fmt.Sprintf("The lock is idle for %.0f %% of the time for which it is wanted: clients come back too late. "+
		"In line (--wait '%s=2s') the next one gets it at once; otherwise they should ask again after retry_ms.", 100*s.idle(), s.glob())
}

// idle is for which share of the time a lock was free although somebody waited for it: of the gaps, and the
// holds that followed them.
func (s *sight) idle() float64 {
	gaps, holds := s.Gap.Seconds(), s.Hold.Count()
	if gaps == 0 || holds == 0 {
		return 0
	}
	mean := s.Hold.Seconds() / float64(holds)
	return gaps / (gaps + mean*float64(s.Gap.Count()))
}

// glob is a pattern for the keys of the class.
func (s *sight) glob() string {
	return strings.TrimSuffix(strings.ReplaceAll(s.Name, "#", "*"), "*") + "*"
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
