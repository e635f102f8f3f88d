package server

import "time"

// pace is what the latest waits of a loop for events were like, and so what the next one is
// probably like.
type pace struct {
	short   float64       // about the share of short waits
	longest time.Duration // decaying
}

const (
	// A sleep of less than shortSleep costs more than it saves.
	shortSleep = 100 * time.Microsecond
	// A sleep of less than longSleep is a system call, which returns sooner. A longer one uses
	// the runtime's poller, so that an idle server leaves the processor alone.
	longSleep = 4 * time.Millisecond
	// If more than mostlyShort of the waits are short, the leader does not sleep at first. (When a
	// lock is held for a while and goes from hand to hand, a long wait follows each short one.)
	mostlyShort = 0.6
)

func (p *pace) isFast() bool { return p.short > mostlyShort }

func (p *pace) isSlow() bool { return p.longest >= longSleep }

func (p *pace) note(wait time.Duration) {
	const weight = 1.0 / 16 // of the latest wait
	p.short -= p.short * weight
	if wait < shortSleep {
		p.short += weight
	}
	p.longest = max(wait, p.longest-p.longest/4)
}
