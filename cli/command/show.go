package command

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lockcached/lockcached/cli/internal/term"
)

// A showCommand is "lockcached show".
type showCommand struct{ remote }

func newShow() task { return &showCommand{newRemote()} }

func (s *showCommand) run(a *App, args arguments) error {
	key, err := args.key("show")
	if err = cmp.Or(err, s.finish()); err != nil {
		return err
	}
	if err := s.discover(); err != nil {
		return err
	}
	locks, answers := s.look(key)
	if err := a.show(s.json, locks); err != nil {
		return err
	}
	if err := a.complain(answers); err != nil {
		return err
	}
	if !slices.ContainsFunc(locks, isKnown) {
		return s.unknown(key, locks)
	}
	return nil
}

func (a *App) show(asJSON bool, locks []fields) error {
	return a.print(asJSON, locks, func() string {
		var b strings.Builder
		for _, lock := range locks {
			if isKnown(lock) {
				b.WriteString(portrait(lock))
			}
		}
		return b.String()
	})
}

// unknown says that no server knows a lock, and why the lock is closed, if it is.
func (s *showCommand) unknown(key string, locks []fields) error {
	err := fmt.Errorf("%s: nobody holds it or waits for it, and nothing is known of its past, on %s", term.Printable(key), strings.Join(s.servers, ", "))
	for _, lock := range locks {
		if reason := closedReason(lock); reason != "" {
			return fmt.Errorf("%w; %s", err, reason)
		}
	}
	return err
}

// portrait describes a lock in words. It leaves out what a plain memcached does not know.
func portrait(lock fields) string {
	t := newTable()
	place := lock.text("server")
	if node := lock.text("node"); node != "" {
		place = "node " + node + " (" + place + ")"
	}
	t.row("lock", term.Printable(lock.text("key"))+" on "+place)
	t.row("  holder", holder(lock))
	if lock.text("waiters") == "" {
		return t.String()
	}
	t.row("  line", line(lock))
	t.row("  hold time", times(lock, "hold_", "mean", "stddev", "p50", "p90", "p99", "max"))
	t.row("  wait time", times(lock, "wait_", "mean", "stddev", "p50", "p99", "max"))
	t.row("  gap", about(lock.ms("gap_mean_ms"))+" free on average, while somebody waited")
	t.row("  grants", counts(lock, "acquired", "handed_off", "refused", "wait_timeouts", "withdrawn"))
	t.row("  ends", counts(lock, "released", "expired", "overrun", "renewed"))
	t.row("  suggested", suggestions(lock))
	return t.String()
}

// maxOwner is how much of an owner is shown in a sentence. In a plain memcached the owner is the
// whole value.
const maxOwner = 120

func ownerOf(lock fields) string { return cutMiddle(term.Printable(lock.text("owner")), maxOwner) }

func holder(lock fields) string {
	if lock.text("held") != "1" {
		if reason := closedReason(lock); reason != "" {
			return "nobody; " + reason
		}
		return "nobody"
	}
	text := ownerOf(lock) + ", token " + lock.text("token")
	if lock.text("age_ms") == "" {
		return text
	}
	return text + ", for " + about(lock.ms("age_ms")) + "; lease: " + lease(lock)
}

func line(lock fields) string {
	text := counts(lock, "queued", "polling")
	if lock.text("held") == "1" {
		text += "; a newcomer should ask in " + about(lock.ms("retry_ms"))
	}
	return text
}

func times(lock fields, prefix string, names ...string) string {
	count := lock.count(prefix + "count")
	if count == 0 {
		return "not known yet"
	}
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = name + " " + about(lock.ms(prefix+name+"_ms"))
	}
	return strings.Join(parts, ", ") + fmt.Sprintf(" (of %d)", count)
}

func counts(lock fields, names ...string) string {
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = lock.text(name) + " " + strings.ReplaceAll(name, "_", " ")
	}
	return strings.Join(parts, ", ")
}

func suggestions(lock fields) string {
	text := "TTL " + about(lock.ms("suggested_ttl_ms"))
	if lock.ms("suggested_ttl_ms") == 0 {
		text = "TTL not known yet"
	}
	if wait := lock.ms("suggested_wait_ms"); wait > 0 {
		text += ", wait " + about(wait)
	}
	return text
}
